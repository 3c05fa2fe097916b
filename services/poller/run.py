"""One run of a connection, from its start to its end."""

import asyncio
import logging
from collections.abc import Mapping

from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.errors import ConnectorError
from services.mapping.wanted import find_wanted_attributes
from services.poller.lease import LeaseLostError
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan, ProgressCallback, Source
from services.poller.repositories import Repositories
from services.poller.scan import Scan, Tally
from services.poller.scan_limits import ScanLimits
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

LEFT_UNFINISHED = "the poller stopped during this run: the next run picks up the remaining changes"
"""The error of a run that a poller left unfinished."""


async def ignore_progress(_: Mapping[str, int]) -> None:
    """Progress callback that does nothing. Used for scheduled work, which has no requester."""


class Runner:
    """Polls one connection while its lease is held."""

    def __init__(
        self,
        repositories: Repositories,
        source: Source,
        outbox: Outbox,
        limits: ScanLimits,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """``outbox`` publishes the changes, and raises ``LeaseLostError`` once the lease is lost."""
        self._repositories = repositories
        self._source = source
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._metrics = metrics

    async def poll(
        self,
        connection: ConnectionId,
        *,
        plan: PollPlan | None = None,
        dry_run: bool = False,
        progress: ProgressCallback = ignore_progress,
    ) -> Run:
        """Runs one poll and returns its result. A failure is stored in the run and affects no other connection.

        ``plan`` says what the connection needs; None reads it. The run is stored at its end, and also at its start if the last
        one did not succeed, and after the first page of a longer one.
        Raises ``LeaseLostError`` and ``ProducerDeadError``. A dry run counts the changes, and neither stores nor
        publishes anything.
        """
        plan = plan or await self._repositories.polls.plan(connection)
        run = Run(id="dry-run", connection_id=connection, started_at=self._clock.now())
        if not dry_run:
            run = await self._begin(plan)
        try:
            tally = await self._scan(plan, run, dry_run=dry_run, progress=progress)
        except asyncio.CancelledError:
            await self._end_cancelled(run, dry_run=dry_run)
            raise
        except ProducerDeadError:
            raise
        except LeaseLostError as error:
            await self._end(run, {"state": RunState.FAILED, "error": str(error)}, dry_run=dry_run)
            raise
        except ConnectorError as error:
            logger.warning("poll failed: %s", error, extra={"connection": connection})
            result: dict[str, object] = {"state": RunState.FAILED, "error": str(error)}
        except Exception as error:  # a defect is stored like any failure, so that the connection is polled again
            logger.exception("poll failed unexpectedly", extra={"connection": connection})
            result = {
                "state": RunState.FAILED,
                "error": f"unexpected error ({describe(error)}): see the poller's log",
            }
        else:
            result = self._conclude(connection, tally, dry_run=dry_run)
        return await self._end(run, result, dry_run=dry_run)

    async def _begin(self, plan: PollPlan) -> Run:
        runs, now = self._repositories.runs, self._clock.now()
        if plan.needs_any("unfinished_run"):
            await runs.fail_unfinished(plan.connection_id, LEFT_UNFINISHED, now=now)
        # a writer asks for first runs in progress
        return await runs.begin(plan.connection_id, now=now, is_stored=not plan.has_succeeded)

    def _conclude(self, connection: ConnectionId, tally: Tally, *, dry_run: bool) -> dict[str, object]:
        """Returns the result of a scan that was not interrupted by an error. One that stopped at a limit has failed."""
        counts = tally.get_counts()
        if not dry_run:
            self._metrics.changes.labels("created").inc(tally.created)
            self._metrics.changes.labels("changed").inc(tally.changed)
        if tally.stopped is None:
            logger.info("polled", extra={"connection": connection, "counts": counts.model_dump()})
        else:
            logger.warning("poll is incomplete: %s", tally.stopped, extra={"connection": connection})
        return {
            "state": RunState.SUCCEEDED if tally.stopped is None else RunState.FAILED,
            "error": tally.stopped,
            "counts": counts,
            "invisible": tally.invisible,
        }

    async def _end_cancelled(self, run: Run, *, dry_run: bool) -> None:
        """Stores the end of a run because the process stops. If MongoDB does not answer, the next run ends it."""
        try:
            await self._end(run, {"state": RunState.FAILED, "error": LEFT_UNFINISHED}, dry_run=dry_run)
        except ConnectorError as error:
            logger.warning("end of a run cannot be stored: %s", error, extra={"connection": run.connection_id})

    async def _end(self, run: Run, result: Mapping[str, object], *, dry_run: bool) -> Run:
        run = run.model_copy(update={**result, "finished_at": self._clock.now()})
        if not dry_run:
            self._metrics.runs.labels(run.state.value).inc()
            await self._repositories.runs.save(run)
        return run

    async def _scan(self, plan: PollPlan, run: Run, *, dry_run: bool, progress: ProgressCallback) -> Tally:
        is_stored = dry_run or not plan.has_succeeded

        async def report(tally: Tally) -> None:
            nonlocal is_stored
            if not is_stored and tally.has_more_pages:
                await self._repositories.runs.save(run)
                is_stored = True
            total = {} if tally.total is None else {"total": tally.total}
            await progress(tally.get_counts().model_dump() | total)

        if not dry_run and plan.needs_any("pending_event"):
            await self._outbox.emit_pending(plan.connection_id, self._limits.places)
        published = plan.open_mapping()
        wanted = find_wanted_attributes(published.mapping if published else None)
        repositories = self._repositories
        scan = Scan(
            repositories.snapshots,
            repositories.catalogues,
            self._outbox,
            self._clock,
            self._limits,
            dry_run=dry_run,
        )
        async with self._source(plan) as personio:
            return await scan.run(plan, personio, wanted, report)
