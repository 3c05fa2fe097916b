"""Publishes current snapshots again."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from services.contracts.cloudevents import SendReason
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tasks import Resend, Task
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan, ProgressCallback
from services.poller.repositories import Repositories
from services.poller.run import ignore_progress


def collect_named_people(tasks: Iterable[Task]) -> frozenset[EmployeeId]:
    """Returns the employees that resend tasks name."""
    return frozenset(person for task in tasks if isinstance(task.action, Resend) for person in task.action.people)


class Resender:
    """Resends employees of one connection while its lease is held."""

    def __init__(self, repositories: Repositories, outbox: Outbox, places: asyncio.Semaphore) -> None:
        """``outbox`` publishes the snapshots, and raises ``LeaseLostError`` once the lease is lost.

        Holds one of the ``places`` for each batch, so that companies take turns.
        """
        self._repositories = repositories
        self._outbox = outbox
        self._places = places

    async def resend_all(self, connection: ConnectionId, progress: ProgressCallback = ignore_progress) -> int:
        """Resends all employees of the connection. Returns the number of events."""
        return await self._resend(connection, None, progress)

    async def resend_people(
        self, connection: ConnectionId, people: Sequence[EmployeeId], progress: ProgressCallback = ignore_progress
    ) -> int:
        """Resends the named employees that have a snapshot. Returns the number of events."""
        return await self._resend(connection, people, progress) if people else 0

    async def resend_unblocked(self, plan: PollPlan) -> int:
        """Resends every employee that was blocked by a cause that is resolved. Returns the number of events.

        Those are reports of a manager with another account than they are written with, and employees with a conflict that is
        gone. ``plan`` says whether there can be any. Writers pull the employees that wait.
        """
        followups, connection = self._repositories.followups, plan.connection_id
        sent = 0
        if plan.needs_any("open_reference", "changed_account"):
            # Skip employees that an open resend task already covers: during a first import that is nearly all of them.
            # If the task fails, the next poll picks them up.
            covered = collect_named_people(await self._repositories.tasks.list_open(connection))
            reports = await followups.find_resolvable_reports(connection)
            sent += await self.resend_people(connection, [report for report in reports if report not in covered])
        if plan.needs_any("conflict"):
            unblocked = {*await followups.find_unblocked(connection), *await followups.find_exchanging(connection)}
            sent += await self.resend_people(connection, sorted(unblocked))
        return sent

    async def resend_rejected(self, connection: ConnectionId) -> int:
        """Resends the employees with a rejected last change. Returns the number of events."""
        return await self._resend_pages(connection, self._repositories.followups.page_rejected(connection))

    async def resend_incomplete(self, connection: ConnectionId, tried_before: datetime) -> int:
        """Resends the employees with a refused field that was not tried since then. Returns the number of events."""
        pages = self._repositories.followups.page_incomplete(connection, tried_before)
        return await self._resend_pages(connection, pages)

    async def _resend_pages(self, connection: ConnectionId, pages: AsyncIterator[Sequence[EmployeeId]]) -> int:
        return sum([await self.resend_people(connection, page) async for page in pages])

    async def _resend(
        self, connection: ConnectionId, people: Sequence[EmployeeId] | None, progress: ProgressCallback
    ) -> int:
        """Publishes snapshots; a change that was not yet marked as emitted is marked now."""
        snapshots = self._repositories.snapshots
        sent = 0
        total = await snapshots.count(connection) if people is None else len(people)
        async for batch in snapshots.stream(connection, people):
            async with self._places:
                emitted, _ = await self._outbox.emit(connection, batch, SendReason.RESENT)
            sent += emitted
            await progress({"sent": sent, "total": total})
        return sent
