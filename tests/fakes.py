"""Recording fakes of the ports, and a clock that is moved by hand."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.clients.personio.client import AttributeDefinition, EmployeePage
from services.clients.personio.employees import Employee
from services.contracts.connections import Connection
from services.contracts.envelope import Record
from services.contracts.events import Attribute
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.model import Value
from services.contracts.requests import Resend, Task
from services.provisioning.calls import Answer, Call, FindAccounts, ReadAccount
from services.runtime.membership import Ownership, PartitionsMovedError
from services.store.database import Store
from services.writer.ports import AccountServer
from tests.builders import ADA
from tests.stack import MongoServers
from tests.stored import NOW


class FakeClock:
    """A sleep takes no time and moves the clock; ``slept`` lists what was waited for."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class StillClock(FakeClock):
    """Whoever sleeps does so until the test moves the clock that far."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        sleeper = (self.seconds + seconds, asyncio.Event())
        self.slept.append(seconds)
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers = [other for other in self._sleepers if other is not sleeper]

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for due, woken in self._sleepers:
            if due <= self.seconds:
                woken.set()
        self._sleepers = [(due, woken) for due, woken in self._sleepers if not woken.is_set()]


@asynccontextmanager
async def opened_store(mongo: MongoServers, database: str) -> AsyncIterator[Store]:
    """A store on a real MongoDB, in a database that is prepared."""
    store = Store.connect(SecretStr(mongo.url), database, [SecretStr(Fernet.generate_key().decode())])
    try:
        yield store
    finally:
        store.close()


# ---------------------------------------------------------------- Kafka and Personio, as the poller sees them


@dataclass
class FakePublisher:
    """Notes what was published. ``too_large`` holds keys that Kafka refuses; ``effect`` may raise before each record."""

    log: list[Record] = field(default_factory=list)
    too_large: set[bytes] = field(default_factory=set)
    effect: Callable[[str], None] = lambda _: None

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        for record in records:
            self.effect("publish")
            if record.key not in self.too_large:
                self.log.append(record)
        return tuple(record for record in records if record.key in self.too_large)

    def of(self, person: bytes) -> list[Record]:
        return [record for record in self.log if record.key == person]


MINIMUM = ("first_name", "last_name", "email", "status")


class FakePersonio:
    """A company whose people are listed in pages; ``list_total`` overrides what it says how many there are."""

    def __init__(self, people: Mapping[str, Mapping[str, Value]] | None = None, page: int = 2) -> None:
        self.people: dict[str, dict[str, Value]] = {key: ADA | dict(values) for key, values in (people or {}).items()}
        self.page = page
        self.released: tuple[str, ...] = (*MINIMUM, "supervisor")
        self.odd_pages: list[EmployeePage] | None = None
        self.notice: Callable[[str], None] = lambda _: None
        self.failure: Exception | None = None
        self.opened: list[ConnectionId] = []
        self._open: set[ConnectionId] = set()

    async def attributes(self) -> tuple[AttributeDefinition, ...]:
        return tuple(AttributeDefinition(key, key, "standard", None) for key in self.released)

    async def pages(self) -> AsyncIterator[EmployeePage]:
        for number, found in enumerate(self.odd_pages or self._listed(), 1):
            self.notice(f"page {number} is asked for")
            yield found
        if self.failure is not None:
            raise self.failure

    def _listed(self) -> list[EmployeePage]:
        people, total = list(self.people.items()), len(self.people)
        return [
            EmployeePage(tuple(employee(*each) for each in people[start : start + self.page]), start, total)
            for start in range(0, max(total, 1), self.page)
        ]

    @asynccontextmanager
    async def source(self, connection: ConnectionId) -> AsyncIterator["FakePersonio"]:
        """As the poller opens it."""
        assert connection not in self._open, "a connection is polled by one at a time"
        self.opened.append(connection)
        self._open.add(connection)
        try:
            yield self
        finally:
            self._open.remove(connection)


def employee(key: str, values: Mapping[str, Value]) -> Employee:
    return Employee(EmployeeId(key), {name: Attribute(value=value) for name, value in values.items()}, NOW)


# ---------------------------------------------------------------- failures


class CrashError(BaseException):
    """Stands for the end of the process: nobody catches it."""


class Crashes:
    """Ends the process just before its ``at``-th effect (of ``kind``, if given); notes the effects in any case."""

    def __init__(self, at: int | None = None, kind: str | None = None) -> None:
        self.at = at
        self.kind = kind
        self.effects: list[str] = []

    def effect(self, name: str) -> None:
        self.effects.append(name)
        counted = len(self.effects) if self.kind is None else self.effects.count(self.kind)
        if self.at is not None and counted > self.at and self.kind in {None, name}:
            raise CrashError(name)

    def around(self, target: Any, effects: Iterable[str] = ()) -> Any:
        """The same object, whose methods named ``effects`` count as such."""
        return _Watched(target, frozenset(effects), self.effect)


class _Watched:
    def __init__(self, target: Any, effects: frozenset[str], before: Callable[[str], None]) -> None:
        self._target = target
        self._effects = effects
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name not in self._effects:
            return method

        async def watched(*args: Any, **kwargs: Any) -> Any:
            self._before(name)
            return await method(*args, **kwargs)

        return watched


def by_person(records: Iterable[Record]) -> dict[bytes, list[Record]]:
    found: dict[bytes, list[Record]] = defaultdict(list)
    for record in records:
        found[record.key or b""].append(record)
    return dict(found)


# ---------------------------------------------------------------- the writer's surroundings


class Owned(Ownership):
    """Of a batch whose partitions stay, until ``moved_away`` is set."""

    def __init__(self) -> None:
        self.moved_away = False
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
        if self.moved_away:
            raise PartitionsMovedError("the partitions have moved")


@dataclass
class KnownConnections:
    """Connections by id; those in ``unreadable`` exist, but no key opens their secrets."""

    known: dict[ConnectionId, Connection] = field(default_factory=dict)
    unreadable: set[ConnectionId] = field(default_factory=set)

    async def many(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        return {each: self.known[each] for each in connections if each in self.known.keys() - self.unreadable}

    async def existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        return frozenset(connections) & (self.known.keys() | self.unreadable)


@dataclass
class FiledRequests:
    """What was asked of the pollers, in order."""

    filed: list[tuple[ConnectionId, Task, str | None]] = field(default_factory=list)

    async def file(self, connection: ConnectionId, task: Task, *, now: datetime, once: str | None = None) -> None:
        self.filed.append((connection, task, once))

    @property
    def people(self) -> set[str]:
        """Everybody who is to be sent again by name."""
        return {each for _, task, _ in self.filed if isinstance(task, Resend) for each in task.people}


async def _nothing(_: Call) -> None:
    pass


async def _the_same(_: Call, answer: Answer) -> Answer:
    return answer


@dataclass
class WatchedServer:
    """A server of accounts that notes every call; a test may hold a call up, fail it, or replace its answer."""

    inner: AccountServer
    calls: list[Call] = field(default_factory=list)
    before: Callable[[Call], Awaitable[None]] = _nothing
    after: Callable[[Call, Answer], Awaitable[Answer]] = _the_same
    probes: int = 0
    closed: bool = False

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        await self.before(call)

        def noted() -> None:
            before()
            self.calls.append(call)

        answer = await self.inner.perform(call, before=noted)
        await asyncio.sleep(0)  # a real answer takes a while, in which others get on
        return await self.after(call, answer)

    async def probe(self) -> None:
        self.probes += 1
        await self.inner.probe()

    async def close(self) -> None:
        self.closed = True
        await self.inner.close()

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if not isinstance(call, ReadAccount | FindAccounts)]
