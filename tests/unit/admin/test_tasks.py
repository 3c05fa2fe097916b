"""Tasks for the lease owner of a connection, and their results."""

import asyncio

import pytest

from services.admin.connections import NotStartedError
from services.admin.tasks import TaskTimeoutError, UnknownEmployeesError, build_resync, file_and_wait
from services.contracts.connections import Connection
from services.contracts.ids import EmployeeId
from services.contracts.tasks import Action, Poll, Resend, Task, TaskState, Verify
from services.runtime.clock import SystemClock
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import CONNECTION, DECLAREE, NOW, PERSONIO, make_snapshot


class Filing:
    """Files a task, and keeps the states that the callback has seen."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.states: list[TaskState] = []
        self._store = store
        self._connection = connection

    async def file(self, action: Action, seconds: float = 10) -> Task:
        """Returns the finished task."""
        return await file_and_wait(
            self._store, SystemClock(), self._connection.id, action, seconds=seconds, progress=self._record
        )

    def _record(self, task: Task) -> None:
        self.states.append(task.state)


@pytest.fixture
def filing(store: Store, connection: Connection) -> Filing:
    """Files tasks of the connection."""
    return Filing(store, connection)


async def start_task(store: Store, connection: Connection) -> str:
    """Starts the open task of the connection as a poller does, and returns its id."""
    async with asyncio.timeout(10):
        while not (tasks := await store.tasks.list_open(connection.id)):  # noqa: ASYNC110 - another task files it
            await asyncio.sleep(0)
    await store.tasks.start(tasks[0].id)
    return tasks[0].id


async def test_done_task_is_returned_with_its_counts(store: Store, connection: Connection, filing: Filing) -> None:
    """The callback sees the task while it runs, and as it ends."""
    waiting = asyncio.create_task(filing.file(Poll()))
    task = await start_task(store, connection)
    await store.tasks.finish(task, {"seen": 3}, now=NOW)
    result = await waiting

    assert result.id == task
    assert result.state is TaskState.DONE
    assert result.counts == {"seen": 3}
    assert filing.states[-1] is TaskState.DONE


async def test_failed_task_is_returned_with_its_error(store: Store, connection: Connection, filing: Filing) -> None:
    """The failure of a run is a result, not an exception of the caller."""
    waiting = asyncio.create_task(filing.file(Poll()))
    task = await start_task(store, connection)
    await store.tasks.fail(task, "Personio does not answer", now=NOW)
    result = await waiting

    assert result.state is TaskState.FAILED
    assert result.error == "Personio does not answer"


async def test_task_without_a_poller_stays_filed(store: Store, connection: Connection, filing: Filing) -> None:
    """The next poller takes it, although the caller no longer waits."""
    with pytest.raises(TaskTimeoutError):
        await filing.file(Poll(), seconds=0.01)

    (task,) = await store.tasks.list_open(connection.id)
    assert task.action == Poll()


async def test_task_that_a_poller_has_begun_goes_on(store: Store, connection: Connection, filing: Filing) -> None:
    """The message must not blame a missing poller."""
    waiting = asyncio.create_task(filing.file(Poll(), seconds=0.3))
    await start_task(store, connection)

    with pytest.raises(TaskTimeoutError, match="goes on"):
        await waiting


@pytest.mark.parametrize("action", [Poll(), build_resync(()), Verify()], ids=["poll", "resync", "verify"])
async def test_connection_that_never_started_has_no_tasks(store: Store, action: Action) -> None:
    """Each of them would write accounts before an administrator has seen what the first import does."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)

    with pytest.raises(NotStartedError, match="connections start"):
        await file_and_wait(store, SystemClock(), added.id, action, seconds=1, progress=lambda _: None)

    assert await store.tasks.list_open(added.id) == ()


async def test_dry_run_is_possible_before_the_start(store: Store) -> None:
    """It counts the employees and publishes nothing."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)

    with pytest.raises(TaskTimeoutError):
        await file_and_wait(store, SystemClock(), added.id, Poll(dry_run=True), seconds=0.01, progress=lambda _: None)

    assert len(await store.tasks.list_open(added.id)) == 1


async def test_late_verification_may_wait_for_declaree(filing: Filing) -> None:
    """It is opened again while Declaree does not answer, so that a missing poller is not the only cause."""
    with pytest.raises(TaskTimeoutError, match="connections check"):
        await filing.file(Verify(), seconds=0.01)


async def test_resync_of_an_unknown_employee_files_no_task(
    store: Store, connection: Connection, filing: Filing
) -> None:
    """The message names the unknown ids in their order, and leaves out the known one."""
    await store.snapshots.save([(make_snapshot("3", connection_id=connection.id), None)])
    people = (EmployeeId("98"), EmployeeId("3"), EmployeeId("7"))

    with pytest.raises(UnknownEmployeesError, match=r"\(7, 98\)"):
        await filing.file(build_resync(people))

    assert await store.tasks.list_open(connection.id) == ()


async def test_task_of_an_unknown_connection_is_an_error(store: Store) -> None:
    """A poller would never take it."""
    with pytest.raises(UnknownConnectionError):
        await file_and_wait(store, SystemClock(), CONNECTION, Poll(), seconds=1, progress=lambda _: None)

    assert await store.tasks.list_open(CONNECTION) == ()


@pytest.mark.parametrize(
    ("people", "action"),
    [
        ((), Resend(scope="all", reason="resync")),
        ((EmployeeId("7"),), Resend(scope="people", people=(EmployeeId("7"),), reason="resync")),
    ],
    ids=["all", "named"],
)
def test_resync_without_names_applies_to_all(people: tuple[EmployeeId, ...], action: Resend) -> None:
    """The command without options resends the whole connection."""
    assert build_resync(people) == action
