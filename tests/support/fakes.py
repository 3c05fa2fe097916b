"""Fakes of the ports that record their use, and clocks that only the tests move."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from services.contracts.cloudevents import Record
from services.contracts.connections import Connection, ConnectionState
from services.contracts.employees import REQUIRED_ATTRIBUTES, AttributeDefinition, Employee, EmployeePage, get_parent
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tasks import Action, Resend
from services.contracts.values import Value
from services.contracts.vendor_notes import VendorNotes
from services.poller.ports import PollPlan
from services.provisioning.calls import Answer, Call, FindAccounts, ListAccounts, ReadAccount
from services.provisioning.server import ServerDescription
from services.runtime.clock import Clock
from services.runtime.kafka.ownership import Ownership, PartitionsMovedError
from services.store.database import Store
from services.writer.backlog import Backlog
from services.writer.ports import ScimServer
from tests.support.builders import ADA, NOW
from tests.support.keys import make_key
from tests.support.servers import MongoServers


async def _do_nothing(_: object) -> None:
    pass


class FakeClock:
    """A clock on which a sleep takes no time and moves the clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Time since ``NOW``."""
        self.slept: list[float] = []
        """Seconds of each sleep, in order."""

    def now(self) -> datetime:
        """Returns ``NOW`` plus the seconds of the clock."""
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Returns the seconds of the clock."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Moves the clock and lets other tasks run once."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class StillClock(FakeClock):
    """A clock on which a sleep ends when the test has moved the clock far enough."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        """Waits until the test has moved the clock by ``seconds``."""
        sleeper = (self.seconds + seconds, asyncio.Event())
        self.slept.append(seconds)
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers = [other for other in self._sleepers if other is not sleeper]

    @property
    def sleepers(self) -> int:
        """The number of sleeping tasks."""
        return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Moves the clock and wakes the tasks that have slept long enough."""
        self.seconds += seconds
        for due, wakeup in self._sleepers:
            if due <= self.seconds:
                wakeup.set()
        self._sleepers = [(due, wakeup) for due, wakeup in self._sleepers if not wakeup.is_set()]


@asynccontextmanager
async def open_store(mongo: MongoServers, database: str, *, timeout_ms: int = 5000) -> AsyncIterator[Store]:
    """Opens a store on a real MongoDB, with a new encryption key.

    The database must have its indexes. ``timeout_ms`` is the maximum duration of one command in milliseconds.
    """
    key = SecretStr(make_key())
    store = Store.connect(SecretStr(mongo.url), database, [key], timeout_ms=timeout_ms)
    try:
        yield store
    finally:
        store.close()


# ---------------------------------------------------------------- Kafka and Personio for the poller


@dataclass
class FakePublisher:
    """A publisher that records what it publishes."""

    log: list[Record] = field(default_factory=list)
    """The published records, in order."""
    too_large: set[bytes] = field(default_factory=set)
    """Keys of records that are too large for Kafka."""
    effect: Callable[[str], None] = lambda _: None
    """Receives ``publish`` before each record; it may raise."""

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Publishes the records and returns those that are too large."""
        for record in records:
            self.effect("publish")
            if record.key not in self.too_large:
                self.log.append(record)
        return tuple(record for record in records if record.key in self.too_large)

    def get_records(self, person: bytes) -> list[Record]:
        """Returns the published records of one person."""
        return [record for record in self.log if record.key == person]


UNREADABLE = "unreadable"
"""First name of an employee with an element that cannot be read."""
LONG_AGO = NOW - timedelta(days=400)
"""A time before every poll."""


class Listed:
    """An element of a list that notes when it is read."""

    def __init__(self, employee: Employee, note: Callable[[str], object]) -> None:
        """``note`` receives the id of the employee that is read."""
        self.id = employee.id
        self.digest = repr(employee)
        self._employee = employee
        self._note = note

    def read(self) -> Employee | None:
        """Returns the employee; None if its first name says that the element cannot be read."""
        self._note(self.id)
        return None if self._employee.attributes.get("first_name") == UNREADABLE else self._employee


class FakePersonio:
    """A company's Personio that lists its employees in pages."""

    def __init__(self, people: Mapping[str, Mapping[str, Value]] | None = None, page: int = 2) -> None:
        self.people: dict[str, dict[str, Value]] = {key: ADA | dict(values) for key, values in (people or {}).items()}
        """Attribute values by employee id; a value that is not set is Ada's."""
        self.page = page
        """Employees per page."""
        self.visible: tuple[str, ...] = (*REQUIRED_ATTRIBUTES, "supervisor")
        """Keys of the visible attributes."""
        self.odd_pages: list[EmployeePage] | None = None
        """Pages that are listed instead of ``people``; None for no such pages."""
        self.notice: Callable[[str], None] = lambda _: None
        """Receives a text before each page."""
        self.before_page: Callable[[int], Awaitable[object]] = _do_nothing
        """Is awaited before each page, with its number from 1."""
        self.before_open: Callable[[ConnectionId], None] = lambda _: None
        """Receives the connection before it is opened; it may raise."""
        self.failure: Exception | None = None
        """The error after the last page; None for no error."""
        self.requested: frozenset[str] = frozenset()
        """Keys of the attributes that were requested last."""
        self.is_obedient = True
        """Whether attributes that were not requested are left out."""
        self.opened: list[ConnectionId] = []
        """Connections in the order in which the poller opened them."""
        self.unlisted: set[str] = set()
        """Ids of employees that exist and are missing in the list, which does not count them."""
        self.changed_at: dict[str, datetime] = {}
        """When each employee was changed for Personio's filter by time, by id; ``LONG_AGO`` for any other."""
        self.touched_at: dict[str, datetime] = {}
        """Personio's own timestamp of the last change, by employee id; ``NOW`` for any other."""
        self.read: list[str] = []
        """Ids of the listed employees that were read, in order."""
        self.note_read: Callable[[str], object] = self.read.append
        """Receives the id of each listed employee that is read."""
        self.asked_since: list[datetime | None] = []
        """The times from which lists were asked for; None for a list of all employees."""
        self.refused_filter: Exception | None = None
        """The error of a list with a filter by time; None for no error."""
        self.lookups: list[str] = []
        """Ids of the employees that were looked up, in order."""
        self.lookup_failure: Exception | None = None
        """The error of each lookup; None for no error."""
        self.failing_lookups: dict[str, Exception] = {}
        """The errors of the lookups of some employees, by id."""
        self.fingerprint = "credential"
        """Identifies the address and the credential."""
        self.queued_seconds = 0.0
        """Seconds in which requests have waited for their turn in the poller."""
        self.notes = VendorNotes()
        """What the answers said beside their content."""
        self._open: set[ConnectionId] = set()

    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the visible attributes."""
        return tuple(AttributeDefinition(key, key, "standard") for key in self.visible)

    async def get_employee(self, employee_id: EmployeeId) -> Employee | None:
        """Returns one employee with all visible attributes; None for an unknown id."""
        self.lookups.append(employee_id)
        if failure := self.lookup_failure or self.failing_lookups.get(employee_id):
            raise failure
        values = self.people.get(employee_id)
        if values is None:
            return None
        return make_employee(employee_id, {k: v for k, v in values.items() if get_parent(k) in self.visible})

    async def iterate_pages(
        self, requested: Collection[str], since: datetime | None = None
    ) -> AsyncIterator[EmployeePage]:
        """Yields all pages, then raises ``failure`` if it is set. With ``since``, lists those that ``changed_at`` has since then."""
        self.requested = frozenset(requested)
        self.asked_since.append(since)
        if since is not None and self.refused_filter is not None:
            raise self.refused_filter
        for number, page in enumerate(self.odd_pages or self._build_pages(since), 1):
            self.notice(f"page {number} is asked for")
            await self.before_page(number)
            yield page
        if self.failure is not None:
            raise self.failure

    def _build_pages(self, since: datetime | None) -> list[EmployeePage]:
        """Returns the pages, with an empty one after a full last page: the client asks for what may have been added."""
        people = [(key, values) for key, values in self.people.items() if key not in self.unlisted]
        if since is not None:
            people = [(key, values) for key, values in people if since < self.changed_at.get(key, LONG_AGO)]
        total = len(people)
        return [
            EmployeePage(
                tuple(self._list(key, values) for key, values in people[start : start + self.page]),
                start,
                total,
            )
            for start in range(0, total + 1, self.page)
        ]

    def _list(self, key: str, values: Mapping[str, Value]) -> Listed:
        employee = make_employee(key, self._select(values), self.touched_at.get(key, NOW))
        return Listed(employee, self.note_read)

    def _select(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {
            key: value for key, value in values.items() if get_parent(key) in self.requested or not self.is_obedient
        }

    @asynccontextmanager
    async def source(self, plan: PollPlan) -> AsyncIterator["FakePersonio"]:
        """Opens this Personio for a run of the connection, as the poller's ``Source``."""
        connection = plan.connection_id
        self.before_open(connection)
        assert connection not in self._open, "two runs poll the connection at the same time"
        self.opened.append(connection)
        self._open.add(connection)
        try:
            yield self
        finally:
            self._open.remove(connection)


def make_employee(key: str, values: Mapping[str, Value], modified_at: datetime = NOW) -> Employee:
    """Returns an employee with this id and these attribute values."""
    return Employee(EmployeeId(key), dict(values), modified_at)


# ---------------------------------------------------------------- failures


class CrashError(BaseException):
    """The end of the process. It is not an ``Exception``, so that the product does not catch it."""


class Crashes:
    """Records effects, and ends the process before one of them."""

    def __init__(self, at: int | None = None, kind: str | None = None) -> None:
        self.at = at
        """Number of effects before the crash; None for no crash."""
        self.kind = kind
        """The kind of effects that count; None for all."""
        self.effects: list[str] = []
        """Names of the effects, in order."""

    def record(self, name: str) -> None:
        """Records the effect; raises ``CrashError`` if it is the one to crash before."""
        self.effects.append(name)
        counted = len(self.effects) if self.kind is None else self.effects.count(self.kind)
        if self.at is not None and counted > self.at and self.kind in {None, name}:
            raise CrashError(name)

    def wrap(self, target: Any, effects: Iterable[str] = ()) -> Any:
        """Returns a wrapper of ``target`` that records each call of the methods in ``effects``."""
        return _Watched(target, frozenset(effects), self.record)


class _Watched:
    def __init__(self, target: Any, effects: frozenset[str], before: Callable[[str], None]) -> None:
        self._target = target
        self._effects = effects
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name not in self._effects:
            return method

        async def call_watched(*args: Any, **kwargs: Any) -> Any:
            self._before(name)
            return await method(*args, **kwargs)

        return call_watched


def group_by_person(records: Iterable[Record]) -> dict[bytes, list[Record]]:
    """Returns the records by key, each list in order."""
    groups: dict[bytes, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.key or b""].append(record)
    return dict(groups)


# ---------------------------------------------------------------- ports of the writer and the mapper


class PlentyOfRoom:
    """Room for waiting employees in a writer: ``most`` of each connection."""

    def __init__(self, clock: Clock, most: int = 1_000) -> None:
        """Starts without a backlog."""
        self.backlog = Backlog(clock)
        self.most = most

    def find_room_for_waiting(self, connection: ConnectionId) -> int:
        """Returns the room that those on their way leave."""
        return self.most - self.backlog.count_expected(connection)


class OwnedPartitions(Ownership):
    """The ownership of a batch. The partitions stay until a test sets ``is_revoked``."""

    def __init__(self) -> None:
        """Starts with partitions that belong to this process."""
        super().__init__(lambda: True)
        self.is_revoked = False
        """Whether the partitions have moved to another member."""
        self.checks = 0
        """Number of calls of ``ensure_owned``."""

    @property
    def has_moved(self) -> bool:
        """Whether the partitions have moved."""
        return self.is_revoked

    def ensure_owned(self) -> None:
        """Counts the check. Raises ``PartitionsMovedError`` if the partitions have moved."""
        self.checks += 1
        if self.is_revoked:
            raise PartitionsMovedError("the partitions have moved")


@dataclass
class KnownConnections:
    """The connections of a test, some of them with secrets that cannot be decrypted."""

    connections: dict[ConnectionId, Connection] = field(default_factory=dict)
    """The connections by id."""
    unreadable: set[ConnectionId] = field(default_factory=set)
    """Connections that exist but cannot be read. They need not be in ``connections``."""

    async def get_readable(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Returns the connections that exist and can be read."""
        readable = self.connections.keys() - self.unreadable
        return {connection: self.connections[connection] for connection in connections if connection in readable}

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist."""
        return frozenset(connections) & (self.connections.keys() | self.unreadable)

    async def find_states(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, ConnectionState]:
        """Returns the states of the connections that exist. One that cannot be read is active."""
        return {
            name: self.connections[name].state if name in self.connections else ConnectionState.ACTIVE
            for name in await self.filter_existing(connections)
        }


@dataclass
class FiledTasks:
    """The tasks that were filed for the lease owners."""

    filed: list[tuple[ConnectionId, Action, str | None]] = field(default_factory=list)
    """Connection, action and ``once`` key of each task, in order."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> None:
        """Records the task."""
        self.filed.append((connection, action, once))

    @property
    def people(self) -> set[str]:
        """The employees that the tasks resend by name."""
        return {employee for _, action, _ in self.filed if isinstance(action, Resend) for employee in action.people}


async def _keep_answer(_: Call, answer: Answer) -> Answer:
    return answer


@dataclass
class WatchedServer:
    """A SCIM server that records every call. A test may delay a call, fail it, or replace its answer."""

    inner: ScimServer
    """The server that performs the calls."""
    calls: list[Call] = field(default_factory=list)
    """The calls that were sent, in order."""
    before: Callable[[Call], Awaitable[None]] = _do_nothing
    """Runs before each call; it may wait, or raise instead of the call."""
    after: Callable[[Call, Answer], Awaitable[Answer]] = _keep_answer
    """Runs after each call; its result replaces the answer."""
    probes: int = 0
    """Number of probes."""
    description: ServerDescription | None = None
    """What the server says about itself; None asks the inner server."""
    is_closed: bool = False
    """Whether the client was closed."""

    async def discover(self) -> ServerDescription:
        """Returns the description."""
        return self.description if self.description is not None else await self.inner.discover()

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """Performs the call on the inner server and records it when it is sent."""
        await self.before(call)

        def record_call() -> None:
            before()
            self.calls.append(call)

        answer = await self.inner.perform(call, before=record_call)
        await asyncio.sleep(0)  # a real answer takes time, in which other tasks run
        return await self.after(call, answer)

    async def probe(self) -> None:
        """Counts the probe, and probes the inner server."""
        self.probes += 1
        await self.inner.probe()

    async def close(self) -> None:
        """Closes the inner server's client."""
        self.is_closed = True
        await self.inner.close()

    @property
    def writes(self) -> list[Call]:
        """The calls that may change an account."""
        return [call for call in self.calls if not isinstance(call, ReadAccount | FindAccounts | ListAccounts)]
