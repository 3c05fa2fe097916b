"""Files a task for the lease owner of a connection, and waits for its result."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from services.admin.connections import ensure_started
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tasks import Action, Poll, Resend, Task, TaskState, Verify
from services.errors import PermanentError, TransientError
from services.runtime.clock import Clock
from services.store.database import Store

POLL_SECONDS = 0.2
"""Seconds between two reads of the state of the task."""


class TaskTimeoutError(TransientError):
    """No poller finished the task in time. The task stays filed."""

    code: ClassVar[str] = "task-timeout"


class UnknownEmployeesError(PermanentError):
    """A named employee has no snapshot."""

    code: ClassVar[str] = "unknown-employees"


async def file_and_wait(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    action: Action,
    *,
    seconds: float,
    progress: Callable[[Task], None],
) -> Task:
    """Files a task and returns it once it is finished. Calls ``progress`` after each read of its state.

    Raises ``TaskTimeoutError`` after ``seconds``. Raises ``UnknownConnectionError``, ``NotStartedError`` or
    ``UnknownEmployeesError`` without filing anything: only a dry run is possible before the first start.
    """
    if isinstance(action, Poll) and action.dry_run:
        await store.connections.ensure_exists(connection)
    else:
        await ensure_started(store, connection)
    if isinstance(action, Resend) and action.people:
        unknown = set(action.people) - (await store.snapshots.read(connection, action.people)).keys()
        if unknown:
            raise UnknownEmployeesError(
                f"unknown employees in connection {connection} ({', '.join(sorted(unknown))}): check their Personio ids"
            )
    filed = await store.tasks.file(connection, action, now=clock.now())
    deadline = clock.monotonic() + seconds
    task: Task | None = filed
    while clock.monotonic() < deadline:
        task = await store.tasks.get(filed.id)
        if task is not None:
            progress(task)
            if task.state in {TaskState.DONE, TaskState.FAILED}:
                return task
        await asyncio.sleep(POLL_SECONDS)
    if task is not None and task.state is TaskState.RUNNING:
        raise TaskTimeoutError(f"a poller still works on task {filed.id} after {seconds:.0f} s: it goes on")
    hint = "check that a poller is running"
    if isinstance(action, Verify):
        hint += ", and with `connections check` that Declaree answers"
    raise TaskTimeoutError(f"no poller finished task {filed.id} within {seconds:.0f} s, and it stays filed: {hint}")


def build_unknown_employee(connection: ConnectionId, employee: EmployeeId) -> UnknownEmployeesError:
    """Returns the error for an employee without a snapshot."""
    return UnknownEmployeesError(f"unknown employee {employee} in connection {connection}: check the Personio id")


def build_resync(people: tuple[EmployeeId, ...]) -> Resend:
    """Returns the action that resends the named employees; all employees of the connection if none is named."""
    if people:
        return Resend(scope="people", people=people, reason="resync")
    return Resend(scope="all", reason="resync")
