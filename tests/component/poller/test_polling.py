"""The poller on a real MongoDB: a first run, a crash, a lease that is taken over, and a resend."""

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.runs import RunState
from services.contracts.tasks import Poll, Resend, TaskState
from services.store.database import Store
from tests.support.builders import CONNECTION
from tests.support.run_stage import RunStage, check_recovery, list_effects_of_a_run, store_open_changes
from tests.support.schedule_stage import OTHER_HOST, SELF, ScheduleStage

pytestmark = pytest.mark.mongo


async def test_first_run_stores_sends_and_marks_all_employees(store: Store) -> None:
    """A second run finds no change."""
    stage = RunStage(store)

    first = await stage.runner.poll(CONNECTION)
    stage.clock.seconds += 60
    second = await stage.runner.poll(CONNECTION)

    assert first.state is RunState.SUCCEEDED
    assert first.counts.emitted == 5
    assert second.counts.unchanged == 5
    assert second.counts.emitted == 0
    assert await store.runs.list_newest(CONNECTION) == (second, first)
    assert await stage.list_pending() == []
    assert stage.list_sent(SendReason.DETECTED) == list("12345")


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
async def test_crash_before_any_effect_loses_no_change(store: Store) -> None:
    """After a crash at any point, the next run publishes every change, in order, with unchanged content."""
    effects = await list_effects_of_a_run(store)

    assert {"begin", "save", "publish", "mark_emitted"} <= set(effects)
    for at in range(len(effects)):
        await check_recovery(store, at)


async def test_lease_of_a_silent_replica_is_taken_over(schedule_stage: ScheduleStage) -> None:
    """The connection is polled once the lease has ended, and its unfinished task is carried out."""
    stage = schedule_stage
    connection = await stage.connect()
    task = await stage.file_task(connection, Poll())
    await stage.take_lease(connection, OTHER_HOST)
    assert await stage.store.tasks.start(task.id)
    await stage.start_poller()

    await stage.pass_time(29)

    assert stage.personio.opened == []

    await stage.pass_time(2)

    assert connection in stage.personio.opened
    assert (await stage.read_task(task)).state is TaskState.DONE


async def test_poll_with_lost_lease_sends_nothing_more(schedule_stage: ScheduleStage) -> None:
    """The new owner keeps the lease, and the connection stays due."""
    stage = schedule_stage
    connection = await stage.connect()

    await stage.lose_lease(connection)

    lease = await stage.store.leases.find(f"connection/{connection}")
    assert len(stage.publisher.log) == stage.personio.page, "only the page before the loss"
    assert lease is not None
    assert lease.owner == OTHER_HOST
    assert await stage.store.schedule.find_due(stage.clock.now(), limit=99) == (connection,)


async def test_two_pollers_share_the_connections(schedule_stage: ScheduleStage) -> None:
    """MongoDB gives each lease to one of two pollers that start at the same time."""
    stage = schedule_stage
    connections = {await stage.connect(f"c{number}") for number in range(4)}

    await stage.start_poller(SELF, wait=False)
    await stage.start_poller(OTHER_HOST)

    assert set(stage.personio.opened) == connections


@pytest.mark.parametrize(("scope", "people"), [("all", list("12345")), ("rejected", list("5"))])
async def test_resend_task_sends_the_employees_of_its_scope(store: Store, scope: str, people: list[str]) -> None:
    """The queries for follow-ups find the employees in the documents of the ledger."""
    stage = RunStage(store)
    await store_open_changes(store)

    (task,) = await stage.run_tasks(Resend.model_validate({"scope": scope, "reason": "requested"}))

    assert stage.list_sent(SendReason.RESENT) == people
    assert task.state is TaskState.DONE
    assert task.counts == {"sent": len(people)}
