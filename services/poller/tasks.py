"""Carries out the tasks that are filed for the lease owner of a connection."""

import logging
from collections.abc import Mapping, Sequence

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Action, Poll, Resend, Task
from services.errors import ConnectorError, TransientError
from services.poller.ports import ProgressCallback, Tasks
from services.poller.resend import Resender, collect_named_people
from services.poller.run import Runner
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe

logger = logging.getLogger(__name__)


class TaskRunner:
    """Runs the open tasks of one connection while its lease is held."""

    def __init__(self, tasks: Tasks, runner: Runner, resender: Resender, clock: Clock) -> None:
        """``runner`` polls and ``resender`` resends."""
        self._tasks = tasks
        self._runner = runner
        self._resender = resender
        self._clock = clock

    async def run_open(self, connection: ConnectionId) -> None:
        """Carries out the open tasks, oldest first. Resends of named employees are merged into one pass."""
        open_tasks = await self._tasks.list_open(connection)
        resends = [task for task in open_tasks if isinstance(task.action, Resend) and task.action.scope == "people"]
        if resends:
            await self._run_merged(connection, resends)
        for task in open_tasks:
            if task not in resends and await self._tasks.start(task.id):
                await self._run(connection, task.action, [task.id])

    async def _run_merged(self, connection: ConnectionId, tasks: Sequence[Task]) -> None:
        started = [task for task in tasks if await self._tasks.start(task.id)]
        people = tuple(sorted(collect_named_people(started)))
        merged = Resend(scope="people", people=people, reason="several tasks at once")
        await self._run(connection, merged, [task.id for task in started])

    async def _run(self, connection: ConnectionId, action: Action, tasks: Sequence[str]) -> None:
        """Carries out one action for these tasks.

        After a ``TransientError`` the tasks stay running. The next lease owner opens them again, so no employee is lost.
        """

        async def report(counts: Mapping[str, int]) -> None:
            # Merged tasks have no single requester, so progress is reported for single tasks only.
            if len(tasks) == 1:
                await self._tasks.set_progress(tasks[0], counts)

        try:
            counts, error = await self._carry_out(connection, action, report)
        except (ProducerDeadError, TransientError):
            raise
        except ConnectorError as failure:
            counts, error = {}, str(failure)
        except Exception as failure:  # a task with a defect fails: opened again, it would block the connection for ever
            logger.exception("task cannot be carried out", extra={"connection": connection})
            counts, error = {}, f"unexpected error ({describe(failure)}): see the poller's log"
        now = self._clock.now()
        for task in tasks:
            if error is None:
                await self._tasks.finish(task, counts, now=now)
            else:
                await self._tasks.fail(task, error, now=now)

    async def _carry_out(
        self, connection: ConnectionId, action: Action, progress: ProgressCallback
    ) -> tuple[dict[str, int], str | None]:
        """Returns the counts of the action, and its error; None if it succeeded."""
        match action:
            case Poll(dry_run=dry_run):
                run = await self._runner.poll(connection, dry_run=dry_run, progress=progress)
                return run.counts.model_dump(), run.error
            case Resend(scope="all"):
                return {"sent": await self._resender.resend_all(connection, progress)}, None
            case Resend(scope="rejected"):
                return {"sent": await self._resender.resend_rejected(connection)}, None
            case Resend(scope="retryable"):
                return {"sent": await self._resender.resend_retryable(connection)}, None
            case Resend(people=people):
                return {"sent": await self._resender.resend_people(connection, people, progress)}, None
