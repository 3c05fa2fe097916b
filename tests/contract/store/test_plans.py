"""What the server does for every query of the store: an index leads to what is asked for, however much lies beside it.

The queries are those that the store sends, listened to on their way.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from services.contracts.accounts import Manager, Waiting
from services.contracts.events import Outcome, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.mappings import PublishedMapping, default_mapping
from services.contracts.requests import Poll, Resend
from services.contracts.runs import RunState
from services.store.database import Store
from services.store.leases import Holder
from tests.contract.store.conftest import new_key
from tests.stack import MongoServers
from tests.stored import CONNECTION, DECLAREE, NOW, OTHER, PERSONIO, entry, outcome, person, snapshot

pytestmark = pytest.mark.mongo

FEW, MANY = 60, 200
"""People of the connection that is asked for, and of one beside it."""
QUERIES = frozenset({"find", "aggregate", "update", "findAndModify", "delete"})
ENVELOPE = frozenset({"lsid", "$clusterTime", "$db", "txnNumber", "$readPreference", "readConcern", "writeConcern",
                      "ordered", "maxTimeMS", "$readConcern"})  # fmt: skip


class Listener(CommandListener):
    """Notes the commands that are sent while it is told to."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] | None = None

    def started(self, event: CommandStartedEvent) -> None:
        if self.commands is not None and event.command_name in QUERIES:
            self.commands.append({name: part for name, part in event.command.items() if name not in ENVELOPE})

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


@dataclass
class Plan:
    """What the server says of one command: stages of all its parts, and how much it looked at."""

    command: dict[str, Any]
    stages: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    examined: int = 0

    def add(self, explained: Any) -> None:
        for name, value in _pairs(explained):
            if name == "stage":
                self.stages.add(value)
            elif name in {"indexName", "indexesUsed"}:
                self.indexes |= {value} if isinstance(value, str) else set(value)
            elif name == "collectionScans" and int(value):
                self.stages.add("COLLSCAN")
            elif name in {"totalDocsExamined", "totalKeysExamined"}:
                self.examined = max(self.examined, int(value))


def _pairs(explained: Any) -> Iterator[tuple[str, Any]]:
    """All members at whatever depth, but for plans that were thought of and not taken."""
    if isinstance(explained, list):
        for each in explained:
            yield from _pairs(each)
    elif isinstance(explained, dict):
        for name, value in explained.items():
            if name not in {"rejectedPlans", "allPlansExecution", "command", "serverParameters"}:
                yield name, value
                yield from _pairs(value)


@dataclass
class Watched:
    store: Store
    listener: Listener

    async def plans(self, work: Callable[[Store], Awaitable[Any]]) -> list[Plan]:
        """How the server carries out each command of this work (asked afterwards, without doing it again)."""
        self.listener.commands = []
        try:
            await work(self.store)
        finally:
            commands, self.listener.commands = self.listener.commands, None
        return [await self._explained(each) for command in commands for each in _single(command)]

    async def _explained(self, command: dict[str, Any]) -> Plan:
        plan = Plan(command)
        plan.add(await self.store._database.command("explain", command, verbosity="executionStats"))
        return plan


def _single(command: dict[str, Any]) -> list[dict[str, Any]]:
    """A bulk is many commands."""
    if "updates" in command:
        return [{**command, "updates": [update]} for update in command["updates"]]
    return [command]


@pytest.fixture(scope="module")
async def watched(mongo: MongoServers) -> AsyncIterator[Watched]:
    """A few people of one connection beside many of another, in every state there is; made once, it takes a while."""
    listener = Listener()
    client = AsyncIOMotorClient[dict[str, Any]](mongo.url, event_listeners=[listener], tz_aware=True)
    store = Store(client, f"test-plans-{secrets.token_hex(4)}", [new_key()])
    await store.migrate()
    await asyncio.gather(fill(store, CONNECTION, FEW), fill(store, OTHER, MANY))
    yield Watched(store, listener)
    await client.drop_database(store._database.name)
    store.close()


async def fill(store: Store, connection: ConnectionId, people: int) -> None:
    named: dict[str, Any] = {"connection_id": connection}
    boss = Manager(employee_id=EmployeeId("1"))
    waiting = Waiting(cause="down", since=NOW, version=Version(1_000, 3))
    snapshots, accounts = [], []
    for number in range(people):
        key = str(number)
        missing: dict[str, Any] = {"missing_since": NOW} if number % 5 == 1 else {}
        snapshots.append((snapshot(key, emitted_revision=0 if number % 5 == 2 else 1_000, **named, **missing), None))
        decided = outcome(key, how=Outcome.REJECTED if number % 5 == 3 else Outcome.CREATED)
        states: list[dict[str, Any]] = [
            {"account_id": f"a-{key}", "enabled": True, "user_name": f"{key}@x.example"},
            {"account_id": f"a-{key}", "enabled": True, "manager": boss},
            {"waiting": waiting},
            {"blocked_by": "a-1", "blocked_name": "old@x.example"},
            {"verify": True, "manager": Manager(employee_id=EmployeeId("1"), account_id=AccountId("a-0"))},
        ]
        accounts.append(entry(key, **named, decided=decided.model_copy(update=named), **states[number % 5]))
    await store.snapshots.save(snapshots)
    await store.snapshots.refuse(connection, [(EmployeeId("4"), 1_000)])
    await store.accounts.write(accounts)
    await asyncio.gather(*(fill_one(store, connection, number) for number in range(people)))
    await store.leases.acquire(f"connection/{connection}", Holder("h", 1, "t"), now=NOW, seconds=30)
    access = PERSONIO.model_copy(update={"client_id": f"papi-{connection}"})
    added = await store.connections.add(connection, access, DECLAREE, now=NOW)
    await store.connections.set_next_poll(added.id, NOW)


async def fill_one(store: Store, connection: ConnectionId, number: int) -> None:
    now = NOW + timedelta(minutes=number)
    run = await store.runs.begin(connection, now=now)
    await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED}))
    request = await store.requests.file(connection, Poll(), now=now)
    if number % 5:
        await store.requests.start(request.id)
        await store.requests.done(request.id, {}, now=NOW)
    mapping = PublishedMapping(
        connection_id=connection, version=number + 1, mapping=default_mapping(), published_at=now
    )
    await store.mappings._collection.insert({"_id": f"{connection}/{number}", **mapping.model_dump(mode="json")})


async def _all(pages: AsyncIterator[Any]) -> None:
    async for _ in pages:
        pass


ONE = EmployeeId("1")
SOME = [EmployeeId(str(number)) for number in range(5)]
LEDGER = {
    "get": lambda store: store.accounts.get(person("1")),
    "read": lambda store: store.accounts.read([person("1"), person("2")]),
    "mark verify": lambda store: store.accounts.mark_verify([person("1")]),
    "forget applied": lambda store: store.accounts.forget_applied(CONNECTION),
    "write": lambda store: store.accounts.write([entry("0", 2), entry("99", 1)]),
    "reports waiting": lambda store: store.accounts.reports_waiting_for(CONNECTION, {ONE: AccountId("a-1")}),
    "resolvable reports": lambda store: store.accounts.resolvable_reports(CONNECTION),
    "blocked by": lambda store: store.accounts.blocked_by(CONNECTION, [AccountId("a-1")]),
    "released": lambda store: store.accounts.released(CONNECTION),
    "released among": lambda store: store.accounts.released(CONNECTION, SOME),
    "holder": lambda store: store.accounts.holder(CONNECTION, AccountId("a-1")),
    "unsettled": lambda store: _all(store.accounts.unsettled(CONNECTION)),
    "waiting": lambda store: _all(store.accounts.waiting(CONNECTION)),
    "rejected": lambda store: _all(store.accounts.rejected(CONNECTION)),
    "outcomes": lambda store: store.accounts.outcomes(CONNECTION),
    "accounts of the missing": lambda store: store.accounts.missing(CONNECTION),
    "accounts of the active": lambda store: store.accounts.active_count(CONNECTION),
    "behind": lambda store: store.accounts.behind(CONNECTION),
}
OUTBOX = {
    "read": lambda store: store.snapshots.read(CONNECTION, SOME),
    "save": lambda store: store.snapshots.save([(snapshot("1", 2_000), 1_000), (snapshot("98", 2_000), None)]),
    "mark emitted": lambda store: store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)]),
    "refuse": lambda store: store.snapshots.refuse(CONNECTION, [(ONE, 1_000)]),
    "pending": lambda store: store.snapshots.pending(CONNECTION, 500),
    "pending after": lambda store: store.snapshots.pending(CONNECTION, 500, ONE),
    "stream": lambda store: _all(store.snapshots.stream(CONNECTION, batch=3)),
    "stream some": lambda store: _all(store.snapshots.stream(CONNECTION, SOME, batch=3)),
    "employee ids": lambda store: _all(store.snapshots.employee_ids(CONNECTION)),
    "set missing": lambda store: store.snapshots.set_missing(CONNECTION, SOME, NOW),
    "clear missing": lambda store: store.snapshots.clear_missing(CONNECTION, SOME),
    "count": lambda store: store.snapshots.count(CONNECTION),
    "active count": lambda store: store.snapshots.active_count(CONNECTION),
    "refused": lambda store: store.snapshots.refused(CONNECTION),
}
OTHERS = {
    "mapping published": lambda store: store.mappings.published(CONNECTION),
    "requests open": lambda store: store.requests.open(CONNECTION),
    "requests newest": lambda store: store.requests.newest(CONNECTION),
    "request get": lambda store: store.requests.get("r1"),
    "request start": lambda store: store.requests.start("r1"),
    "request once": lambda store: store.requests.file(
        CONNECTION, Resend(scope="unsettled", why="x"), now=NOW, once="unsettled"
    ),
    "request progress": lambda store: store.requests.progress("r1", {}),
    "request failed": lambda store: store.requests.failed("r1", "x", now=NOW),
    "reopen running": lambda store: store.requests.reopen_running(CONNECTION),
    "runs newest": lambda store: store.runs.newest(CONNECTION),
    "runs unfinished": lambda store: store.runs.fail_unfinished(CONNECTION, "x", now=NOW),
    "run last finished": lambda store: store.runs.last_finished(CONNECTION),
    "lease acquire": lambda store: store.leases.acquire(
        f"connection/{CONNECTION}", Holder("h", 1, "t"), now=NOW, seconds=1
    ),
    "connection active": lambda store: store.connections.is_active(CONNECTION),
    "connections many": lambda store: store.connections.many([CONNECTION]),
    "connections existing": lambda store: store.connections.existing([CONNECTION]),
    "letters retried": lambda store: store.dead_letters.retried(["0/1"]),
    "letters mark": lambda store: store.dead_letters.mark_retried(["0/1"], now=NOW),
}
OF_ONE = {
    f"{group} {name}": work
    for group, works in {"ledger": LEDGER, "outbox": OUTBOX, "": OTHERS}.items()
    for name, work in works.items()
}
WIDE = {f"ledger {name}" for name in ("forget applied", "resolvable reports", "outcomes", "enabled count", "behind")}
WIDE |= {f"outbox {name}" for name in ("stream", "employee ids", "count", "active count")}
"""What is about everybody, or nearly everybody, of the connection; all else is about some of them."""
SORTED_IN_MEMORY = {"ledger reports waiting", "ledger blocked by"}
"""Ids alone, of some people out of several places of an index."""
OF_ALL = {
    "waiting connections": lambda store: store.accounts.waiting_connections(),
    "connections due": lambda store: store.connections.due(NOW),
    "unfinished requests": lambda store: store.requests.connections_with_unfinished(),
    "newest mappings": lambda store: store.mappings.newest([CONNECTION, OTHER]),
}


@pytest.mark.parametrize("name", OF_ONE)
async def test_what_is_asked_of_one_connection_is_found_by_an_index_without_looking_at_another(
    watched: Watched, name: str
) -> None:
    plans = await watched.plans(OF_ONE[name])
    assert plans
    for plan in plans:
        assert "COLLSCAN" not in plan.stages, plan
        assert plan.examined <= (2 * FEW if name in WIDE else FEW // 2), plan
        assert "SORT" not in plan.stages or name in SORTED_IN_MEMORY, plan


@pytest.mark.parametrize("name", OF_ALL)
async def test_what_is_asked_of_all_connections_is_found_by_an_index(watched: Watched, name: str) -> None:
    for plan in await watched.plans(OF_ALL[name]):
        assert "COLLSCAN" not in plan.stages, plan
        assert plan.indexes
        assert plan.examined < MANY, plan
