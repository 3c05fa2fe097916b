"""How things stand: connections, balance, people."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.admin.causes import in_words
from services.contracts.accounts import Account
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.runs import Run
from services.contracts.snapshots import Snapshot
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Status:
    """One connection. ``accounts`` counts the active employees who have one; ``balance`` people whose newest change is
    not decided, 0 at rest; ``missing`` people with an enabled account whom Personio lists no more.
    """

    connection: ConnectionId
    name: str
    state: ConnectionState
    employees: int
    active: int
    accounts: int
    balance: int
    waiting: int
    missing: int
    outcomes: dict[str, int]
    mapping_version: int
    last_run: Run | None


async def status(store: Store) -> tuple[Status, ...]:
    waiting = await store.accounts.waiting_connections()
    return tuple(
        [await _status(store, c.id, c.name, c.state, waiting.get(c.id, 0)) for c in await store.connections.listed()]
    )


async def _status(store: Store, connection: ConnectionId, name: str, state: ConnectionState, waiting: int) -> Status:
    published = await store.mappings.published(connection)
    return Status(
        connection=connection,
        name=name,
        state=state,
        employees=await store.snapshots.count(connection),
        active=await store.snapshots.active_count(connection),
        accounts=await store.accounts.active_count(connection),
        balance=await store.accounts.behind(connection),
        waiting=waiting,
        missing=len(await store.accounts.missing(connection)),
        outcomes=await store.accounts.outcomes(connection),
        mapping_version=published.version if published else 0,
        last_run=await store.runs.last_finished(connection),
    )


@dataclass(frozen=True, slots=True)
class Person:
    snapshot: Snapshot | None
    account: Account | None


async def person(store: Store, connection: ConnectionId, employee: EmployeeId) -> Person:
    """What is known of one employee. Shown to the person who asks, and nowhere else: it holds personal data."""
    snapshots = await store.snapshots.read(connection, [employee])
    return Person(snapshots.get(employee), await store.accounts.get(PersonKey(connection, employee)))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Somebody who needs a look, by id alone: the data may be looked at with ``person``."""

    employee: EmployeeId
    state: Literal["waiting", "rejected", "refused", "missing"]
    reason: str
    since: datetime | None = None


NOT_LISTED = "Personio lists this employee no more; the account stays as it is: look whether it is to be disabled"


async def unsettled(store: Store, connection: ConnectionId) -> AsyncIterator[Unsettled]:
    """Who waits, who is rejected, whose event Kafka does not take, and who has an account and is listed no more; each once."""
    await store.connections.must_exist(connection)
    named: set[EmployeeId] = set()
    async for found in _unsettled(store, connection):
        if found.employee not in named:
            named.add(found.employee)
            yield found


async def _unsettled(store: Store, connection: ConnectionId) -> AsyncIterator[Unsettled]:
    async for account in _accounts(store, connection, store.accounts.waiting):
        if account.waiting is not None:
            yield Unsettled(account.employee_id, "waiting", in_words(account.waiting.cause), account.waiting.since)
    async for account in _accounts(store, connection, store.accounts.rejected):
        if account.waiting is None and account.decided is not None:
            place = f"{account.decided.field}: " if account.decided.field else ""
            reason = f"{place}{account.decided.reason or 'no reason was given'}"
            yield Unsettled(account.employee_id, "rejected", reason, account.decided.settled_at)
    for employee in await store.snapshots.refused(connection):
        yield Unsettled(employee, "refused", "the employee's data is too large for Kafka: shorten it in Personio")
    async for page in store.snapshots.stream(connection, await store.accounts.missing(connection)):
        for snapshot in page:
            yield Unsettled(snapshot.employee_id, "missing", NOT_LISTED, snapshot.missing_since)


async def _accounts(
    store: Store,
    connection: ConnectionId,
    select: Callable[[ConnectionId], AsyncIterator[Sequence[EmployeeId]]],
) -> AsyncIterator[Account]:
    async for page in select(connection):
        entries = await store.accounts.read(PersonKey(connection, employee) for employee in page)
        for key in sorted(entries):
            yield entries[key]
