"""Tasks for the lease owner: what they do, their progress, and their failures."""

from collections.abc import Mapping
from typing import cast

import pytest

from services.clients.declaree.errors import DeclareeUnavailableError
from services.clients.personio.errors import PersonioCredentialsError
from services.contracts.cloudevents import SendReason
from services.contracts.ids import EmployeeId
from services.contracts.runs import RunCounts
from services.contracts.tasks import Poll, Resend, TaskState, Verify
from services.poller.account_reader import VerificationInterruptedError
from services.poller.verify import SLICE_SECONDS
from services.provisioning.calls import Call
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.store.database import Store
from tests.support.builders import CONNECTION, make_person, make_snapshot
from tests.support.fake_store import FakeStore, FakeTasks
from tests.support.run_stage import RunStage, store_open_changes


@pytest.fixture
def stage(store: Store) -> RunStage:
    """A connection with five employees in Personio."""
    return RunStage(store)


# ---------------------------------------------------------------- what they do


@pytest.mark.parametrize(
    ("action", "people"),
    [
        (Resend(scope="all", reason="resync"), ["1", "2", "3", "4", "5"]),
        (Resend(scope="rejected", reason="daily"), ["5"]),
        (Resend(scope="people", people=(EmployeeId("4"), EmployeeId("unknown")), reason="requested"), ["4"]),
        (Resend(scope="people", reason="without people"), []),
    ],
    ids=lambda value: value.reason if isinstance(value, Resend) else "",
)
async def test_resend_task_sends_the_employees_of_its_scope(stage: RunStage, action: Resend, people: list[str]) -> None:
    """The finished task has the number of events."""
    await store_open_changes(stage.store)

    (task,) = await stage.run_tasks(action)

    assert stage.list_sent(SendReason.RESENT) == people
    assert task.state is TaskState.DONE
    assert task.counts == {"sent": len(people)}
    assert task.error is None
    assert task.finished_at == stage.clock.now()


async def test_resend_tasks_of_people_are_merged(stage: RunStage) -> None:
    """An employee that several tasks name is sent once."""
    await store_open_changes(stage.store)
    names = [tuple(map(EmployeeId, people)) for people in ("12", "23", "2")]

    tasks = await stage.run_tasks(*(Resend(scope="people", people=people, reason="moved") for people in names))

    assert stage.list_sent(SendReason.RESENT) == ["1", "2", "3"]
    assert {task.state for task in tasks} == {TaskState.DONE}


async def test_resend_tasks_of_another_owner_are_left_alone() -> None:
    """Tasks that another lease owner has started since they were listed are its own."""

    class StartedTasks(FakeTasks):
        async def start(self, task: str) -> bool:
            await super().start(task)
            return False

    store = FakeStore()
    store.tasks = StartedTasks()
    stage = RunStage(cast("Store", store))

    (task,) = await stage.run_tasks(Resend(scope="people", people=(EmployeeId("1"),), reason="moved"))

    assert task.state is TaskState.RUNNING
    assert stage.publisher.log == []


async def test_poll_task_reports_its_counts(stage: RunStage) -> None:
    """A dry run counts the same changes and sends none."""
    dry, real = await stage.run_tasks(Poll(dry_run=True), Poll())

    assert dry.state is TaskState.DONE
    assert dry.counts["created"] == 5
    assert dry.counts["emitted"] == 0
    assert real.state is TaskState.DONE
    assert real.counts["created"] == 5
    assert real.counts["emitted"] == 5


async def test_resend_of_an_unsent_change_marks_it_as_sent(stage: RunStage) -> None:
    """The change was stored by a run that stopped before it was sent."""
    await stage.store.snapshots.save([(make_snapshot("1"), None)])

    await stage.run_tasks(Resend(scope="all", reason="resync"))

    assert await stage.list_pending() == []
    assert [record.key for record in stage.publisher.log] == [bytes(make_person("1"))]


# ---------------------------------------------------------------- progress


async def test_progress_is_reported_for_single_tasks_only() -> None:
    """Merged tasks have no common requester."""
    reports: list[tuple[str, dict[str, int]]] = []

    class RecordingTasks(FakeTasks):
        async def set_progress(self, task: str, counts: Mapping[str, int]) -> None:
            reports.append((task, dict(counts)))
            await super().set_progress(task, counts)

    store = FakeStore()
    store.tasks = RecordingTasks()
    stage = RunStage(cast("Store", store))

    (poll,) = await stage.run_tasks(Poll())

    assert {task for task, _ in reports} == {poll.id}
    assert [counts["seen"] for _, counts in reports] == [2, 4, 5]
    assert [counts["total"] for _, counts in reports] == [5, 5, 5]
    assert poll.counts == RunCounts(seen=5, created=5, emitted=5, announced=5).model_dump()

    reports.clear()
    (resync,) = await stage.run_tasks(Resend(scope="all", reason="resync"))

    assert reports == [(resync.id, {"sent": 5, "total": 5})]
    assert resync.counts == {"sent": 5}

    reports.clear()
    await stage.run_tasks(*(Resend(scope="people", people=(EmployeeId(key),), reason="moved") for key in "12"))

    assert reports == []


# ---------------------------------------------------------------- failures


async def test_failed_poll_task_has_the_error(stage: RunStage) -> None:
    """The requester reads why the poll failed."""
    stage.personio.failure = PersonioCredentialsError("Personio refuses the client_id")

    (task,) = await stage.run_tasks(Poll())

    assert task.state is TaskState.FAILED
    assert task.error == "Personio refuses the client_id"


@pytest.mark.expects_errors
async def test_unexpected_error_fails_only_its_task(stage: RunStage) -> None:
    """A task with a defect must not block the tasks after it."""
    await store_open_changes(stage.store)

    def fail_once(_: str) -> None:
        stage.publisher.effect = lambda _: None
        raise RuntimeError("secret detail")

    stage.publisher.effect = fail_once

    broken, sound = await stage.run_tasks(Resend(scope="rejected", reason="a"), Resend(scope="all", reason="b"))

    assert broken.state is TaskState.FAILED
    assert broken.error == "unexpected error (RuntimeError): see the poller's log"
    assert sound.state is TaskState.DONE


@pytest.mark.parametrize(
    "action",
    [Resend(scope="all", reason="published"), Resend(scope="people", people=(EmployeeId("1"),), reason="moved")],
)
async def test_resend_task_without_kafka_stays_unfinished(stage: RunStage, action: Resend) -> None:
    """The next attempt opens the task again and carries it out."""
    await store_open_changes(stage.store)
    stage.fail_publishing(KafkaUnavailableError("no acknowledgement"))

    with pytest.raises(KafkaUnavailableError):
        await stage.run_tasks(action)

    assert await stage.store.tasks.find_connections_with_unfinished(limit=9) == (CONNECTION,)

    stage.publisher.effect = lambda _: None
    await stage.store.tasks.reopen_running(CONNECTION)
    await stage.tasks.run_open(CONNECTION)

    assert "1" in stage.list_sent(SendReason.RESENT)
    assert await stage.store.tasks.find_connections_with_unfinished(limit=9) == ()


# ---------------------------------------------------------------- verifications


async def test_verification_task_reports_its_counts(stage: RunStage) -> None:
    """The five employees were imported and have no account yet."""
    poll, verify = await stage.run_tasks(Poll(), Verify())

    assert poll.state is TaskState.DONE
    assert verify.state is TaskState.DONE
    assert verify.counts == {"listed": 0}


async def test_verification_without_an_employee_fails(stage: RunStage) -> None:
    """If the first poll has failed, an administrator would be told to disable every account."""
    stage.add_account("a1@x.example")

    (verify,) = await stage.run_tasks(Verify())

    assert verify.state is TaskState.FAILED
    assert verify.error is not None
    assert "after the first poll" in verify.error


async def test_verification_comes_after_the_other_tasks(stage: RunStage) -> None:
    """It takes long, and a server that does not answer must not hold the others up."""
    await store_open_changes(stage.store)

    async def fail(_: Call) -> None:
        raise DeclareeUnavailableError("no answer")

    stage.accounts.before = fail

    with pytest.raises(VerificationInterruptedError):
        await stage.run_tasks(Verify(), Resend(scope="all", reason="resync"))

    assert stage.list_sent(SendReason.RESENT) == ["1", "2", "3", "4", "5"]
    assert stage.clock.slept == []


async def test_verification_goes_on_in_the_next_slice(stage: RunStage) -> None:
    """The task is open again in between."""

    async def take_long(_: Call) -> None:
        stage.clock.seconds += SLICE_SECONDS

    await stage.store.snapshots.save([(make_snapshot("1"), None)])
    for number in range(1, 22):
        stage.add_account(f"a{number}@x.example")
    stage.accounts.before = take_long

    (first,) = await stage.run_tasks(Verify())
    for _ in range(3):
        await stage.tasks.run_open(CONNECTION)
    last = await stage.store.tasks.get(first.id)

    assert first.state is TaskState.OPEN
    assert stage.accounts.pages == [1, 11, 21]
    assert last is not None
    assert last.state is TaskState.DONE
    assert last.counts == {"listed": 21}
