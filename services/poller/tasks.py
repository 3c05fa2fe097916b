"""Carries out the tasks that are filed for the lease owner of a connection."""

import logging
from collections.abc import Mapping, Sequence

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Action, DecideRun, Disable, Poll, Resend, Task, Verify
from services.errors import ConnectorError, TransientError
from services.poller.decisions import Decider
from services.poller.departures import Departures
from services.poller.ports import ProgressCallback
from services.poller.resend import Resender, collect_named_people
from services.poller.run import Runner
from services.poller.verify import Verifier
from services.poller.work_ports import Tasks
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe

logger = logging.getLogger(__name__)


class TaskRunner:
    """Runs the open tasks of one connection while its lease is held."""

    def __init__(
        self,
        tasks: Tasks,
        runner: Runner,
        resender: Resender,
        verifier: Verifier,
        departures: Departures,
        decider: Decider,
        clock: Clock,
    ) -> None:
        """``runner`` polls, ``resender`` resends, ``verifier`` verifies, ``departures`` removes employees, and ``decider`` carries
        out decisions about held runs.
        """
        self._tasks = tasks
        self._runner = runner
        self._resender = resender
        self._verifier = verifier
        self._departures = departures
        self._decider = decider
        self._clock = clock

    async def run_open(self, connection: ConnectionId, *, with_verifications: bool = True) -> None:
        """Carries out the open tasks, oldest first, verifications last. Resends of named employees are merged into one pass.

        A verification takes long and depends on Declaree, so that it must not delay other tasks. Without
        ``with_verifications`` it stays open. Raises ``VerificationInterruptedError``.
        """
        listed = await self._tasks.list_open(connection)
        others = [task for task in listed if not isinstance(task.action, Verify)]
        verifications = [task for task in listed if isinstance(task.action, Verify)] if with_verifications else []
        open_tasks = [*others, *verifications]
        resends = [task for task in open_tasks if isinstance(task.action, Resend) and task.action.scope == "people"]
        if resends:
            await self._run_merged(connection, resends)
        for task in open_tasks:
            if task not in resends and await self._tasks.start(task.id):
                await self._run(connection, task.action, [task.id])

    async def _run_merged(self, connection: ConnectionId, tasks: Sequence[Task]) -> None:
        started = [task for task in tasks if await self._tasks.start(task.id)]
        if not started:  # another lease owner has taken them
            return
        people = tuple(sorted(collect_named_people(started)))
        merged = Resend(scope="people", people=people, reason="several tasks at once")
        await self._run(connection, merged, [task.id for task in started])

    async def _run(self, connection: ConnectionId, action: Action, tasks: Sequence[str]) -> None:
        """Carries out one action for these tasks.

        After a ``TransientError`` the tasks stay running. The next lease owner opens them again, so no employee is lost.
        An unfinished verification is opened again at once.
        """

        async def report(counts: Mapping[str, int]) -> None:
            # Merged tasks have no single requester, so progress is reported for single tasks only.
            if len(tasks) == 1:
                await self._tasks.set_progress(tasks[0], counts)

        try:
            counts, error = await self._carry_out(connection, action, tasks[0], report)
            if counts is None:
                await self._tasks.reopen_running(connection)
                return
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
        self, connection: ConnectionId, action: Action, task: str, progress: ProgressCallback
    ) -> tuple[dict[str, int] | None, str | None]:
        """Returns the counts of the action, or None if it continues later; and its error, or None if it succeeded."""
        match action:
            case Poll(people=people) if people:
                return await self._runner.look_up(connection, people), None
            case Poll(dry_run=dry_run):
                run = await self._runner.poll(connection, dry_run=dry_run, progress=progress)
                return run.counts.model_dump(exclude_none=True), run.error
            case DecideRun():
                return await self._decider.decide(connection, action), None
            case Verify():
                return await self._verifier.verify(connection, task, action, progress), None
            case Disable(people=people):
                return {"disabled": await self._departures.remove(connection, people)}, None
            case Resend():
                return {"sent": await self._resend(connection, action, progress)}, None

    async def _resend(self, connection: ConnectionId, action: Resend, progress: ProgressCallback) -> int:
        """Returns the number of events."""
        match action.scope:
            case "all":
                return await self._resender.resend_all(connection, progress)
            case "rejected":
                return await self._resender.resend_rejected(connection)
            case "people":
                return await self._resender.resend_people(connection, action.people, progress)
