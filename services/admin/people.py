"""The stored data of one employee, and the employees that need attention."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.snapshots import Snapshot
from services.store.database import Store

OVERSIZED = "the employee's data is too large for Kafka: shorten it in Personio"
"""The reason of an oversized event, for an administrator."""
ABSENT_STEP = "disable it now with `people disable`, or leave it as it is with `people acknowledge`"
"""The next step for the account of an absent employee."""
ABSENT = (
    "Personio no longer lists this employee. The account is disabled after two lookups of the employee id without a result: "
    f"{ABSENT_STEP}"
)
"""The reason of an absent employee, for an administrator."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """The stored data of one employee. It contains personal data: show it only on request."""

    snapshot: Snapshot | None
    """The employee as the poller last stored it; None if the employee is unknown."""
    entry: LedgerEntry | None
    """The ledger entry; None before the first decision."""
    problems: tuple[str, ...] = ()
    """What of the employee cannot be read, and what to do."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Personio's display names of the attributes, by key."""


async def get_person(store: Store, connection: ConnectionId, employee: EmployeeId) -> PersonView:
    """Returns the stored data of one employee; an unknown employee has neither snapshot nor entry.

    Raises ``UnknownConnectionError`` if the connection does not exist.
    """
    await store.connections.ensure_exists(connection)
    snapshots = await store.snapshots.read(connection, [employee])
    entry = await store.ledger.get(PersonKey(connection, employee))
    damaged = await store.damage.list_all(connection)
    problems = [damage.problem for damage in damaged if damage.employee_id == employee]
    if entry is not None and entry.damage is not None:
        problems.append(f"{WaitingCause.UNREADABLE_ENTRY.text} (invalid fields: {entry.damage})")
    catalogue = await store.catalogues.get(connection)
    labels = {attribute.key: attribute.label for attribute in catalogue.attributes} if catalogue else {}
    return PersonView(snapshots.get(employee), entry, tuple(problems), labels)


def describe_absence(person: PersonView) -> str | None:
    """Returns what an administrator has to know about an absent employee; None for an employee that Personio lists."""
    snapshot = person.snapshot
    if snapshot is None or snapshot.absent_since is None:
        return None
    if snapshot.kind is ChangeKind.REMOVED:
        return "Personio no longer lists this employee, and the account is disabled"
    if snapshot.is_absence_acknowledged:
        return "Personio no longer lists this employee, and `people acknowledge` leaves the account as it is"
    has_access = person.entry is not None and person.entry.enabled
    return ABSENT if has_access else "Personio no longer lists this employee, and no enabled account is known"


@dataclass(frozen=True, slots=True)
class NeedsAttention:
    """An employee that needs attention, without personal data. ``get_person`` returns the data."""

    employee: EmployeeId
    """Personio's id of the employee."""
    state: Literal["unreadable", "waiting", "rejected", "incomplete", "oversized", "absent"]
    """Why the employee needs attention."""
    reason: str
    """What happened and what to do."""
    since: datetime | None = None
    """Start of this state; None if unknown."""


async def find_people_needing_attention(store: Store, connection: ConnectionId) -> AsyncIterator[NeedsAttention]:
    """Yields each employee once: unreadable, waiting, rejected, incomplete, oversized, or absent with an enabled account.

    Raises ``UnknownConnectionError`` if the connection does not exist.
    """
    await store.connections.ensure_exists(connection)
    reported: set[EmployeeId] = set()
    async for person in _find_all(store, connection):
        if person.employee not in reported:
            reported.add(person.employee)
            yield person


async def _find_all(store: Store, connection: ConnectionId) -> AsyncIterator[NeedsAttention]:
    for damage in await store.damage.list_all(connection):
        if damage.employee_id is not None:
            yield NeedsAttention(damage.employee_id, "unreadable", damage.problem, damage.since)
    async for person in _find_undone(store, connection):
        yield person
    async for page in store.snapshots.stream(connection, await store.snapshots.find_oversized(connection)):
        for snapshot in page:
            yield NeedsAttention(snapshot.employee_id, "oversized", _describe_oversized(snapshot))
    async for page in store.snapshots.stream(connection, await store.counters.find_absent_with_account(connection)):
        for snapshot in page:
            yield NeedsAttention(snapshot.employee_id, "absent", ABSENT, snapshot.absent_since)


async def _find_undone(store: Store, connection: ConnectionId) -> AsyncIterator[NeedsAttention]:
    """Yields the employees that wait, are rejected or are incomplete."""
    for page_waiting in (store.followups.page_waiting, store.followups.page_held_disablings):
        async for entry in _read_entries(store, connection, page_waiting):
            if entry.waiting is not None:
                yield NeedsAttention(entry.employee_id, "waiting", entry.waiting.cause.text, entry.waiting.since)
    async for entry in _read_entries(store, connection, store.followups.page_rejected):
        if entry.waiting is None and entry.decided is not None:
            field = f"{entry.decided.field}: " if entry.decided.field else ""
            reason = f"{field}{entry.decided.reason or 'no reason is recorded'}"
            yield NeedsAttention(entry.employee_id, "rejected", reason, entry.decided.settled_at)
    async for entry in _read_entries(store, connection, _page_incomplete(store)):
        if entry.waiting is None and entry.decided is not None and entry.decided.outcome is Outcome.INCOMPLETE:
            reason = entry.decided.reason or "no reason is recorded"
            yield NeedsAttention(entry.employee_id, "incomplete", reason, entry.decided.settled_at)


def _describe_oversized(snapshot: Snapshot) -> str:
    if not snapshot.oversized:
        return OVERSIZED
    keys = ", ".join(snapshot.oversized)
    return f"the value of {keys} is too large, and its field stays as it is: shorten it in Personio"


def _page_incomplete(store: Store) -> Callable[[ConnectionId], AsyncIterator[Sequence[EmployeeId]]]:
    return lambda connection: store.followups.page_incomplete(connection, datetime.max.replace(tzinfo=UTC))


async def _read_entries(
    store: Store,
    connection: ConnectionId,
    page_employees: Callable[[ConnectionId], AsyncIterator[Sequence[EmployeeId]]],
) -> AsyncIterator[LedgerEntry]:
    async for page in page_employees(connection):
        entries = await store.ledger.read(PersonKey(connection, employee) for employee in page)
        for key in sorted(entries):
            yield entries[key]
