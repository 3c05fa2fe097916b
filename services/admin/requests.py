"""Asking a connection's lease holder for something, and waiting for what came of it."""

import asyncio
from collections.abc import Callable

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.requests import Poll, Request, RequestState, Resend, Task
from services.errors import PermanentError, TransientError
from services.runtime.clock import Clock
from services.store.database import Store


class NobodyAnswersError(TransientError):
    """The request stays filed; no poller has finished it in time."""


class UnknownEmployeesError(PermanentError):
    """There is no snapshot of somebody who was named."""


async def ask(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    task: Task,
    *,
    seconds: float,
    progress: Callable[[Request], None],
) -> Request:
    """Files the task and waits until it is finished; raises ``NobodyAnswersError`` after ``seconds``.

    For what nobody knows nothing is filed.
    """
    await store.connections.must_exist(connection)
    if isinstance(task, Resend) and task.people:
        unknown = set(task.people) - (await store.snapshots.read(connection, task.people)).keys()
        if unknown:
            raise UnknownEmployeesError(f"not known in connection {connection}: {', '.join(sorted(unknown))}")
    filed = await store.requests.file(connection, task, now=clock.now())
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        request = await store.requests.get(filed.id)
        if request is not None:
            progress(request)
            if request.state in {RequestState.DONE, RequestState.FAILED}:
                return request
        await asyncio.sleep(0.2)
    raise NobodyAnswersError(
        f"no poller has finished request {filed.id} within {seconds:.0f} s; it stays filed. Is a poller running?"
    )


def poll(*, dry_run: bool) -> Poll:
    return Poll(dry_run=dry_run)


def resync(people: tuple[EmployeeId, ...]) -> Resend:
    """The current snapshots again, of everybody or of the people named; no call to Personio."""
    if people:
        return Resend(scope="people", people=people, why="resync")
    return Resend(scope="all", why="resync")
