"""The schedule: when each connection is polled, its tasks, and pauses after failures."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from services.clients.declaree.errors import DeclareeUnavailableError
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.leases import Fence, ProcessIdentity
from services.contracts.outcomes import Outcome
from services.contracts.runs import RunState
from services.contracts.tasks import Poll, Resend, TaskState, Verify
from services.poller.pauses import FIRST_PAUSE_SECONDS
from services.provisioning.calls import Call
from services.runtime.kafka.publisher import KafkaUnavailableError, ProducerDeadError
from services.store.fenced import FencedStore
from services.store.tasks import Tasks
from tests.support.builders import make_entry, make_outcome, make_snapshot
from tests.support.fake_store import FakeTasks
from tests.support.schedule_stage import OTHER_HOST, SETTINGS, ScheduleStage
from tests.support.waiting import wait_until


@pytest.fixture
def stage(schedule_stage: ScheduleStage) -> ScheduleStage:
    """Pollers without a connection."""
    return schedule_stage


# ---------------------------------------------------------------- the interval


async def test_new_connection_is_polled_at_once_then_by_interval(stage: ScheduleStage) -> None:
    """The interval is 900 s and varies by up to 3 %."""
    connection = await stage.connect()
    await stage.start_poller()

    assert await stage.count_runs(connection) == 1

    for _ in range(5):
        await stage.pass_time(900 * 0.97 / 5 - 0.1)

    assert await stage.count_runs(connection) == 1

    await stage.pass_time(900 * 0.06 + 1)

    assert await stage.count_runs(connection) == 2


async def test_polls_are_spread_around_the_interval(stage: ScheduleStage) -> None:
    """Connections that were added together are not polled in the same second forever."""
    connections = [await stage.connect(f"c{number}") for number in range(4)]

    await stage.start_poller()

    start = stage.clock.now()
    too_early = start + timedelta(seconds=900 * 0.97 - 0.1)
    late_enough = start + timedelta(seconds=900 * 1.03 + 0.1)
    assert await stage.store.schedule.find_due(too_early, limit=99) == ()
    assert set(await stage.store.schedule.find_due(late_enough, limit=99)) == set(connections)


async def test_paused_connection_is_not_polled_but_runs_tasks(stage: ScheduleStage) -> None:
    """An administrator can resend the employees of a paused connection."""
    connection = await stage.connect()
    await stage.store.connections.set_state(connection, ConnectionState.PAUSED)
    await stage.start_poller()

    assert stage.personio.opened == []

    await stage.store.snapshots.save([(make_snapshot("1", connection_id=connection), None)])
    task = await stage.file_task(connection, Resend(scope="all", reason="resync"))
    await stage.pass_time(1)

    assert (await stage.read_task(task)).state is TaskState.DONE
    assert len(stage.publisher.log) == 1


async def test_rejected_employees_are_resent_once_a_day(stage: ScheduleStage) -> None:
    """A rejection may have been corrected in Declaree, which the product cannot observe."""
    connection = await stage.connect()
    await stage.store.ledger.write(
        [make_entry("1", connection_id=connection, decided=make_outcome("1", how=Outcome.REJECTED))]
    )

    def count_events() -> int:
        return len(stage.publisher.get_records(f"{connection}/1".encode()))

    await stage.start_poller(settings=SETTINGS.model_copy(update={"poll_verify": False}))

    assert count_events() == 2, "the change, and the resend after the first poll of the day"

    await stage.pass_time(1_000)

    assert count_events() == 2
    assert await stage.count_runs(connection) == 2

    await stage.pass_time(86_400)

    assert count_events() == 3


# ---------------------------------------------------------------- tasks


async def test_task_is_carried_out_within_a_second(stage: ScheduleStage) -> None:
    """A requester does not wait for the next poll."""
    connection = await stage.connect()
    await stage.start_poller()
    task = await stage.file_task(connection, Poll())

    await stage.pass_time(1)

    assert (await stage.read_task(task)).state is TaskState.DONE
    assert await stage.count_runs(connection) == 2


async def test_task_left_running_is_carried_out_again(stage: ScheduleStage) -> None:
    """The earlier lease owner stopped during the task."""
    connection = await stage.connect()
    task = await stage.file_task(connection, Poll())
    assert await stage.store.tasks.start(task.id)

    await stage.start_poller()

    assert (await stage.read_task(task)).state is TaskState.DONE


async def test_resend_without_kafka_is_repeated_after_a_pause(stage: ScheduleStage) -> None:
    """The task stays unfinished, and the connection pauses for a short time."""
    connection = await stage.connect()
    await stage.start_poller()
    sent = len(stage.publisher.log)

    def fail(_: str) -> None:
        raise KafkaUnavailableError("no acknowledgement")

    stage.publisher.effect = fail
    await stage.file_task(connection, Resend(scope="all", reason="published"))
    await stage.pass_time(1)
    stage.publisher.effect = lambda _: None

    await stage.pass_time(FIRST_PAUSE_SECONDS)

    assert len(stage.publisher.log) == sent + 5


# ---------------------------------------------------------------- the daily verification


async def test_accounts_are_verified_daily_from_the_second_day(stage: ScheduleStage) -> None:
    """On the first day the first import is under way."""
    connection = await stage.connect()
    await stage.start_poller()
    await stage.pass_time(1)

    assert stage.accounts.opened == []

    await stage.pass_time(86_400)
    await stage.pass_time(1)

    assert stage.accounts.opened == [connection]
    assert await stage.store.verifications.get_report(connection) is not None

    await stage.pass_time(1_000)
    await stage.pass_time(1)

    assert stage.accounts.opened == [connection]

    await stage.pass_time(86_400)
    await stage.pass_time(1)

    assert stage.accounts.opened == [connection, connection]


async def test_verification_follows_the_first_poll(stage: ScheduleStage) -> None:
    """Before it no employee is known, and an administrator would be told to disable every account."""
    connection = await stage.connect()
    name, address = {"givenName": "A", "familyName": "B"}, "e1@x.example"
    account = {"userName": address, "emails": [{"value": address}], "name": name, "externalId": "1"}
    stage.declaree.registry.create("User", account, stage.declaree.behaviour)
    await stage.file_task(connection, Verify())

    await stage.start_poller()
    await stage.pass_time(1)
    report = await stage.store.verifications.get_report(connection)

    assert await stage.count_runs(connection) == 1
    assert report is not None
    assert report.counts == {"listed": 1}


async def test_setting_turns_the_daily_verification_off(stage: ScheduleStage) -> None:
    """A task of an administrator is still carried out."""
    connection = await stage.connect()
    await stage.start_poller(settings=SETTINGS.model_copy(update={"poll_verify": False}))
    await stage.pass_time(86_400)
    await stage.pass_time(1)

    assert stage.accounts.opened == []

    await stage.file_task(connection, Verify())
    await stage.pass_time(1)

    assert stage.accounts.opened == [connection]


@pytest.mark.parametrize("repair", [False, True])
async def test_setting_decides_about_daily_repairs_of_fields(stage: ScheduleStage, repair: bool) -> None:
    """The daily verification always waits for changes under way."""
    connection = await stage.connect()
    await stage.start_poller(settings=SETTINGS.model_copy(update={"poll_verify_repair": repair}))
    await stage.pass_time(1)
    await stage.pass_time(86_400)
    await stage.pass_time(1)

    store: Any = stage.store
    tasks = [task.action for task in store.tasks.content.values() if task.connection_id == connection]

    assert Verify(repair=repair) in tasks
    assert Verify(repair=not repair) not in tasks


@pytest.mark.promise("P10")
async def test_silent_declaree_delays_no_poll(stage: ScheduleStage) -> None:
    """The verification waits for the server, is not filed a second time, and is carried out in the end."""
    connection = await stage.connect()

    is_silent = True

    async def answer(_: Call) -> None:
        if is_silent:
            raise DeclareeUnavailableError("no answer")

    stage.accounts.before = answer
    await stage.start_poller()
    await stage.pass_time(86_400)
    runs = await stage.count_runs(connection)

    for _ in range(6):
        await stage.pass_time(1_000)
    await stage.pass_time(86_400)
    await stage.pass_time(61)

    assert await stage.count_runs(connection) == runs + 7
    (waiting,) = await stage.store.tasks.list_open(connection)
    assert waiting.action == Verify()

    is_silent = False
    await stage.pass_time(61)

    assert (await stage.read_task(waiting)).state is TaskState.DONE


# ---------------------------------------------------------------- failures


async def test_failed_poll_is_repeated_after_the_interval(stage: ScheduleStage) -> None:
    """A wrong credential must not lead to a poll each second."""
    connection = await stage.connect()
    stage.personio.visible = ("first_name",)
    await stage.start_poller()

    for _ in range(3):
        await stage.pass_time(1)

    assert [run.state for run in await stage.store.runs.list_newest(connection)] == [RunState.FAILED]


@pytest.mark.expects_errors
@pytest.mark.promise("P10")
async def test_unexpected_error_affects_only_its_connection(stage: ScheduleStage) -> None:
    """The connection with the defect waits for the next interval, and the other one is polled."""
    broken, sound = await stage.connect("broken"), await stage.connect("sound")

    def fail_for_broken(connection: ConnectionId) -> None:
        if connection == broken:
            raise RuntimeError("a defect")

    stage.personio.before_open = fail_for_broken

    await stage.start_poller()
    await stage.pass_time(1)

    assert [run.state for run in await stage.store.runs.list_newest(sound)] == [RunState.SUCCEEDED]
    assert [run.state for run in await stage.store.runs.list_newest(broken)] == [RunState.FAILED]


@pytest.mark.expects_errors
async def test_unexpected_error_outside_a_run_leads_to_growing_pauses(stage: ScheduleStage) -> None:
    """The pauses are 2, 4 and 8 seconds."""
    connection = await stage.connect()
    attempts: list[float] = []

    class FailingTasks(FakeTasks):
        async def reopen_running(self, connection: ConnectionId) -> int:
            attempts.append(stage.clock.seconds)
            raise RuntimeError("a defect")

    stage.store.tasks = cast("Tasks", FailingTasks())
    await stage.file_task(connection, Resend(scope="all", reason="resync"))
    await stage.start_poller()

    for _ in range(14):
        await stage.pass_time(1)

    assert attempts == [0, 2, 6, 14]


@pytest.mark.promise("P10")
async def test_connections_without_lease_do_not_block_the_others(stage: ScheduleStage) -> None:
    """Such connections pause, although they were due first and take all the room."""
    blocked = [await stage.connect(f"blocked {number}") for number in range(SETTINGS.poll_open_connections)]
    free = await stage.connect("free")
    for connection in blocked:
        await stage.take_lease(connection, ProcessIdentity("elsewhere", 1, connection), seconds=3600)

    await stage.start_poller()
    await stage.pass_time(1)

    assert stage.personio.opened == [free]


# ---------------------------------------------------------------- order and room


async def test_number_of_polls_at_once_is_limited(stage: ScheduleStage) -> None:
    """The setting poll_open_connections bounds memory and sockets; further connections wait."""
    for number in range(3):
        await stage.connect(f"c{number}")

    await stage.start_poller(settings=SETTINGS.model_copy(update={"poll_open_connections": 2}))

    assert len(stage.personio.opened) == 2

    await stage.pass_time(1)

    assert len(stage.personio.opened) == 3


# ---------------------------------------------------------------- the process


async def test_dead_producer_ends_the_process(stage: ScheduleStage) -> None:
    """Only a restart gives a new producer."""
    await stage.connect()

    def fail(_: str) -> None:
        raise ProducerDeadError("the producer is dead")

    stage.publisher.effect = fail

    await stage.start_poller()

    assert stage.fatal == ["the producer is dead"]


async def test_schedule_that_does_not_move_is_not_ready(stage: ScheduleStage) -> None:
    """The readiness check reports a blocked event loop or database."""
    schedule = await stage.start_poller()

    assert await schedule.check_readiness() is None

    stage.clock.seconds += 181

    assert await schedule.check_readiness() == "the schedule has not moved for 181 s"

    await stage.pass_time(0)

    assert await schedule.check_readiness() is None


async def test_stop_ends_the_work_and_releases_the_lease(stage: ScheduleStage) -> None:
    """Another replica can continue at once, and no stored snapshot is lost."""
    connection = await stage.connect()
    await stage.store.snapshots.save([(make_snapshot("9", connection_id=connection), None)])
    stage.personio.before_page = lambda _: asyncio.Event().wait()
    schedule = stage.build_schedule()
    await schedule.start()
    await wait_until(lambda: stage.personio.opened)

    await schedule.stop()

    await stage.take_lease(connection, OTHER_HOST)
    assert EmployeeId("9") in await stage.store.snapshots.read(connection, [EmployeeId("9")])


async def test_work_on_a_connection_has_a_fence(stage: ScheduleStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the lease: MongoDB then refuses what a suspended process still writes."""
    ends = []
    fence = stage.store.fence

    def note(guard: Fence) -> FencedStore:
        ends.append(guard.ends_at)
        return fence(guard)

    monkeypatch.setattr(stage.store, "fence", note)
    await stage.connect()

    await stage.start_poller()

    assert ends == [stage.clock.now() + timedelta(seconds=30)]
