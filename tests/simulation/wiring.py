"""Builds the product's services for one life: the only file that knows how they are constructed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from pydantic import SecretStr

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.listing import ListedAccounts
from services.contracts.connections import DeclareeAccess
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from services.contracts.topics import Topic
from services.mapper.handler import Mapper
from services.poller.schedule import Schedule
from services.poller.settings import PollerSettings
from services.poller.verification_ports import AccountSource
from services.runtime.kafka.batches import BatchWorker
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.writer.endpoints import Endpoints
from services.writer.followups import ResendFiler
from services.writer.freshness import Freshness
from services.writer.handler import Writer
from services.writer.lanes import MIN_ROOM, Lanes
from services.writer.wakeup import Wakeup
from tests.simulation.broken import (
    BlindServer,
    EternalOwnership,
    ForgetfulLedger,
    ForgetfulRanges,
    RepeatingServer,
    UnconditionalLedger,
)
from tests.simulation.company import Company
from tests.simulation.group import Group
from tests.simulation.guarded_store import GuardedStore
from tests.simulation.kafka_log import SETTINGS, Log, SimulatedPublisher
from tests.simulation.ledger_watch import LedgerWatch
from tests.simulation.member import SimulatedConsumer
from tests.simulation.process import Life, LifeClock
from tests.simulation.rules import Rule
from tests.simulation.server import BASE_PATH, LANDING_SECONDS, Network, SimulatedTransport
from tests.support.builders import CONNECTION, make_connection, make_published_mapping
from tests.support.fake_store import (
    FakeCounters,
    FakeFollowUps,
    FakeLedger,
    FakeRuns,
    FakeSnapshots,
    FakeStore,
    FakeTasks,
)

POLL_SECONDS = 150.0
"""Seconds between two polls."""
POLLER_SETTINGS = PollerSettings(
    kafka_bootstrap_servers="in-memory:1",
    mongodb_url="mongodb://in-memory",
    encryption_keys="-",
    poll_interval_seconds=POLL_SECONDS,
    poll_lease_seconds=30,
    poll_tasks_every_seconds=15,
)
"""The settings of the pollers."""
WAKEUP_SECONDS = 20.0
"""Seconds between two checks for waiting changes."""
SETTLE_SECONDS = 100.0
"""Seconds after which a writer ends a batch: longer than a session, so that partitions move while a batch is in progress."""
LATE_WRITE_SECONDS = 2 * max(LANDING_SECONDS)
"""Seconds for which a write without an answer may still be carried out, as the writers are told."""
METRICS = Metrics()
"""The metrics of all services. Nothing reads them."""
BROKEN_LEDGERS: dict[Rule, Callable[[], FakeLedger]] = {
    Rule.CONDITIONAL_LEDGER: UnconditionalLedger,
    Rule.LATE_LOOK: partial(ForgetfulLedger, has_account=True),
    Rule.UNANSWERED_CREATE: partial(ForgetfulLedger, has_account=False),
}
"""The ledgers that break a rule."""
BROKEN_SERVERS: dict[Rule, Callable[[Any], Any]] = {
    Rule.LOOK_AFTER_LOST_ANSWER: RepeatingServer,
    Rule.UNKNOWN_LEAVER: BlindServer,
}
"""The servers that break a rule."""


@dataclass(frozen=True)
class Surroundings:
    """What the services run on."""

    store: FakeStore
    """MongoDB."""
    log: Log
    """Kafka's records."""
    groups: dict[str, Group]
    """Kafka's consumer groups, by service."""
    company: Company
    """Personio."""
    network: Network
    """Declaree."""
    watch: LedgerWatch
    """The checks of the ledger."""
    batch: int
    """Maximum number of records in one batch."""
    broken: Rule | None
    """The rule of the product that is broken on purpose; None for the product as it is."""


def make_store(broken: Rule | None) -> FakeStore:
    """Returns an empty store with one connection and its mapping. Ids are counted, so that they are the same in every run."""
    numbers = count(1)
    store = FakeStore()
    store.leases.now = LifeClock().now
    store.tasks = FakeTasks(lambda: f"task-{next(numbers):05}")
    store.runs = FakeRuns(lambda: f"run-{next(numbers):05}")
    if broken in BROKEN_LEDGERS:
        store.ledger = BROKEN_LEDGERS[broken]()
        store.snapshots = FakeSnapshots(store.ledger)
        store.followups = FakeFollowUps(store.ledger)
        store.counters = FakeCounters(store.ledger, store.snapshots)
    if broken is Rule.REDELIVERED_RECORD:
        store.work_ranges = ForgetfulRanges()
    access = DeclareeAccess(url=f"http://declaree.test{BASE_PATH}", key=SecretStr("demo-key"), insecure_http=True)
    store.connections.content[CONNECTION] = make_connection(declaree=access)
    published = make_published_mapping()
    store.mappings.content[CONNECTION, published.version] = published
    return store


def is_owed(entry: LedgerEntry) -> bool:
    """Returns whether the ledger still owes the employee something: a settlement or a look."""
    return entry.waiting is not None or entry.verify or entry.look_at is not None


def is_rejected(entry: LedgerEntry | None) -> bool:
    """Returns whether the employee's last change was rejected."""
    return entry is not None and entry.decided is not None and entry.decided.outcome is Outcome.REJECTED


def needs_person(store: FakeStore, person: PersonKey) -> bool:
    """Returns whether an administrator is asked to decide about an account for the employee."""
    return any(asked.person == person and asked.decision is None for asked in store.links.content.values())


async def run_poller(life: Life, around: Surroundings) -> None:
    """Runs a poller until its life ends."""
    store: Any = _guard_store(life, around)
    schedule = Schedule(
        settings=POLLER_SETTINGS,
        repositories=store,
        source=lambda plan: around.company.open(life, plan),
        accounts=_make_account_source(life, around),
        publisher=SimulatedPublisher(around.log, life),
        clock=LifeClock(life),
        metrics=METRICS,
        fatal=_make_fatal(life),
        owner=ProcessIdentity(life.name, 1, f"{life.name}/{asyncio.get_running_loop().time()}"),
    )
    await schedule.start()


def _make_account_source(life: Life, around: Surroundings) -> AccountSource:
    @asynccontextmanager
    async def open_accounts(connection: ConnectionId) -> AsyncIterator[ListedAccounts]:
        access = around.store.connections.content[connection].declaree
        yield ListedAccounts(access, _connect(life, around, access))

    return open_accounts


def _connect(life: Life, around: Surroundings, access: DeclareeAccess) -> DeclareeClient:
    transport = SimulatedTransport(around.network, life)
    return DeclareeClient(access, clock=LifeClock(life), metrics=None, transport=transport, allow_private=False)


async def run_mapper(life: Life, around: Surroundings) -> None:
    """Runs a mapper until its life ends."""
    store: Any = _guard_store(life, around)
    clock, source = LifeClock(life), Topic.EMPLOYEES_CHANGED
    mapper = Mapper(store.mappings, store.connections, clock)
    results = ResultPublisher("mapper", source, SimulatedPublisher(around.log, life), clock, METRICS)
    worker = BatchWorker(
        handler=mapper.handle,
        results=results,
        failures=Failures(source, METRICS, _make_fatal(life)),
        clock=clock,
        fatal=_make_fatal(life),
        handler_batch_records=around.batch,
    )
    await worker.start()
    await _consume(life, around, "mapper", source, EmployeeChanged, worker, results)


async def run_writer(life: Life, around: Surroundings) -> None:
    """Runs a writer until its life ends."""
    store: Any = _guard_store(life, around)
    clock = LifeClock(life)

    def connect(access: DeclareeAccess) -> Any:
        client = _connect(life, around, access)
        return BROKEN_SERVERS[around.broken](client) if around.broken in BROKEN_SERVERS else client

    endpoints = Endpoints(connect, clock)
    source, fatal = Topic.ACCOUNTS_REQUESTED, _make_fatal(life)
    results = ResultPublisher("writer", source, SimulatedPublisher(around.log, life), clock, METRICS)
    freshness = Freshness(METRICS, clock)
    writer = Writer(
        repositories=store,
        resends=ResendFiler(store.ledger, store.followups, store.tasks, clock),
        endpoints=endpoints,
        clock=clock,
        metrics=METRICS,
        freshness=freshness,
        settle_seconds=SETTLE_SECONDS,
        concurrency=32,
        late_write_seconds=LATE_WRITE_SECONDS,
    )
    lanes = Lanes(
        writer=writer,
        ledger=store.ledger,
        work_ranges=store.work_ranges,
        results=results,
        make_failures=lambda: Failures(source, METRICS, fatal),
        clock=clock,
        metrics=METRICS,
        fatal=fatal,
        lane_records=2 * MIN_ROOM,
        all_records=1_000,
        batch_records=around.batch,
    )
    wakeup = Wakeup(
        room=lanes,
        followups=store.followups,
        connections=store.connections,
        tasks=store.tasks,
        endpoints=endpoints,
        freshness=freshness,
        clock=clock,
        interval=WAKEUP_SECONDS,
        fatal=fatal,
    )
    await lanes.start()
    await _consume(life, around, "writer", source, AccountRequested, lanes, results)
    await wakeup.start()


SERVICES: dict[str, Callable[[Life, Surroundings], Any]] = {
    "poller": run_poller,
    "mapper": run_mapper,
    "writer": run_writer,
}
"""How to start each service."""


def _guard_store(life: Life, around: Surroundings) -> GuardedStore:
    def see_write(command: str) -> None:
        if command.startswith(("ledger.", "followups.")):
            around.watch.check(life.name)

    return GuardedStore(around.store, life, see_write)


async def _consume(
    life: Life, around: Surroundings, service: str, source: Topic, event: Any, receiver: Any, results: ResultPublisher
) -> None:
    simulated = SimulatedConsumer(around.groups[service], around.log, life, around.batch)
    if around.broken is Rule.COMMIT_LAST:
        simulated.before_fetch = simulated.commit_at_once
    consumer = Consumer(
        service=service,
        name=life.name,
        source=source,
        event=event,
        receiver=receiver,
        results=results,
        settings=SETTINGS,
        clock=LifeClock(life),
        metrics=METRICS,
        fatal=_make_fatal(life),
        max_records=around.batch,
        graceful_timeout=45,
        connect=lambda *_: simulated,
    )
    if around.broken is Rule.OWNERSHIP:
        consumer.membership.make_ownership = EternalOwnership  # type: ignore[method-assign]
        consumer.membership.begin_ownership()
    await consumer.start()


def _make_fatal(life: Life) -> Callable[[str], None]:
    def end(reason: str) -> None:
        if not life.is_over:
            life.history.violate("P1", f"{life.name} ends its process: {reason}")

    return end
