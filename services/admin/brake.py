"""The changes that the brake of a connection holds: accounts that stay enabled until an administrator decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.store.collection import PAGE_SIZE
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class HeldDisabling:
    """A change of one employee that the brake holds."""

    employee: EmployeeId
    """Personio's id of the employee."""
    since: datetime | None
    """Since when the change waits; None if unknown."""
    name: str | None = None
    """First and last name; None if they were not requested or are unknown."""


async def list_held(store: Store, connection: ConnectionId, *, with_names: bool) -> tuple[HeldDisabling, ...]:
    """Returns what the brake holds, in the order of the employee ids. ``with_names`` adds names, which are personal data.

    Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    held: list[HeldDisabling] = []
    async for page in store.followups.page_held_disablings(connection):
        entries = await store.ledger.read(PersonKey(connection, employee) for employee in page)
        snapshots = await store.snapshots.read(connection, page) if with_names else {}
        for entry in entries.values():
            since = entry.waiting.since if entry.waiting is not None else None
            snapshot = snapshots.get(entry.employee_id)
            held.append(HeldDisabling(entry.employee_id, since, None if snapshot is None else snapshot.full_name))
    return tuple(sorted(held, key=lambda one: one.employee))


async def release(store: Store, connection: ConnectionId, people: Sequence[EmployeeId]) -> int:
    """Lets the writers disable the accounts of these employees, and begins to count at 0. Returns their number.

    An employee with a change that is no longer held is left out. After an interruption it can be repeated. Raises
    ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    released = 0
    for start in range(0, len(people), PAGE_SIZE):
        page = [PersonKey(connection, employee) for employee in people[start : start + PAGE_SIZE]]
        entries = await store.ledger.read(page)
        revisions = {
            person: entry.newest_version.revision for person, entry in entries.items() if entry.is_disabling_held
        }
        await store.ledger.allow_disabling(revisions)
        released += len(revisions)
    # an administrator has looked at the connection: the next leaver is not held because of these
    await store.brakes.reset(connection)
    return released
