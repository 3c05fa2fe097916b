"""Employees are resent: the waiting ones after a probe of their server succeeds, and those with a due look."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.connections import ConnectionState
from services.contracts.events import Version
from services.contracts.ids import ConnectionId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.contracts.tasks import Resend
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.store.errors import StoreFailedError, StoreUnavailableError
from services.writer.backlog import ON_THE_WAY_SECONDS
from services.writer.endpoint import Endpoint
from services.writer.endpoints import Endpoints
from services.writer.freshness import IDLE_SECONDS, Freshness
from services.writer.wakeup import ON_TRIAL, Wakeup
from tests.support.builders import CONNECTION, NOW, OTHER, make_connection, make_entry, make_person
from tests.support.fakes import FakeClock, FiledTasks, KnownConnections, PlentyOfRoom, StillClock
from tests.unit.writer.scripted import DOWN, ScriptedClients, ScriptedServer

INTERVAL = 2.0
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))


class WakeupStage:
    """The check of waiting employees, with two connections and scripted servers."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        """Starts without waiting employees."""
        self.store = store
        self.clock = clock
        self.tasks = FiledTasks()
        self.connections = KnownConnections({CONNECTION: make_connection(), OTHER: make_connection(OTHER)})
        self.clients = ScriptedClients()
        self.endpoints = Endpoints(self.clients, clock)
        self.freshness = Freshness(Metrics(), clock)
        self.room = PlentyOfRoom(clock)
        self.wakeup = self.make_wakeup(store.followups)

    def make_wakeup(self, followups: Any, fatal: Callable[[str], None] = pytest.fail) -> Wakeup:
        """Returns a check with these queries for waiting employees."""
        return Wakeup(
            room=self.room,
            followups=followups,
            connections=self.connections,
            tasks=self.tasks,
            endpoints=self.endpoints,
            freshness=self.freshness,
            clock=self.clock,
            interval=INTERVAL,
            fatal=fatal,
        )

    async def add_waiting(self, *connections: ConnectionId, employees: str = "1", waiting: Waiting = WAITING) -> None:
        """Adds waiting employees, with ids of one character, to each of these connections."""
        await self.store.ledger.write(
            [
                make_entry(employee, connection_id=name, waiting=waiting)
                for name in connections
                for employee in employees
            ]
        )

    async def get_endpoint(self, name: ConnectionId = CONNECTION) -> tuple[Endpoint, ScriptedServer]:
        """Returns the endpoint of a connection and its server."""
        endpoints = await self.endpoints.get_all([self.connections.connections[name]])
        return endpoints[name], self.clients.made[-1][1]

    def list_resent(self) -> list[ConnectionId]:
        """Returns the connections of the filed tasks, in order."""
        return [name for name, _, _ in self.tasks.filed]

    def list_people(self) -> list[tuple[str, ...]]:
        """Returns the employees of the filed tasks, in order."""
        return [action.people for _, action, _ in self.tasks.filed if isinstance(action, Resend)]


@pytest.fixture
def stage(store: Store) -> WakeupStage:
    """A check with a clock that does not wait."""
    return WakeupStage(store, FakeClock())


async def test_check_without_waiting_employees_does_nothing(stage: WakeupStage) -> None:
    """Without waiting employees, no task is filed and no client is made."""
    await stage.wakeup.check_waiting()

    assert stage.tasks.filed == []
    assert stage.clients.made == []


async def test_employees_of_working_server_are_resent(stage: WakeupStage) -> None:
    """The employees that wait for a working server are resent by one task."""
    await stage.add_waiting(CONNECTION, employees="123")

    await stage.wakeup.check_waiting()

    ((name, action, _),) = stage.tasks.filed
    assert name == CONNECTION
    assert isinstance(action, Resend)
    assert action.scope == "people"
    assert action.people == ("1", "2", "3")


async def test_employees_are_resent_after_breaker_closes(stage: WakeupStage) -> None:
    """The employees are not resent while the breaker is open, and resent as soon as it closes."""
    await stage.add_waiting(CONNECTION)
    endpoint, server = await stage.get_endpoint()
    server.error = DOWN
    await endpoint.breaker.record_failure(WaitingCause.SERVER_UNAVAILABLE)
    for _ in range(5):
        stage.clock.seconds += INTERVAL
        await stage.wakeup.check_waiting()

    assert stage.list_resent() == []

    server.error = None
    stage.clock.seconds += 60
    await stage.wakeup.check_waiting()

    assert stage.list_resent() == [CONNECTION]


async def test_employee_is_resent_when_due(stage: WakeupStage) -> None:
    """An employee that was tried without success is not tried again before its time."""
    later = WAITING.model_copy(update={"retry_at": NOW + timedelta(seconds=60)})
    await stage.add_waiting(CONNECTION, employees="12", waiting=later)
    await stage.add_waiting(CONNECTION, employees="3")

    await stage.wakeup.check_waiting()

    assert stage.list_people() == [("3",)]

    stage.clock.seconds += 60
    await stage.wakeup.check_waiting()

    assert stage.list_people() == [("3",), ("1", "2", "3")]


async def test_employee_on_the_way_is_not_resent_again(stage: WakeupStage) -> None:
    """Until it arrives, or has had much time for that: the task of the resend may be lost."""
    await stage.add_waiting(CONNECTION)
    await stage.wakeup.check_waiting()
    stage.clock.seconds += ON_THE_WAY_SECONDS - 1
    await stage.wakeup.check_waiting()

    assert len(stage.tasks.filed) == 1

    stage.clock.seconds += 1
    await stage.wakeup.check_waiting()

    assert len(stage.tasks.filed) == 2


async def test_employee_waiting_again_is_resent_at_once(stage: WakeupStage) -> None:
    """A new change that waits is due, even if an older one was resent."""
    await stage.add_waiting(CONNECTION)
    await stage.wakeup.check_waiting()
    await stage.store.ledger.write([make_entry("1", 2)])
    await stage.wakeup.check_waiting()
    await stage.store.ledger.write([make_entry("1", 3, waiting=WAITING)])

    await stage.wakeup.check_waiting()

    assert stage.list_resent() == [CONNECTION, CONNECTION]


@pytest.mark.promise("P10")
async def test_as_many_are_resent_as_there_is_room_for(stage: WakeupStage) -> None:
    """Resends are pulled: a connection with many waiting employees gets the next ones when the first ones have arrived."""
    stage.room.most = 2
    await stage.add_waiting(CONNECTION, employees="12345")
    await stage.wakeup.check_waiting()
    await stage.wakeup.check_waiting()

    assert stage.list_people() == [("1", "2")]

    stage.room.backlog.note_arrival(make_person("1"))
    stage.room.backlog.note_arrival(make_person("2"))
    stage.room.backlog.note_room(CONNECTION)
    assert stage.room.backlog.room_appeared.is_set()
    await stage.wakeup.resend_to(stage.room.backlog.take_with_room())

    assert stage.list_people() == [("1", "2"), ("3", "4")]


async def test_server_on_trial_gets_few_employees(stage: WakeupStage) -> None:
    """A server that answers probes may still fail at every write: a resend of all would only cost time."""
    await stage.add_waiting(CONNECTION, employees="123456789")
    endpoint, server = await stage.get_endpoint()
    server.error = DOWN
    await endpoint.breaker.record_failure(WaitingCause.SERVER_UNAVAILABLE)
    server.error = None
    stage.clock.seconds += 60

    await stage.wakeup.check_waiting()

    assert list(map(len, stage.list_people())) == [ON_TRIAL]

    endpoint.breaker.pass_trial()
    await stage.wakeup.check_waiting()

    assert list(map(len, stage.list_people())) == [ON_TRIAL, 9 - ON_TRIAL]


async def test_hanging_probe_delays_no_other_connection(stage: WakeupStage) -> None:
    """A probe that hangs does not delay the employees of another connection."""
    await stage.add_waiting(CONNECTION, OTHER)
    endpoint, server = await stage.get_endpoint()
    server.error = DOWN
    await endpoint.breaker.record_failure(WaitingCause.SERVER_UNAVAILABLE)
    server.release = asyncio.Event()
    await stage.get_endpoint(OTHER)
    stage.clock.seconds += 60

    check = asyncio.create_task(stage.wakeup.check_waiting())
    server.release.set()
    await check

    assert stage.list_resent() == [OTHER]


@pytest.mark.expects_errors
async def test_unforeseen_probe_stops_no_other_connection(stage: WakeupStage) -> None:
    """An answer of one server that is a defect of the client opens its breaker again, and nothing more."""
    await stage.add_waiting(CONNECTION, OTHER)
    endpoint, server = await stage.get_endpoint()
    server.error = DOWN
    await endpoint.breaker.record_failure(WaitingCause.SERVER_UNAVAILABLE)
    server.error = ValueError("an unforeseen answer")
    stage.clock.seconds += 60

    await stage.wakeup.check_waiting()

    assert stage.list_resent() == [OTHER]
    assert endpoint.breaker.is_open


async def test_removed_or_unreadable_connection_is_skipped(stage: WakeupStage) -> None:
    """The employees of a connection that is removed or cannot be read are not resent."""
    await stage.add_waiting(CONNECTION, OTHER)
    stage.connections.unreadable.add(CONNECTION)
    del stage.connections.connections[OTHER]

    await stage.wakeup.check_waiting()

    assert stage.list_resent() == []


async def test_employee_is_resent_once_when_look_is_due(stage: WakeupStage) -> None:
    """An employee is resent by name, once, when the account must be looked up again."""
    await stage.store.ledger.write([make_entry("1", look_at=NOW + timedelta(seconds=60)), make_entry("2")])

    await stage.wakeup.check_looks()

    assert stage.tasks.filed == []

    stage.clock.seconds += 60
    await stage.wakeup.check_looks()
    await stage.wakeup.check_looks()

    ((name, action, _),) = stage.tasks.filed
    assert name == CONNECTION
    assert isinstance(action, Resend)
    assert action.people == ("1",)


async def test_check_continues_after_store_outage(store: Store) -> None:
    """The loop continues after the store was unavailable."""
    clock = StillClock()
    stage = WakeupStage(store, clock)
    await stage.add_waiting(CONNECTION)
    is_down, checked = True, asyncio.Event()

    class Queries:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.followups, name)

        async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
            if is_down:
                checked.set()
                raise StoreUnavailableError("MongoDB does not answer")
            return await store.followups.find_connections_with_retryable()

    wakeup = stage.make_wakeup(Queries())
    await wakeup.start()
    await checked.wait()
    is_down = False
    while not stage.tasks.filed:
        clock.advance(INTERVAL)
        await asyncio.sleep(0.005)
    await wakeup.stop()

    assert stage.list_resent()[0] == CONNECTION


async def test_failing_query_delays_no_pause(stage: WakeupStage) -> None:
    """A batch in progress sends nothing more, although the waiting employees cannot be read."""
    endpoint, _ = await stage.get_endpoint()
    paused = make_connection().model_copy(update={"state": ConnectionState.PAUSED})
    stage.connections.connections[CONNECTION] = paused
    checked = asyncio.Event()

    class Queries:
        async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
            checked.set()
            raise StoreFailedError("a stored entry has invalid fields")

    wakeup = stage.make_wakeup(Queries())
    await wakeup.start()
    await checked.wait()
    await wakeup.stop()

    assert endpoint.is_paused


@pytest.mark.expects_errors
async def test_defect_in_check_ends_the_process(stage: WakeupStage) -> None:
    """A defect in the loop ends the process, because otherwise all employees would keep waiting."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Queries:
        async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
            raise RuntimeError("a defect")

    wakeup = stage.make_wakeup(Queries(), ended.set_result)
    await wakeup.start()

    assert "RuntimeError" in await ended

    await wakeup.stop()


async def test_idle_connection_loses_its_metrics(stage: WakeupStage) -> None:
    """The series of a connection without changes for a day are removed, although the connection exists."""
    await stage.get_endpoint()
    stage.freshness.note_served(CONNECTION)
    stage.clock.seconds += IDLE_SECONDS

    await stage.wakeup.refresh_connections()

    assert stage.freshness.connections == frozenset()
    assert stage.endpoints.connections == {CONNECTION}


async def test_removed_connection_leaves_no_key_in_memory(stage: WakeupStage) -> None:
    """Its client is closed and its metrics are removed, and those of the others stay."""
    removed, kept = await stage.get_endpoint(), await stage.get_endpoint(OTHER)
    for connection in (CONNECTION, OTHER):
        stage.freshness.note_served(connection)
    del stage.connections.connections[CONNECTION]

    await stage.wakeup.refresh_connections()

    assert stage.freshness.connections == {OTHER}

    assert stage.endpoints.connections == {OTHER}
    assert removed[1].is_closed
    assert not kept[1].is_closed
