"""What the lease holder of a connection does: polls it when due, and carries out what was asked for."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from services.contracts.envelope import Cause
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.requests import Poll, Request, Resend, Task
from services.contracts.runs import Run, RunState
from services.errors import ConnectorError, TransientError
from services.poller.outbox import LeaseLostError, Outbox
from services.poller.ports import Source
from services.poller.scan import Scan, Tally
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.producer import ProducerDeadError
from services.store.database import Store

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[Mapping[str, int]], Awaitable[None]]
LEFT_BEHIND = "the poller ended before the run did; the next run finds whatever it has not"


async def nobody(_: Mapping[str, int]) -> None:
    """Whom the progress of work concerns that nobody has asked for."""


class Work:
    """Everything about one connection, while its lease is held."""

    def __init__(self, store: Store, source: Source, clock: Clock, metrics: Metrics, outbox: Outbox) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._metrics = metrics
        self._outbox = outbox

    async def poll(self, connection: ConnectionId, *, dry_run: bool = False, progress: Progress = nobody) -> Run:
        """One run. Its failure is noted in the run and never concerns another connection."""
        run = Run(id="dry-run", connection_id=connection, started_at=self._clock.now())
        if not dry_run:
            await self._store.runs.fail_unfinished(connection, LEFT_BEHIND, now=self._clock.now())
            run = await self._store.runs.begin(connection, now=self._clock.now())
        try:
            tally = await self._scan(connection, dry_run=dry_run, progress=progress)
        except ProducerDeadError:
            raise
        except LeaseLostError as error:
            await self._end(run, {"state": RunState.FAILED, "error": str(error)}, dry_run=dry_run)
            raise
        except ConnectorError as error:
            logger.warning("a poll failed: %s", error, extra={"connection": connection})
            outcome: dict[str, object] = {"state": RunState.FAILED, "error": str(error)}
        except Exception as error:  # a defect: noted like any failure, so that the connection is polled again
            logger.exception("a poll failed unexpectedly", extra={"connection": connection})
            outcome = {
                "state": RunState.FAILED,
                "error": f"an unexpected error ({describe(error)}): see the poller's log",
            }
        else:
            counts = {"counts": tally.counts(), "unreleased": tuple(sorted(tally.unreleased))}
            outcome = {"state": RunState.SUCCEEDED, **counts}
            if not dry_run:
                self._metrics.changes.labels("created").inc(tally.created)
                self._metrics.changes.labels("changed").inc(tally.changed)
            logger.info("polled", extra={"connection": connection, "counts": tally.counts().model_dump()})
        return await self._end(run, outcome, dry_run=dry_run)

    async def _end(self, run: Run, outcome: Mapping[str, object], *, dry_run: bool) -> Run:
        run = run.model_copy(update={**outcome, "finished_at": self._clock.now()})
        if not dry_run:
            self._metrics.runs.labels(run.state.value).inc()
            await self._store.runs.save(run)
        return run

    async def _scan(self, connection: ConnectionId, *, dry_run: bool, progress: Progress) -> Tally:
        async def told(tally: Tally) -> None:
            total = {} if tally.total is None else {"total": tally.total}
            await progress(tally.counts().model_dump() | total)

        if not dry_run:
            await self._outbox.emit_pending(connection)
        scan = Scan(self._store.snapshots, self._outbox, self._clock, dry_run=dry_run)
        async with self._source(connection) as personio:
            return await scan.run(connection, personio, told)

    async def resend_unsettled(self, connection: ConnectionId) -> int:
        """At every poll: who waits, whose entry asks for a look, and whose cause to wait or be rejected is gone."""
        sent = await self._resend_pages(connection, self._store.accounts.unsettled(connection))
        # whom a writer has asked for is sent for that: of a large import's first poll, these are nearly all (and should
        # their request fail, the next poll finds them)
        asked = _people(await self._store.requests.open(connection))
        reports = await self._store.accounts.resolvable_reports(connection)
        sent += await self._resend(connection, [report for report in reports if report not in asked])
        return sent + await self._resend(connection, await self._store.accounts.released(connection))

    async def resend_rejected(self, connection: ConnectionId) -> int:
        return await self._resend_pages(connection, self._store.accounts.rejected(connection))

    async def _resend_pages(self, connection: ConnectionId, pages: AsyncIterator[Sequence[EmployeeId]]) -> int:
        return sum([await self._resend(connection, page) async for page in pages])

    async def _resend(
        self, connection: ConnectionId, people: Sequence[EmployeeId] | None, progress: Progress = nobody
    ) -> int:
        """Sends the current snapshots again. A change that was never marked as sent counts as sent for the first time."""
        if people is not None and not people:
            return 0
        sent = 0
        total = await self._store.snapshots.count(connection) if people is None else len(people)
        async for snapshots in self._store.snapshots.stream(connection, people):
            emitted, _ = await self._outbox.emit(connection, snapshots, Cause.RESENT)
            sent += emitted
            await progress({"sent": sent, "total": total})
        return sent

    # ------------------------------------------------------------ requests

    async def requests(self, connection: ConnectionId) -> None:
        """Carries out what is open, oldest first; re-sends of single people are done in one pass."""
        open_ones = await self._store.requests.open(connection)
        people = [r for r in open_ones if isinstance(r.task, Resend) and r.task.scope == "people"]
        if people:
            await self._together(connection, people)
        for request in open_ones:
            if request not in people and await self._store.requests.start(request.id):
                await self._finish(connection, request.task, [request.id])

    async def _together(self, connection: ConnectionId, requests: list[Request]) -> None:
        started = [request for request in requests if await self._store.requests.start(request.id)]
        everybody = Resend(scope="people", people=tuple(sorted(_people(started))), why="several requests at once")
        await self._finish(connection, everybody, [request.id for request in started])

    async def _finish(self, connection: ConnectionId, task: Task, requests: Sequence[str]) -> None:
        """A re-send that Kafka or MongoDB did not take stays running and is opened again: nobody is left out."""

        async def progress(counts: Mapping[str, int]) -> None:
            # of many that are done together nobody watches a single one
            if len(requests) == 1:
                await self._store.requests.progress(requests[0], counts)

        try:
            counts, error = await self._carry_out(connection, task, progress)
        except (ProducerDeadError, TransientError):
            raise
        except ConnectorError as failure:
            counts, error = {}, describe(failure)
        except Exception as failure:  # a defect: opened again and again, it would keep the connection from all else
            logger.exception("a request cannot be carried out", extra={"connection": connection})
            counts, error = {}, f"an unexpected error ({describe(failure)}): see the poller's log"
        now = self._clock.now()
        for request in requests:
            if error is None:
                await self._store.requests.done(request, counts, now=now)
            else:
                await self._store.requests.failed(request, error, now=now)

    async def _carry_out(
        self, connection: ConnectionId, task: Task, progress: Progress
    ) -> tuple[dict[str, int], str | None]:
        match task:
            case Poll(dry_run=dry_run):
                run = await self.poll(connection, dry_run=dry_run, progress=progress)
                return run.counts.model_dump(), run.error
            case Resend(scope="all"):
                return {"sent": await self._resend(connection, None, progress)}, None
            case Resend(scope="rejected"):
                return {"sent": await self.resend_rejected(connection)}, None
            case Resend(scope="unsettled"):
                return {"sent": await self.resend_unsettled(connection)}, None
            case Resend(people=people):
                return {"sent": await self._resend(connection, people, progress)}, None


def _people(requests: Iterable[Request]) -> frozenset[EmployeeId]:
    """Who is named in them."""
    return frozenset(person for r in requests if isinstance(r.task, Resend) for person in r.task.people)
