"""One run of a connection, from its start to its end."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.observations import GroupCount
from services.contracts.runs import Run, RunKind, RunState
from services.errors import ConnectorError
from services.poller.absences import Absences
from services.poller.cursor import Cursor
from services.poller.guard import explain, find_base
from services.poller.lease import LeaseLostError
from services.poller.lookup import Lookup
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan, ProgressCallback, Source
from services.poller.repositories import Repositories
from services.poller.run_recorder import DryRunRecorder, RunRecorder
from services.poller.scan import Scan
from services.poller.scan_limits import ScanLimits
from services.poller.selection import read_mapping
from services.poller.staging import Changes, DryRun, FirstImport, Releaser, Staging
from services.poller.tally import Tally
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import ProducerDeadError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)


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
        cursor: Cursor,
        clock: Clock,
        metrics: Metrics,
        *,
        departure_seconds: float,
    ) -> None:
        """``outbox`` publishes the changes, and raises ``LeaseLostError`` once the lease is lost. ``cursor`` decides which employees
        an incremental poll asks for. ``departure_seconds`` is the time between both lookups of an employee that is no longer
        listed.
        """
        self._repositories = repositories
        self._source = source
        self._outbox = outbox
        self._limits = limits
        self._cursor = cursor
        self._clock = clock
        self._metrics = metrics
        self._recorder = RunRecorder(repositories, outbox, clock, metrics)
        self._departure_seconds = departure_seconds

    async def poll(
        self,
        connection: ConnectionId,
        *,
        plan: PollPlan | None = None,
        is_full: bool = True,
        dry_run: bool = False,
        progress: ProgressCallback = ignore_progress,
    ) -> Run:
        """Runs one poll and returns its result. A failure is stored in the run and affects no other connection.

        Without ``is_full``, it asks Personio for changed employees alone, unless a full scan is due. ``plan`` says what the
        connection needs; None reads it. The run is stored at its end, and also at its start if the last one did not succeed, and
        after the first page of a longer one. A dry run counts the changes, and neither stores nor publishes anything.
        Raises ``LeaseLostError`` and ``ProducerDeadError``.
        """
        plan = plan or await self._repositories.polls.plan(connection)
        recorder = DryRunRecorder(self._clock) if dry_run else self._recorder
        run = await recorder.begin(plan)
        tally = Tally()
        try:
            changes = self._open_changes(plan, run, dry_run=dry_run)
            tally = await self._scan(plan, run, changes, is_full=is_full, dry_run=dry_run, progress=progress)
            result = await self._release_or_hold(plan, run, tally, changes, dry_run=dry_run)
        except asyncio.CancelledError:
            await recorder.end_cancelled(run)
            raise
        except ProducerDeadError:
            raise
        except LeaseLostError as error:
            await recorder.end(run, {"state": RunState.FAILED, "error": str(error)})
            raise
        except ConnectorError as error:
            logger.warning("poll failed: %s", error, extra={"connection": connection})
            result = {"state": RunState.FAILED, "error": str(error)}
        except Exception as error:  # a defect is stored like any failure, so that the connection is polled again
            logger.exception("poll failed unexpectedly", extra={"connection": connection})
            result = {
                "state": RunState.FAILED,
                "error": f"unexpected error ({describe(error)}): see the poller's log",
            }
        run = await recorder.end(run, result)
        if run.state is not RunState.FAILED:
            await recorder.follow_up(plan, run, tally.basis)
        return run

    async def look_up(self, connection: ConnectionId, people: Sequence[EmployeeId]) -> dict[str, int]:
        """Looks up single employees, and publishes their changes. Returns the counts. Raises the errors of ``Lookup``."""
        plan = await self._repositories.polls.plan(connection)
        lookup = Lookup(self._repositories, self._source, self._outbox, self._limits, self._clock)
        return await lookup.look_up(plan, people)

    async def _release_or_hold(
        self, plan: PollPlan, run: Run, tally: Tally, changes: DryRun | Staging, *, dry_run: bool
    ) -> dict[str, object]:
        """Returns the result of the run after its scan."""
        unusual = await self._find_unusual(plan, tally, changes)
        if isinstance(changes, Staging):
            if unusual:
                # as a run in progress: the next lease owner ends it, and the end that this process stores is refused
                await self._repositories.runs.save(run)
                self._outbox.ensure_lease()
                await changes.keep()
            else:
                tally.count_released(await changes.release())
        result = self._conclude(plan.connection_id, tally, unusual, dry_run=dry_run)
        return result | ({"digest": changes.census.digest} if unusual else {})

    async def _find_unusual(self, plan: PollPlan, tally: Tally, changes: DryRun | Staging) -> tuple[GroupCount, ...]:
        """Returns the groups above the thresholds. Counts employees only if a group has more than a few."""
        if changes.census.largest <= plan.guard.people:
            return ()
        if tally.kind is RunKind.INCREMENTAL:
            of = await self._repositories.snapshots.count_present(plan.connection_id)
        else:
            of = find_base(tally.before, tally.get_counts(), tally.gone)
        return changes.census.find_unusual(plan.guard, of)

    def _open_changes(self, plan: PollPlan, run: Run, *, dry_run: bool) -> DryRun | Staging:
        """Returns what takes the changes of the run.

        Before the first complete scan was released, new employees are released at once: every employee is new, and a large
        company would wait for its last page.
        """
        if dry_run:
            return DryRun(is_imported=plan.is_imported)
        kind = Staging if plan.is_imported else FirstImport
        releaser = self.build_releaser(plan.connection_id)
        return kind(run.id, self._repositories.observations, releaser, self._outbox, self._clock)

    def build_releaser(self, connection: ConnectionId) -> Releaser:
        """Returns what stores and publishes changes of a connection."""
        return Releaser(connection, self._repositories.snapshots, self._outbox, self._clock, self._limits.places)

    def _conclude(
        self, connection: ConnectionId, tally: Tally, unusual: Sequence[GroupCount], *, dry_run: bool
    ) -> dict[str, object]:
        """Returns the result of a run after its scan."""
        counts, gap = tally.get_counts(), tally.describe_gap()
        state, error = (RunState.SUCCEEDED, None) if gap is None else (RunState.INCOMPLETE, gap)
        if unusual:
            error = " ".join([explain(unusual), *([] if gap is None else [f"The scan was incomplete: {gap}"])])
            state = RunState.HELD
            logger.warning("poll is held: %s", error, extra={"connection": connection})
        elif gap is not None:
            logger.warning("poll is incomplete: %s", gap, extra={"connection": connection})
        else:
            logger.info("polled", extra={"connection": connection, "counts": counts.model_dump(exclude_none=True)})
        if not dry_run and not unusual:
            self._metrics.changes.labels("created").inc(tally.created)
            self._metrics.changes.labels("changed").inc(tally.changed)
        return {
            "state": state,
            "error": error,
            "kind": tally.kind,
            "counts": counts,
            "invisible": tally.invisible,
            "notes": tally.notes,
            "unusual": tuple(unusual),
        }

    async def _scan(
        self, plan: PollPlan, run: Run, changes: Changes, *, is_full: bool, dry_run: bool, progress: ProgressCallback
    ) -> Tally:
        is_stored = dry_run or not plan.has_succeeded

        async def report(tally: Tally) -> None:
            nonlocal is_stored
            if not is_stored and tally.has_more_pages:
                await self._repositories.runs.save(run.model_copy(update={"kind": tally.kind}))
                is_stored = True
            total = {} if tally.total is None else {"total": tally.total}
            await progress(tally.get_counts().model_dump(exclude_none=True) | total)

        if not dry_run and plan.needs_any("pending_event"):
            await self._outbox.emit_pending(plan.connection_id, self._limits.places)
        wanted, calendar = read_mapping(plan, run.started_at)
        repositories = self._repositories
        scan = Scan(
            run.id,
            plan,
            repositories.snapshots,
            repositories.catalogues,
            self._outbox,
            changes,
            Absences(run.id, repositories.snapshots, self._clock, self._departure_seconds),
            calendar,
            self._cursor,
            self._clock,
            self._limits,
            dry_run=dry_run,
        )
        async with self._source(plan) as personio:
            return await scan.run(personio, wanted, report, is_full=is_full or dry_run)
