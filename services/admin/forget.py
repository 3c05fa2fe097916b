"""Forgets a person: shows what is stored, and erases it from MongoDB and from Kafka."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import ClassVar

from services.admin.dead_letters import list_dead_letters
from services.admin.leasing import hold_connection
from services.admin.tasks import build_unknown_employee
from services.admin.tombstones import RecordEraser
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.snapshots import Snapshot
from services.errors import PermanentError
from services.runtime.clock import Clock
from services.runtime.settings import KafkaSettings
from services.store.database import Store


class NotForgettableError(PermanentError):
    """To forget the person now has a consequence that an administrator has to accept."""

    code: ClassVar[str] = "not-forgettable"


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """What is stored about a person, without personal data."""

    employee: EmployeeId
    """Personio's id of the employee."""
    counts: dict[str, int]
    """Number of documents about the employee, or that name the employee, by collection."""
    account_id: AccountId | None
    """The account in Declaree, which stays; None if none is known."""
    account_state: str
    """Whether the account was `enabled` or `disabled` when it was last confirmed; `unknown`, or `none` without an account."""
    reports: int
    """Number of other employees with this employee as manager. Their data may name the manager."""
    obstacles: tuple[str, ...]
    """What speaks against forgetting the employee now; empty if nothing does."""


async def find_stored(store: Store, connection: ConnectionId, employee: EmployeeId) -> StoredPerson:
    """Returns what MongoDB holds about a person.

    Raises ``UnknownConnectionError``, and ``UnknownEmployeesError`` if nothing is stored.
    """
    await store.connections.ensure_exists(connection)
    person = PersonKey(connection, employee)
    counts = await store.erasure.count_person(person)
    if not any(counts.values()):
        raise build_unknown_employee(connection, employee)
    entry = await store.ledger.get(person)
    snapshot = (await store.snapshots.read(connection, [employee])).get(employee)
    return StoredPerson(
        employee=employee,
        counts=counts,
        account_id=entry.account_id if entry else None,
        account_state=_describe_account(entry),
        reports=await store.erasure.count_reports(person),
        obstacles=tuple(_find_obstacles(snapshot, entry, is_damaged=bool(counts["snapshots"]) and snapshot is None)),
    )


def _describe_account(entry: LedgerEntry | None) -> str:
    if entry is None or (entry.account_id is None and entry.attempted is None):
        return "none"
    if entry.account_id is None or entry.enabled is None or is_unconfirmed(entry):
        return "unknown"
    return "enabled" if entry.enabled else "disabled"


def is_unconfirmed(entry: LedgerEntry) -> bool:
    """Returns whether the state of the account is not known for certain: a write may come true, or a change waits."""
    has_doubt = entry.attempted is not None or entry.suspected_since is not None or entry.look_at is not None
    return has_doubt or entry.verify or entry.waiting is not None or entry.damage is not None


def _find_obstacles(snapshot: Snapshot | None, entry: LedgerEntry | None, *, is_damaged: bool) -> Iterator[str]:
    """``is_damaged`` says whether a snapshot is stored that cannot be read."""
    if is_damaged:
        yield "the stored snapshot cannot be read: Personio may still list the employee, or a change may not be settled"
    if snapshot is not None and snapshot.absent_since is None:
        yield "Personio still lists the employee: the next poll stores the employee again, as a new one"
    state = _describe_account(entry)
    if state == "enabled":
        yield "the account is enabled: nothing disables it after the employee is forgotten"
    if state == "unknown":
        yield "the state of the account is not confirmed: it may be enabled, and nothing disables it afterwards"
    decided = entry.decided_version.revision if entry else 0
    if snapshot is not None and decided < snapshot.revision:
        yield "the newest change of the employee is not settled"


async def count_letters(settings: KafkaSettings, store: Store, person: PersonKey) -> int:
    """Returns the number of open dead letters of a person. Raises ``KafkaUnavailableError``."""
    return sum(letter.person == str(person) for letter in await list_dead_letters(settings, store))


async def forget(
    store: Store,
    clock: Clock,
    eraser: RecordEraser,
    connection: ConnectionId,
    employee: EmployeeId,
    *,
    force: bool,
    seconds: float,
) -> StoredPerson:
    """Erases a person from MongoDB and Kafka. Returns what was stored. The account in Declaree stays.

    ``seconds`` limits the wait for a poller. Raises ``NotForgettableError`` without ``force`` if something speaks against
    it, and the errors of ``find_stored``, ``hold_connection`` and ``RecordEraser.erase``.
    """
    person = PersonKey(connection, employee)

    async def page_people() -> AsyncIterator[tuple[PersonKey, ...]]:
        yield (person,)

    await store.connections.ensure_exists(connection)
    async with hold_connection(store, clock, connection, seconds=seconds) as keep_lease:
        stored = await find_stored(store, connection, employee)
        if stored.obstacles and not force:
            raise build_not_forgettable(stored)
        await eraser.erase(person, page_people, keep_lease)
        await store.erasure.erase_person(person)
    return stored


def build_not_forgettable(stored: StoredPerson) -> NotForgettableError:
    """Returns the error for a person with obstacles."""
    return NotForgettableError(
        f"employee {stored.employee} is not forgotten ({'; '.join(stored.obstacles)}): "
        "remove the employee in Personio and run `people disable`, or add --force"
    )
