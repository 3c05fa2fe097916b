"""When a connection is polled and by whom: interval, requests, leases of the living and the dead."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from services.contracts.connections import ConnectionState, PersonioAccess
from services.contracts.events import Outcome
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.model import Value
from services.contracts.requests import Poll, RequestState, Resend
from services.contracts.runs import RunState
from services.poller.schedule import BOOT_ID, FIRST_REST, Schedule, in_turn, is_dead, this_process
from services.poller.settings import PollerSettings
from services.runtime.metrics import Metrics
from services.runtime.producer import KafkaUnavailableError, ProducerDeadError
from services.store.database import Store
from services.store.leases import Holder
from tests.fakes import FakePersonio, FakePublisher, StillClock
from tests.stored import DECLAREE, PERSONIO, entry, outcome, snapshot

pytestmark = pytest.mark.mongo

PEOPLE: dict[str, dict[str, Value]] = {key: {"email": f"e{key}@x.example"} for key in "12345"}
SETTINGS = PollerSettings(
    kafka_bootstrap_servers="nowhere:1",
    mongodb_url="mongodb://nowhere",
    encryption_keys="-",
    poll_interval_seconds=900,
    poll_lease_seconds=30,
    poll_requests_every_seconds=1,
)
US, OTHERS = Holder("here", 1, "us"), Holder("elsewhere", 1, "others")


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Waits for a condition; the test's own time limit ends it."""
    while True:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.005)


class Stage:
    """A store, a clock that stands still, and any number of pollers."""

    def __init__(self, store: Store, pollers: AsyncExitStack) -> None:
        self.store = store
        self.clock = StillClock()
        self.personio = FakePersonio(PEOPLE)
        self.publisher = FakePublisher()
        self.fatal: list[str] = []
        self._pollers = pollers
        self._schedules = 0

    async def connect(self, name: str = "one") -> ConnectionId:
        access = PersonioAccess(client_id=name, client_secret=PERSONIO.client_secret)
        return (await self.store.connections.add(name, access, DECLAREE, now=self.clock.now())).id

    async def poller(self, holder: Holder = US, settings: PollerSettings = SETTINGS) -> Schedule:
        schedule = Schedule(
            settings=settings,
            store=self.store,
            source=self.personio.source,
            publisher=self.publisher,
            clock=self.clock,
            metrics=Metrics(),
            fatal=self.fatal.append,
            holder=holder,
        )
        await schedule.start()
        self._schedules += 1
        self._pollers.push_async_callback(schedule.stop)
        await self.at_rest()
        return schedule

    async def pass_time(self, seconds: float) -> None:
        """Moves the clock and lets everybody do what is due."""
        self.clock.advance(seconds)
        await self.at_rest()

    async def at_rest(self) -> None:
        """Every schedule waits for the clock and nobody works: nothing more happens by itself."""

        def still() -> bool:
            working = any(task.get_name().startswith("poll ") for task in asyncio.all_tasks())
            return self.clock.sleepers == self._schedules and not working

        await until(still)

    async def runs(self, connection: ConnectionId) -> int:
        return len(await self.store.runs.newest(connection))

    async def held_by(self, connection: ConnectionId, holder: Holder, seconds: float = 30) -> None:
        now = self.clock.now()
        assert await self.store.leases.acquire(f"connection/{connection}", holder, now=now, seconds=seconds)


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as pollers:
        yield Stage(store, pollers)


# ---------------------------------------------------------------- the interval


async def test_a_new_connection_is_polled_at_once_and_then_once_an_interval(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.poller()
    assert await stage.runs(connection) == 1
    for _ in range(5):
        await stage.pass_time(900 * 0.97 / 5 - 0.1)
    assert await stage.runs(connection) == 1
    await stage.pass_time(900 * 0.06 + 1)
    assert await stage.runs(connection) == 2


async def test_polls_are_staggered_around_the_interval(stage: Stage) -> None:
    connections = [await stage.connect(f"c{number}") for number in range(4)]
    await stage.poller()
    start = stage.clock.now()
    assert await stage.store.connections.due(start + timedelta(seconds=900 * 0.97 - 0.1)) == ()
    due = await stage.store.connections.due(start + timedelta(seconds=900 * 1.03 + 0.1))
    assert set(due) == set(connections)


async def test_a_poll_that_failed_is_repeated_after_the_interval_and_not_on_the_next_second(stage: Stage) -> None:
    connection = await stage.connect()
    stage.personio.released = ("first_name",)
    await stage.poller()
    for _ in range(3):
        await stage.pass_time(1)
    assert [run.state for run in await stage.store.runs.newest(connection)] == [RunState.FAILED]


@pytest.mark.expects_errors
async def test_what_fails_unexpectedly_is_left_for_the_next_interval_and_holds_nobody_else(stage: Stage) -> None:
    broken, sound = await stage.connect("broken"), await stage.connect("sound")
    source = stage.personio.source

    @asynccontextmanager
    async def breaks_for_one(connection: ConnectionId) -> AsyncIterator[FakePersonio]:
        if connection == broken:
            raise RuntimeError("a defect")
        async with source(connection) as personio:
            yield personio

    stage.personio.source = breaks_for_one  # type: ignore[method-assign]
    await stage.poller()
    await stage.pass_time(1)
    assert [run.state for run in await stage.store.runs.newest(sound)] == [RunState.SUCCEEDED]
    assert [run.state for run in await stage.store.runs.newest(broken)] == [RunState.FAILED]


@pytest.mark.expects_errors
async def test_what_fails_unexpectedly_beside_a_run_is_tried_again_after_ever_longer_rests(stage: Stage) -> None:
    await stage.connect()
    tries: list[float] = []

    async def defect(connection: ConnectionId) -> int:
        tries.append(stage.clock.seconds)
        raise RuntimeError("a defect")

    stage.store.requests.reopen_running = defect  # type: ignore[method-assign]
    request = Resend(scope="all", why="resync")
    (connection,) = await stage.store.connections.due(stage.clock.now())
    await stage.store.requests.file(connection, request, now=stage.clock.now())
    await stage.poller()
    for _ in range(14):
        await stage.pass_time(1)
    assert tries == [0, 2, 6, 14]


async def test_a_paused_connection_is_not_polled_but_what_is_asked_of_it_is_done(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.store.connections.set_state(connection, ConnectionState.PAUSED)
    await stage.poller()
    assert stage.personio.opened == []
    await stage.store.snapshots.save([(snapshot("1", connection_id=connection), None)])
    request = await stage.store.requests.file(connection, Resend(scope="all", why="resync"), now=stage.clock.now())
    await stage.pass_time(1)
    found = await stage.store.requests.get(request.id)
    assert found is not None
    assert (found.state, len(stage.publisher.log)) == (RequestState.DONE, 1)


async def test_a_request_is_carried_out_within_a_second(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.poller()
    request = await stage.store.requests.file(connection, Poll(), now=stage.clock.now())
    await stage.pass_time(1)
    found = await stage.store.requests.get(request.id)
    assert found is not None
    assert (found.state, await stage.runs(connection)) == (RequestState.DONE, 2)


async def test_what_a_former_holder_left_running_is_done_again(stage: Stage) -> None:
    connection = await stage.connect()
    request = await stage.store.requests.file(connection, Poll(), now=stage.clock.now())
    assert await stage.store.requests.start(request.id)
    await stage.poller()
    found = await stage.store.requests.get(request.id)
    assert found is not None
    assert found.state is RequestState.DONE


async def test_a_resend_that_kafka_did_not_take_is_tried_again_after_a_short_rest(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.poller()
    sent = len(stage.publisher.log)

    def away(_: str) -> None:
        raise KafkaUnavailableError("no acknowledgement")

    stage.publisher.effect = away
    await stage.store.requests.file(connection, Resend(scope="all", why="published"), now=stage.clock.now())
    await stage.pass_time(1)
    stage.publisher.effect = lambda _: None
    await stage.pass_time(FIRST_REST)
    assert len(stage.publisher.log) == sent + 5


async def test_a_connection_that_fails_does_not_keep_the_others_from_their_turn(stage: Stage) -> None:
    """As many troubled ones as may be polled at once, due before the others, and one that is right."""
    troubled = [await stage.connect(f"troubled {number}") for number in range(SETTINGS.poll_concurrency)]
    right = await stage.connect("right")
    for connection in troubled:
        held = await stage.store.leases.acquire(
            f"connection/{connection}", Holder("elsewhere", 1, connection), now=stage.clock.now(), seconds=3600
        )
        assert held is not None
    await stage.poller()
    await stage.pass_time(1)
    assert stage.personio.opened == [right]


async def test_the_rejected_are_sent_again_once_a_day(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.store.accounts.write([entry("1", connection_id=connection, decided=outcome("1", how=Outcome.REJECTED))])
    await stage.poller()

    def of_one() -> int:
        return len(stage.publisher.of(f"{connection}/1".encode()))

    assert of_one() == 2, "the change itself, and the first poll of the day"
    await stage.pass_time(1_000)
    assert (of_one(), await stage.runs(connection)) == (2, 2)
    await stage.pass_time(86_400)
    assert of_one() == 3


# ---------------------------------------------------------------- leases


async def test_a_connection_held_by_a_living_replica_is_left_to_it_and_taken_over_when_its_lease_ends(
    stage: Stage,
) -> None:
    connection = await stage.connect()
    await stage.held_by(connection, OTHERS)
    await stage.poller()
    await stage.pass_time(29)
    assert stage.personio.opened == []
    await stage.pass_time(2)
    assert stage.personio.opened == [connection]


async def test_a_restarted_poller_does_not_wait_out_its_own_lease(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.held_by(connection, Holder("here", US.pid, "before the restart"))
    await stage.poller()
    assert stage.personio.opened == [connection]


async def test_the_lease_of_a_dead_process_of_this_host_is_taken_over_at_once(stage: Stage) -> None:
    connection = await stage.connect()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    await stage.held_by(connection, Holder("here", process.pid, "dead"))
    await stage.poller()
    assert stage.personio.opened == [connection]


async def test_the_lease_of_a_living_process_of_this_host_is_respected(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.held_by(connection, Holder("here", os.getpid(), "alive"))
    await stage.poller()
    assert stage.personio.opened == []


def test_a_machine_is_known_by_more_than_its_name() -> None:
    """Many are called localhost, and process ids mean the same on all of them."""
    assert BOOT_ID.read_text(encoding="ascii").strip() in this_process().host


def test_nobody_of_another_host_is_taken_for_dead() -> None:
    assert not is_dead(US)(Holder("elsewhere", US.pid, "x"))
    assert this_process() != this_process(), "a token tells two lives of one process id apart"


async def test_of_two_pollers_each_connection_is_polled_by_one_at_a_time(stage: Stage) -> None:
    connections = {await stage.connect(f"c{number}") for number in range(4)}
    await asyncio.gather(stage.poller(US), stage.poller(OTHERS))
    assert set(stage.personio.opened) == connections
    assert {run.state for each in connections for run in await stage.store.runs.newest(each)} == {RunState.SUCCEEDED}


async def test_after_its_work_the_lease_is_free_for_everybody(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.poller()
    await stage.held_by(connection, OTHERS)


async def test_a_long_poll_keeps_its_lease(stage: Stage) -> None:
    connection, go_on = await stage.connect(), asyncio.Event()
    await _stop_at_page(stage, 2, go_on)
    for _ in range(12):
        await until(lambda: stage.clock.sleepers == 2)  # the schedule, and the renewal of the lease
        stage.clock.advance(10)
        await _renewed(stage, connection)
    assert (
        await stage.store.leases.acquire(f"connection/{connection}", OTHERS, now=stage.clock.now(), seconds=30) is None
    )
    go_on.set()
    await stage.at_rest()
    assert len(stage.publisher.log) == 5


async def test_a_lease_lost_midway_lets_nothing_more_be_sent_and_is_left_to_the_new_holder(stage: Stage) -> None:
    connection = await stage.connect()
    await _lose_the_lease_midway(stage, connection)
    assert len(stage.publisher.log) == stage.personio.page, "what was sent before"
    (run,) = await stage.store.runs.newest(connection)
    assert "lease" in (run.error or "")
    lease = await stage.store.leases.find(f"connection/{connection}")
    assert lease is not None
    assert lease.holder == OTHERS


async def test_who_has_lost_the_lease_leaves_the_connection_due(stage: Stage) -> None:
    connection = await stage.connect()
    await _lose_the_lease_midway(stage, connection)
    assert await stage.store.connections.due(stage.clock.now()) == (connection,)


async def test_who_slept_for_longer_than_the_lease_lasts_does_nothing_even_before_that_is_found_out(
    stage: Stage,
) -> None:
    """As a process that was stopped and goes on: it holds a page that is older than what others may have stored."""
    connection, go_on = await stage.connect(), asyncio.Event()
    await _stop_at_page(stage, 2, go_on)
    await until(lambda: stage.clock.sleepers == 2)  # the schedule, and the renewal of the lease
    stage.clock.seconds += 30  # and nobody wakes
    go_on.set()
    await until(lambda: _renewal_ended(connection))
    (run,) = await stage.store.runs.newest(connection)
    assert (run.state, "lease" in (run.error or "")) == (RunState.FAILED, True)
    assert await stage.store.snapshots.count(connection) == len(stage.publisher.log) == stage.personio.page


async def _lose_the_lease_midway(stage: Stage, connection: ConnectionId) -> None:
    """After the first page this process sleeps for longer than its lease lasts, and somebody else goes on."""
    go_on = asyncio.Event()
    await _stop_at_page(stage, 2, go_on)
    await until(lambda: stage.clock.sleepers == 2)  # the schedule, and the renewal of the lease
    stage.clock.seconds += 31
    await stage.held_by(connection, OTHERS)
    stage.clock.advance(0)
    await until(lambda: _renewal_ended(connection))
    go_on.set()
    await stage.at_rest()


async def _stop_at_page(stage: Stage, number: int, go_on: asyncio.Event) -> None:
    """Starts a poller whose Personio answers with that page only when told."""
    pages = stage.personio.pages

    async def slow() -> AsyncIterator[object]:
        at = 0
        async for page in pages():
            at += 1
            if at == number:
                await go_on.wait()
            yield page

    stage.personio.pages = slow  # type: ignore[assignment, method-assign]
    polling = asyncio.create_task(stage.poller())
    await until(lambda: len(stage.publisher.log) >= stage.personio.page * (number - 1))
    polling.cancel()
    await asyncio.wait({polling})


async def _renewed(stage: Stage, connection: ConnectionId) -> None:
    async def lasts() -> bool:
        lease = await stage.store.leases.find(f"connection/{connection}")
        return lease is not None and lease.expires_at >= stage.clock.now() + timedelta(seconds=30)

    await until(lasts)


def _renewal_ended(connection: ConnectionId) -> bool:
    return not any(task.get_name() == f"lease {connection}" for task in asyncio.all_tasks())


# ---------------------------------------------------------------- the process


async def test_a_dead_producer_ends_the_process(stage: Stage) -> None:
    await stage.connect()

    def dead(_: str) -> None:
        raise ProducerDeadError("the producer is dead")

    stage.publisher.effect = dead
    await stage.poller()
    assert stage.fatal == ["the producer is dead"]


async def test_so_many_connections_are_polled_at_once_and_no_more(stage: Stage) -> None:
    for number in range(3):
        await stage.connect(f"c{number}")
    await stage.poller(settings=SETTINGS.model_copy(update={"poll_concurrency": 2}))
    assert len(stage.personio.opened) == 2
    await stage.pass_time(1)
    assert len(stage.personio.opened) == 3


def test_neither_who_is_due_nor_who_is_asked_for_keeps_the_others_waiting() -> None:
    due, asked = list(map(ConnectionId, "abcd")), list(map(ConnectionId, "xby"))
    assert in_turn(due, asked) == ["a", "x", "b", "c", "y", "d"]
    assert in_turn([], asked) == asked
    assert in_turn(due, []) == due


async def test_a_schedule_that_does_not_move_is_not_ready(stage: Stage) -> None:
    schedule = await stage.poller()
    assert await schedule.ready() is None
    stage.clock.seconds += 181
    assert await schedule.ready() == "the schedule has not moved for 181 s"
    await stage.pass_time(0)
    assert await schedule.ready() is None


async def test_to_stop_ends_the_work_and_gives_the_leases_back(stage: Stage) -> None:
    connection = await stage.connect()
    await stage.store.snapshots.save([(snapshot("9", connection_id=connection), None)])
    pages = stage.personio.pages

    async def never() -> AsyncIterator[object]:
        await asyncio.Event().wait()
        async for page in pages():
            yield page

    stage.personio.pages = never  # type: ignore[assignment, method-assign]
    schedule = Schedule(
        settings=SETTINGS, store=stage.store, source=stage.personio.source, publisher=stage.publisher,
        clock=stage.clock, metrics=Metrics(), fatal=stage.fatal.append, holder=US,
    )  # fmt: skip
    await schedule.start()
    await until(lambda: bool(stage.personio.opened))
    await schedule.stop()
    await stage.held_by(connection, OTHERS)
    assert EmployeeId("9") in await stage.store.snapshots.read(connection, [EmployeeId("9")])
