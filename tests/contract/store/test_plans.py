"""The plans of every query of the store: an index leads to the documents, however many others there are.

A listener records the commands that the store sends, and MongoDB explains each of them.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from services.contracts.brakes import Brake
from services.contracts.catalogues import SourceCatalogue
from services.contracts.claims import Decision
from services.contracts.fields import FieldCatalogue
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.leases import Lease, ProcessIdentity
from services.contracts.mappings import default_mapping
from services.contracts.runs import RunState
from services.contracts.tasks import Resend
from services.poller.repositories import Repositories
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.contract.store.conftest import make_key
from tests.contract.store.population import SERVER, fill, make_question, make_range
from tests.contract.store.test_fences import WRITES
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    OTHER,
    make_entry,
    make_person,
    make_pinned,
    make_snapshot,
)
from tests.support.fake_store.fenced import GUARDED
from tests.support.servers import MongoServers

pytestmark = pytest.mark.mongo

FEW, MANY = 60, 200
"""Numbers of employees of the connection in question, and of another one."""
QUERIES = frozenset({"find", "aggregate", "distinct", "update", "findAndModify", "delete"})
ENVELOPE = frozenset({"lsid", "$clusterTime", "$db", "txnNumber", "$readPreference", "readConcern", "writeConcern",
                      "ordered", "maxTimeMS", "$readConcern"})  # fmt: skip


class Listener(CommandListener):
    """Records the commands that are sent while ``commands`` is a list."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] | None = None

    def _record(self, event: CommandStartedEvent) -> None:
        """Records a query without the fields that a driver adds."""
        if self.commands is not None and event.command_name in QUERIES:
            self.commands.append({name: part for name, part in event.command.items() if name not in ENVELOPE})

    def _ignore(self, event: Any) -> None:
        """Does nothing."""

    # the driver calls these names
    started = _record
    succeeded = _ignore
    failed = _ignore


@dataclass
class Plan:
    """MongoDB's plan of one command: the stages of all its parts, and the number of documents that it read."""

    command: dict[str, Any]
    stages: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    examined: int = 0

    def add(self, explanation: Any) -> None:
        """Collects the stages, indexes and numbers of an explanation."""
        for name, value in _iterate_members(explanation):
            if name == "stage":
                self.stages.add(value)
            elif name in {"indexName", "indexesUsed"}:
                self.indexes |= {value} if isinstance(value, str) else set(value)
            elif name == "collectionScans" and int(value):
                self.stages.add("COLLSCAN")
            elif name in {"totalDocsExamined", "totalKeysExamined"}:
                self.examined = max(self.examined, int(value))


def _iterate_members(explanation: Any) -> Iterator[tuple[str, Any]]:
    """Yields all members at any depth, without the plans that MongoDB did not choose."""
    if isinstance(explanation, list):
        for item in explanation:
            yield from _iterate_members(item)
    elif isinstance(explanation, dict):
        for name, value in explanation.items():
            if name not in {"rejectedPlans", "allPlansExecution", "command", "serverParameters"}:
                yield name, value
                yield from _iterate_members(value)


@dataclass
class Planner:
    """A store with a listener, on a database with many employees."""

    store: Store
    listener: Listener

    async def explain(self, work: Callable[[Store], Awaitable[Any]]) -> list[Plan]:
        """Runs the work and returns the plan of each of its commands. Explaining does not repeat the command."""
        self.listener.commands = []
        try:
            await work(self.store)
        finally:
            commands, self.listener.commands = self.listener.commands, None
        return [await self._explain(part) for command in commands for part in _split(command)]

    async def _explain(self, command: dict[str, Any]) -> Plan:
        plan = Plan(command)
        plan.add(await self.store._database.command("explain", command, verbosity="executionStats"))
        return plan


def _split(command: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the updates of a bulk as commands of their own: MongoDB explains one update at a time."""
    if "updates" in command:
        return [{**command, "updates": [update]} for update in command["updates"]]
    return [command]


@pytest.fixture(scope="module")
async def planner(mongo: MongoServers) -> AsyncIterator[Planner]:
    """A few employees of one connection beside many of another, in every state. Shared, because it takes seconds."""
    listener = Listener()
    client = AsyncIOMotorClient[dict[str, Any]](mongo.url, event_listeners=[listener], tz_aware=True)
    store = Store(client, f"test-plans-{secrets.token_hex(4)}", [make_key()])
    await store.create_indexes()
    await asyncio.gather(fill(store, CONNECTION, FEW), fill(store, OTHER, MANY))
    yield Planner(store, listener)
    await client.drop_database(store._database.name)
    store.close()


async def _exhaust(pages: AsyncIterator[Any]) -> None:
    async for _ in pages:
        pass


ONE = EmployeeId("1")
SOME = [EmployeeId(str(number)) for number in range(5)]
LEDGER = {
    "get": lambda store: store.ledger.get(make_person("1")),
    "read": lambda store: store.ledger.read([make_person("1"), make_person("2")]),
    "mark verify": lambda store: store.ledger.mark_verify([make_person("1")]),
    "by accounts": lambda store: store.ledger.find_by_accounts(CONNECTION, [AccountId("a-0"), AccountId("a-1")]),
    "forget applied": lambda store: store.ledger.forget_applied(CONNECTION),
    "write": lambda store: store.ledger.write([make_entry("0", 2), make_entry("99", 1)]),
    "waiting reports": lambda store: store.followups.find_waiting_reports(CONNECTION, {ONE: AccountId("a-1")}),
    "resolvable reports": lambda store: store.followups.find_resolvable_reports(CONNECTION),
    "blocked by": lambda store: store.followups.find_blocked_by(CONNECTION, [AccountId("a-1")]),
    "unblocked": lambda store: store.followups.find_unblocked(CONNECTION),
    "unblocked among": lambda store: store.followups.find_unblocked(CONNECTION, SOME),
    "release account": lambda store: store.ledger.release_account(make_person("1"), AccountId("a-1")),
    "pending reports": lambda store: store.followups.find_pending_reports(CONNECTION, [EmployeeId("3")]),
    "exchanging": lambda store: store.followups.find_exchanging(CONNECTION, SOME),
    "all exchanging": lambda store: store.followups.find_exchanging(CONNECTION),
    "incomplete": lambda store: _exhaust(store.followups.page_incomplete(CONNECTION, NOW + timedelta(days=1))),
    "looks": lambda store: store.counters.count_looks(CONNECTION),
    "due": lambda store: store.followups.take_due(CONNECTION, NOW, 10, timedelta(minutes=1)),
    "waiting": lambda store: _exhaust(store.followups.page_waiting(CONNECTION)),
    "held disablings": lambda store: _exhaust(store.followups.page_held_disablings(CONNECTION)),
    "held disabling": lambda store: store.followups.has_held_disabling(CONNECTION),
    "disabling allowed": lambda store: store.ledger.allow_disabling({make_person("1"): 2_000}),
    "rejected": lambda store: _exhaust(store.followups.page_rejected(CONNECTION)),
    "accounts": lambda store: store.counters.count_accounts(CONNECTION),
    "numbers of one": lambda store: store.counters.read_one(CONNECTION),
    "absent with account": lambda store: store.counters.find_absent_with_account(CONNECTION),
    "numbers": lambda store: store.counters.read([CONNECTION]),
    "undone": lambda store: store.counters.read_undone([CONNECTION]),
    "marks of some": lambda store: store.marks.repair_unsettled(CONNECTION),
    "marks of all": lambda store: store.marks.repair_all(CONNECTION),
    "behind": lambda store: store.counters.count_behind(CONNECTION),
}
OUTBOX = {
    "read": lambda store: store.snapshots.read(CONNECTION, SOME),
    "save": lambda store: store.snapshots.save(
        [(make_snapshot("1", 2_000), 1_000), (make_snapshot("98", 2_000), None)]
    ),
    "mark emitted": lambda store: store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)]),
    "replace attributes": lambda store: store.snapshots.replace_attributes([make_snapshot("1"), make_snapshot("2")]),
    "mark oversized": lambda store: store.snapshots.mark_oversized(CONNECTION, [(ONE, 1_000)]),
    "pending": lambda store: store.snapshots.read_pending(CONNECTION, 500),
    "stream": lambda store: _exhaust(store.snapshots.stream(CONNECTION, batch=3)),
    "stream some": lambda store: _exhaust(store.snapshots.stream(CONNECTION, SOME, batch=3)),
    "employee ids": lambda store: _exhaust(store.snapshots.stream_employee_ids(CONNECTION)),
    "mark absent": lambda store: store.snapshots.mark_absent(CONNECTION, SOME, NOW),
    "clear absent": lambda store: store.snapshots.clear_absent(CONNECTION, SOME),
    "count": lambda store: store.snapshots.count(CONNECTION),
    "due dates": lambda store: store.snapshots.find_due(CONNECTION, NOW.date(), 100),
    "upcoming": lambda store: _exhaust(store.snapshots.page_upcoming(CONNECTION, NOW.date())),
    "present": lambda store: store.snapshots.count_present(CONNECTION),
    "oversized": lambda store: store.snapshots.find_oversized(CONNECTION),
    "unsettled": lambda store: store.snapshots.find_unsettled([make_person("1"), make_person("2")]),
}
LEASE = Lease(f"connection/{CONNECTION}", ProcessIdentity("h", 1, "t"), 1, NOW)
"""The lease of the connection with few employees."""
BY_ID = {"_id_"}
"""The index of a plan. A filter with nothing but an id uses it without naming it."""
LEASES = [f"connection/c{number}" for number in range(200)]
"""As many leases as the schedule asks for at once, all held."""


async def save_draft(store: Store) -> None:
    """Saves a draft once more, or for the first time."""
    draft = await store.drafts.get(CONNECTION)
    revision = 0 if draft is None else draft.revision
    for expected in (revision, revision + 1):
        await store.drafts.save(
            CONNECTION, default_mapping(), based_on=1, expected_revision=expected, by="ada", now=NOW
        )


OTHERS = {
    "claim owner": lambda store: store.claims.find_owner(SERVER, AccountId("a-1")),
    "claim owners": lambda store: store.claims.find_owners(SERVER, [AccountId("a-1"), AccountId("a-2")]),
    "claim owners of both kinds": lambda store: store.claims.read_owners(SERVER, [AccountId("a-1")], ["x"]),
    "claim": lambda store: store.claims.claim_accounts(SERVER, {AccountId(f"a-{make_person('1')}"): make_person("2")}),
    "claim transfer": lambda store: store.claims.transfer(
        SERVER, AccountId(f"a-{make_person('1')}"), make_person("2"), make_person("3")
    ),
    "external id owner": lambda store: store.claims.find_external_id_owner(SERVER, "x"),
    "accounts released": lambda store: store.claims.release_accounts(SERVER, {AccountId("x"): make_person("4")}),
    "external ids released": lambda store: store.claims.release_external_ids(SERVER, {"x": make_person("4")}),
    "claims released": lambda store: store.claims.release(make_person("5")),
    "links": lambda store: store.links.read([make_person("1"), make_person("2")]),
    "link asked": lambda store: store.links.ask([make_question("1"), make_question("99")]),
    "link decided": lambda store: store.links.decide(make_question("1"), Decision.LINK, NOW),
    "links open": lambda store: _exhaust(store.links.page_open(CONNECTION)),
    "links count": lambda store: store.links.count_open(CONNECTION),
    "links withdrawn": lambda store: store.links.withdraw([make_person("6")], [make_question("7")]),
    "links forgotten": lambda store: store.links.forget(make_person("5")),
    "work ranges": lambda store: store.work_ranges.begin([make_range(1), make_range(999)]),
    "verification begun": lambda store: store.verifications.begin(CONNECTION, "r2"),
    "verification steps": lambda store: _exhaust(store.verifications.iterate_steps(CONNECTION, "r1")),
    "verification findings": lambda store: _exhaust(store.verifications.iterate_drifts(CONNECTION, "r1")),
    "verification repaired": lambda store: store.verifications.note_repaired(CONNECTION, "r1", 0),
    "verification report": lambda store: store.verifications.get_report(CONNECTION),
    "verification finished": lambda store: store.verifications.finish(CONNECTION, "r1", {}, now=NOW),
    "catalogue": lambda store: store.catalogues.get(CONNECTION),
    "catalogue saved": lambda store: store.catalogues.save(SourceCatalogue(connection_id=CONNECTION, attributes=())),
    "field catalogue": lambda store: store.field_catalogues.get(CONNECTION),
    "field catalogue saved": lambda store: store.field_catalogues.save(FieldCatalogue(connection_id=CONNECTION)),
    "draft": lambda store: store.drafts.get(CONNECTION),
    "draft saved": save_draft,
    "draft discarded": lambda store: store.drafts.discard(CONNECTION, revision=1),
    "examples": lambda store: store.examples.list_all(CONNECTION),
    "example saved": lambda store: store.examples.save(make_pinned("1", "new")),
    "example removed": lambda store: store.examples.remove(CONNECTION, "none"),
    "examples expired": lambda store: store.expiry.remove_examples(CONNECTION, NOW + timedelta(days=1)),
    "mapping version": lambda store: store.mappings.get_version(CONNECTION, 1),
    "mapping published": lambda store: store.mappings.get_published(CONNECTION),
    "poll plan": lambda store: store.polls.plan(CONNECTION),
    "brake": lambda store: store.brakes.read(CONNECTION),
    "brake written": lambda store: store.brakes.write(Brake(connection_id=CONNECTION, seq=2)),
    "brake reset": lambda store: store.brakes.reset(CONNECTION),
    "tasks open": lambda store: store.tasks.list_open(CONNECTION),
    "task get": lambda store: store.tasks.get("r1"),
    "task start": lambda store: store.tasks.start("r1"),
    "task once": lambda store: store.tasks.file(
        CONNECTION, Resend(scope="rejected", reason="x"), now=NOW, once="rejected"
    ),
    "task progress": lambda store: store.tasks.set_progress("r1", {}),
    "task failed": lambda store: store.tasks.fail("r1", "x", now=NOW),
    "reopen running": lambda store: store.tasks.reopen_running(CONNECTION),
    "runs newest": lambda store: store.runs.list_newest(CONNECTION),
    "runs undecided": lambda store: store.runs.find_undecided(CONNECTION),
    "runs replaced": lambda store: store.runs.replace_held(CONNECTION, by="none"),
    "run decided": lambda store: store.runs.decide("none", RunState.HELD, RunState.REJECTED),
    "observations of a run": lambda store: _exhaust(store.observations.stream("none")),
    "observations dropped": lambda store: store.observations.drop("none"),
    "observations of an employee dropped": lambda store: store.observations.drop_person(PersonKey(CONNECTION, ONE)),
    "observations of others dropped": lambda store: store.observations.drop_others(ConnectionId("cnone"), ["n1"]),
    "absent and unknown": lambda store: store.snapshots.find_unknown(CONNECTION, NOW, 100),
    "absent and not looked up": lambda store: store.snapshots.find_not_looked_up(CONNECTION, 100),
    "marked unknown": lambda store: store.snapshots.mark_unknown(CONNECTION, ["1"], NOW),
    "marked absent": lambda store: store.snapshots.find_marked_absent(CONNECTION),
    "runs unfinished": lambda store: store.runs.fail_unfinished(CONNECTION, "x", now=NOW),
    "runs first": lambda store: store.runs.find_first([CONNECTION]),
    "runs last finished": lambda store: store.runs.find_last_finished([CONNECTION, OTHER]),
    "verification reports": lambda store: store.verifications.find_reports([CONNECTION, OTHER]),
    "run last finished": lambda store: store.runs.get_last_finished(CONNECTION),
    "employee counted": lambda store: store.erasure.count_person(make_person("7")),
    "employee erased": lambda store: store.erasure.erase_person(make_person("none")),
    "reports counted": lambda store: store.erasure.count_reports(make_person("7")),
    "connection counted": lambda store: store.erasure.count_connection(CONNECTION),
    "connection erased": lambda store: store.erasure.erase_connection(ConnectionId("cnone")),
    "people of a connection": lambda store: _exhaust(store.erasure.page_people(CONNECTION)),
    "missing expired": lambda store: store.expiry.remove_missing(CONNECTION, NOW + timedelta(days=1), 10),
    "leavers reduced": lambda store: store.expiry.reduce_leavers(CONNECTION, NOW + timedelta(days=1), 10),
    "forgotten": lambda store: store.forgotten.find([make_person("1"), make_person("2")]),
    "lease acquire": lambda store: store.leases.acquire(LEASE.name, LEASE.owner, seconds=1),
    "lease renew": lambda store: store.leases.renew(LEASE, seconds=1),
    "connections many": lambda store: store.connections.get_readable([CONNECTION]),
    "connections existing": lambda store: store.connections.filter_existing([CONNECTION]),
    "connections states": lambda store: store.connections.find_states([CONNECTION]),
    "letters retried": lambda store: store.dead_letters.filter_retried(["0/1"]),
    "letters mark": lambda store: store.dead_letters.mark_retried(["0/1"], now=NOW),
}
OF_ONE_CONNECTION = {
    f"{group} {name}": work
    for group, works in {"ledger": LEDGER, "outbox": OUTBOX, "": OTHERS}.items()
    for name, work in works.items()
}
WIDE = {f"ledger {name}" for name in ("forget applied", "numbers", "numbers of one", "marks of some", "marks of all")}
WIDE |= {f"outbox {name}" for name in ("stream", "employee ids", "count", "present")} | {" poll plan"}
WIDE |= {f" {name}" for name in ("employee counted", "employee erased", "connection counted", "people of a connection")}
"""Queries about all or nearly all employees of the connection; the others are about some of them."""
SORTED_IN_MEMORY = {
    "ledger resolvable reports",
    "ledger waiting reports",
    "ledger pending reports",
    "ledger blocked by",
    "outbox upcoming",
}
"""Queries with a result of a few ids that lie in several ranges of an index."""
OF_ALL_CONNECTIONS = {
    "retryable connections": lambda store: store.followups.find_connections_with_retryable(),
    "due looks": lambda store: store.followups.take_due_looks(NOW),
    "balance of all": lambda store: store.counters.count_all_behind(),
    "waiting by cause": lambda store: store.counters.count_waiting_by_cause(),
    "connections of a server": lambda store: store.connections.find_by_server(DECLAREE.url),
    "polls due": lambda store: store.schedule.count_due(NOW),
    "connections due": lambda store: store.schedule.find_due(NOW, limit=99),
    "unfinished tasks": lambda store: store.tasks.find_connections_with_unfinished(limit=99),
    "newest versions": lambda store: store.mappings.find_newest_versions([CONNECTION, OTHER]),
    "newest mappings": lambda store: store.mappings.get_all_published([CONNECTION, OTHER]),
}


@pytest.mark.parametrize("name", OF_ONE_CONNECTION)
async def test_query_of_one_connection_reads_no_other(planner: Planner, name: str) -> None:
    """An index leads to the documents of the connection, in the wanted order."""
    plans = await planner.explain(OF_ONE_CONNECTION[name])

    assert plans
    for plan in plans:
        assert "COLLSCAN" not in plan.stages, plan
        assert plan.examined <= (2 * FEW if name in WIDE else FEW * 2 // 3), plan
        assert "SORT" not in plan.stages or name in SORTED_IN_MEMORY, plan


class LastingFence:
    """A lease that does not end."""

    ends_at = datetime(2200, 1, 1, tzinfo=UTC)

    def ensure_held(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize(
    "name", [f"{repository}.{name}" for repository in sorted(GUARDED) for name in sorted(GUARDED[repository])]
)
async def test_fence_changes_no_plan(planner: Planner, name: str) -> None:
    """The time is compared with the end of the lease after an index has found the documents."""

    async def write(store: object) -> None:
        with suppress(UnknownConnectionError):
            await WRITES[name](cast("Repositories", store))

    await write(planner.store)  # the second time, a write may find that it has taken effect before
    free = await planner.explain(write)
    fenced = await planner.explain(lambda store: write(store.fence(LastingFence())))

    assert [plan.indexes or BY_ID for plan in fenced] == [plan.indexes or BY_ID for plan in free]
    assert [plan.examined for plan in fenced] == [plan.examined for plan in free]
    assert all("COLLSCAN" not in plan.stages for plan in fenced)


async def test_held_leases_are_found_by_their_names(planner: Planner) -> None:
    """Each round of the schedule asks for up to 200. The times are compared after the names are found."""
    await asyncio.gather(*(planner.store.leases.acquire(name, LEASE.owner, seconds=60) for name in LEASES))

    (plan,) = await planner.explain(lambda store: store.leases.find_held(LEASES))

    assert plan.indexes == BY_ID
    assert len(LEASES) <= plan.examined <= len(LEASES) + 1, plan


@pytest.mark.parametrize("name", OF_ALL_CONNECTIONS)
async def test_query_of_all_connections_uses_an_index(planner: Planner, name: str) -> None:
    """The query reads fewer documents than one connection has employees."""
    for plan in await planner.explain(OF_ALL_CONNECTIONS[name]):
        assert "COLLSCAN" not in plan.stages, plan
        assert plan.indexes
        assert plan.examined < MANY, plan


async def test_tasks_of_one_connection_count_once(planner: Planner) -> None:
    """The poller looks for tasks each second. A connection with many of them must not make that slow."""
    for number in range(MANY):
        await planner.store.tasks.file(OTHER, Resend(scope="all", reason="x"), now=NOW + timedelta(seconds=number))

    plans = await planner.explain(lambda store: store.tasks.find_connections_with_unfinished(limit=2))

    for plan in plans:
        assert "DISTINCT_SCAN" in plan.stages, plan
        assert plan.examined < 10, plan


async def test_waiting_employees_of_one_connection_count_once(planner: Planner) -> None:
    """Each writer looks for connections with waiting employees every few seconds."""
    await planner.store.ledger.mark_verify([make_person(str(number), OTHER) for number in range(MANY)])

    (plan,) = await planner.explain(OF_ALL_CONNECTIONS["retryable connections"])

    assert "DISTINCT_SCAN" in plan.stages, plan
    assert plan.examined < 10, plan


@pytest.mark.parametrize("name", ["balance of all", "waiting by cause", "polls due"])
async def test_numbers_of_the_metrics_read_no_document(planner: Planner, name: str) -> None:
    """They are read every few seconds. The keys of a partial index must contain the fields of its condition for that."""
    (plan,) = await planner.explain(OF_ALL_CONNECTIONS[name])

    assert "FETCH" not in plan.stages, plan
