"""The poller's work on one connection, on any store. Used by unit and component tests."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox.declaree.app import create_app
from sandbox.declaree.state import Declaree
from services.contracts.cloudevents import SendReason, parse_send_reason, read_event
from services.contracts.events import EmployeeChanged, Version
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import ManagerLink, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import Run, RunState
from services.contracts.tasks import Action, Task
from services.contracts.values import Value
from services.errors import ConnectorError
from services.poller.cursor import Cursor
from services.poller.decisions import Decider
from services.poller.departures import Departures
from services.poller.outbox import Outbox
from services.poller.resend import Resender
from services.poller.run import Runner
from services.poller.scan_limits import ScanLimits
from services.poller.tasks import TaskRunner
from services.poller.verify import Verifier
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.store.polls import PollPlan
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    make_connection,
    make_entry,
    make_outcome,
    make_snapshot,
)
from tests.support.fake_accounts import FakeAccounts
from tests.support.fake_store import FakeStore
from tests.support.fakes import CrashError, Crashes, FakeClock, FakePersonio, FakePublisher, group_by_person

PEOPLE: dict[str, dict[str, Value]] = {key: {"email": f"e{key}@x.example"} for key in "12345"}
"""Employees with different e-mail addresses."""

DEPARTURE_SECONDS = 600.0
"""Seconds between both lookups of an employee that Personio no longer lists."""
CURSOR = Cursor(overlap=timedelta(hours=2), full_scan_every=timedelta(days=1), morning=timedelta(hours=5))
"""The rules of incremental polls."""
PATIENCE = timedelta(hours=1)
"""Time for which a change without an outcome counts as under way."""
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))


def make_limits(clock: Clock, *, seconds: float = 3600, pages: int = 100, places: int = 1) -> ScanLimits:
    """Returns limits of scans with one place."""
    return ScanLimits(clock, seconds=seconds, pages=pages, places=places)


class RunStage:
    """The parts that work on one connection, with a fake Personio and a fake publisher."""

    def __init__(self, store: Store) -> None:
        """``store`` may be a fake or a real one."""
        self.store = store
        self.personio = FakePersonio(PEOPLE)
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        outbox = Outbox(store.snapshots, self.publisher, lambda: None)
        self.limits = make_limits(self.clock)
        self.runner = Runner(
            store,
            self.personio.source,
            outbox,
            self.limits,
            CURSOR,
            self.clock,
            Metrics(),
            departure_seconds=DEPARTURE_SECONDS,
        )
        self.resender = Resender(store, outbox, self.limits.places)
        self.declaree = Declaree(api_key=DECLAREE.key.get_secret_value())
        self.accounts = FakeAccounts(create_app(self.declaree), self.clock)
        verifier = Verifier(store, self.accounts.source, self.resender, self.clock, lambda: None, PATIENCE)
        departures = Departures(store.snapshots, store.ledger, outbox, self.clock)
        self.decider = Decider(store.polls, store.runs, store.observations, store.ledger, self.runner.build_releaser)
        self.tasks = TaskRunner(store.tasks, self.runner, self.resender, verifier, departures, self.decider, self.clock)

    async def plan(self) -> PollPlan:
        """Returns what the connection needs."""
        return await self.store.polls.plan(CONNECTION)

    def add_account(self, address: str) -> None:
        """Adds an account to Declaree, as an administrator does."""
        body = {"userName": address, "emails": [{"value": address}], "name": {"givenName": "A", "familyName": "B"}}
        self.declaree.registry.create("User", body, self.declaree.behaviour)

    def list_sent(self, reason: SendReason) -> list[str]:
        """Returns the ids of the employees that were sent for this reason, sorted."""
        records = [record for record in self.publisher.log if parse_send_reason(record.headers) is reason]
        return sorted(read_event(EmployeeChanged, record.value).employee_id for record in records)

    def read_events(self) -> list[EmployeeChanged]:
        """Returns the published events, in order."""
        return [read_event(EmployeeChanged, record.value) for record in self.publisher.log]

    def fail_publishing(self, error: ConnectorError) -> None:
        """Makes every publication fail."""

        def fail(_: str) -> None:
            raise error

        self.publisher.effect = fail

    async def list_pending(self, connection: ConnectionId = CONNECTION) -> list[EmployeeId]:
        """Returns the employees with a stored change that is not known to be published."""
        return [pending.employee_id for pending in await self.store.snapshots.read_pending(connection, 99)]

    async def run_tasks(self, *actions: Action) -> list[Task]:
        """Files tasks, carries them out, and returns their new state."""
        filed = []
        for action in actions:
            self.clock.seconds += 1
            filed.append(await self.store.tasks.file(CONNECTION, action, now=self.clock.now()))
        await self.tasks.run_open(CONNECTION)
        tasks = [await self.store.tasks.get(task.id) for task in filed]
        return [task for task in tasks if task is not None]


class MemoryRunStage(RunStage):
    """The stage of a company with five employees, with everything in memory."""

    def __init__(self) -> None:
        self.fakes = FakeStore()
        super().__init__(cast("Store", self.fakes))
        self.fakes.connections.content[CONNECTION] = make_connection()


async def store_open_changes(store: Store) -> None:
    """Stores employees in every state.

    1 waits, 2 is marked for verification, 3 has a manager (4) with an account by now, 4 is settled, 5 is rejected.
    """
    await store.snapshots.save([(make_snapshot(key, emitted_revision=1_000), None) for key in PEOPLE])
    await store.ledger.write(
        [
            make_entry("1", waiting=WAITING),
            make_entry("2", verify=True),
            make_entry("3", manager=ManagerLink(employee_id=EmployeeId("4"))),
            make_entry("4", account_id="a-4", decided=make_outcome("4")),
            make_entry("5", decided=make_outcome("5", how=Outcome.REJECTED)),
        ]
    )


# ---------------------------------------------------------------- crashes

THREE = {key: PEOPLE[key] for key in "123"}


def build_crashing_runner(
    store: Store,
    personio: FakePersonio,
    publisher: FakePublisher,
    crashes: Crashes,
    clock: FakeClock,
    cursor: Cursor = CURSOR,
) -> Runner:
    """Returns a runner that can crash before each of its effects on the database and on Kafka."""
    publisher.effect = crashes.record
    snapshot_effects = [
        "save",
        "mark_emitted",
        "mark_oversized",
        "mark_absent",
        "mark_unknown",
        "clear_absent",
        "replace_attributes",
        "note_listings",
    ]
    repositories = SimpleNamespace(
        snapshots=crashes.wrap(store.snapshots, snapshot_effects),
        runs=crashes.wrap(store.runs, ["begin", "save"]),
        catalogues=crashes.wrap(store.catalogues, ["save"]),
        polls=store.polls,
        ledger=store.ledger,
        observations=crashes.wrap(store.observations, ["save", "drop", "drop_others"]),
        schedule=crashes.wrap(store.schedule, ["set_progress"]),
    )
    outbox = Outbox(repositories.snapshots, publisher, lambda: None)
    return Runner(
        cast("Any", repositories),
        personio.source,
        outbox,
        make_limits(clock),
        cursor,
        clock,
        Metrics(),
        departure_seconds=DEPARTURE_SECONDS,
    )


async def list_effects_of_a_run(store: Store) -> list[str]:
    """Returns the effects of a run without a crash."""
    crashes = Crashes()
    runner = build_crashing_runner(store, FakePersonio(THREE), FakePublisher(), crashes, FakeClock())
    await runner.poll(ConnectionId("c"))
    return crashes.effects


class CrashedRun:
    """A run that crashes before one of its effects, and the run after it. Each has its own connection."""

    def __init__(self, store: Store, at: int) -> None:
        """``at`` is the number of effects before the crash."""
        self.store = store
        self.at = at
        self.connection = ConnectionId(f"c{at}")
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        self.personio = FakePersonio(THREE)

    async def crash(self) -> list[str]:
        """Runs until the crash. Returns the effects, with the one that did not happen."""
        crashes = Crashes(self.at)
        with pytest.raises(CrashError):
            await self._poll(crashes)
        return crashes.effects

    async def recover(self) -> Run:
        """Runs again, without a crash."""
        return await self._poll(Crashes())

    async def _poll(self, crashes: Crashes) -> Run:
        runner = build_crashing_runner(self.store, self.personio, self.publisher, crashes, self.clock)
        return await runner.poll(self.connection)


async def check_recovery(store: Store, at: int) -> None:
    """Crashes a run before an effect, changes an employee, and checks what the next run publishes."""
    crashed = CrashedRun(store, at)
    situation = f"crashed before the last of {await crashed.crash()}"
    crashed.personio.people["2"]["first_name"] = "Eva"
    crashed.clock.seconds += 60

    run = await crashed.recover()

    assert run.state is RunState.SUCCEEDED, run.error
    assert await store.snapshots.read_pending(crashed.connection, 99) == (), situation
    sent = group_by_person(crashed.publisher.log)
    assert set(sent) == {bytes(PersonKey(crashed.connection, EmployeeId(key))) for key in THREE}, situation
    for records in sent.values():
        revisions = [read_event(EmployeeChanged, record.value).revision for record in records]
        assert revisions == sorted(revisions), situation
        assert len(set(records)) == len(set(revisions)), f"one revision has one content: {situation}"
    (last,) = (records[-1] for key, records in sent.items() if key.endswith(b"/2"))
    assert read_event(EmployeeChanged, last.value).attributes["first_name"] == "Eva", situation
