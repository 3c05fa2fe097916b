"""Stores the runs of a connection, and what follows from their end."""

import logging
from collections.abc import Mapping

from services.contracts.polls import PollProgress, ScanBasis
from services.contracts.runs import Run, RunKind, RunState
from services.errors import ConnectorError
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.repositories import Repositories
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

LEFT_UNFINISHED = "the poller stopped during this run: the next run picks up the remaining changes"
"""The error of a run that a poller left unfinished."""


class RunRecorder:
    """Stores the runs of one connection while its lease is held."""

    def __init__(self, repositories: Repositories, outbox: Outbox, clock: Clock, metrics: Metrics) -> None:
        """``outbox`` raises ``LeaseLostError`` once the lease is lost."""
        self._repositories = repositories
        self._outbox = outbox
        self._clock = clock
        self._metrics = metrics

    async def begin(self, plan: PollPlan) -> Run:
        """Ends the runs that a crash has left, and returns a new one. It is stored now if the last run did not succeed."""
        runs, now = self._repositories.runs, self._clock.now()
        if plan.needs_any("unfinished_run"):
            await runs.fail_unfinished(plan.connection_id, LEFT_UNFINISHED, now=now)
        if plan.needs_any("observation"):  # a run that a crash ended has left some
            self._outbox.ensure_lease()  # the next lease owner may be storing some by now
            keep = await runs.find_undecided(plan.connection_id)
            await self._repositories.observations.drop_others(plan.connection_id, keep)
        # a writer asks for first runs in progress
        return await runs.begin(plan.connection_id, now=now, is_stored=not plan.has_succeeded)

    async def end(self, run: Run, result: Mapping[str, object]) -> Run:
        """Stores the end of a run with its result, and returns it."""
        run = _end(run, result, self._clock)
        self._metrics.runs.labels(run.state.value).inc()
        await self._repositories.runs.save(run)
        return run

    async def end_cancelled(self, run: Run) -> None:
        """Stores the end of a run because the process stops. If MongoDB does not answer, the next run ends it."""
        try:
            await self.end(run, {"state": RunState.FAILED, "error": LEFT_UNFINISHED})
        except ConnectorError as error:
            logger.warning("end of a run cannot be stored: %s", error, extra={"connection": run.connection_id})

    async def follow_up(self, plan: PollPlan, run: Run, basis: ScanBasis | None) -> None:
        """Ends an earlier held run if this one has compared everything again, and notes up to when changes are released.

        ``basis`` is what the run has compared; None if it did not get that far.
        """
        if plan.needs_any("held_run") and run.kind is RunKind.FULL and run.state is not RunState.INCOMPLETE:
            self._outbox.ensure_lease()  # a run that is held by now may be one of the next lease owner
            await self._repositories.runs.replace_held(plan.connection_id, by=run.id)
            keep = await self._repositories.runs.find_undecided(plan.connection_id)
            await self._repositories.observations.drop_others(plan.connection_id, keep)
        if run.state is RunState.SUCCEEDED and basis is not None and (plan.progress or run.counts.seen):
            self._outbox.ensure_lease()
            await self._repositories.schedule.set_progress(plan.connection_id, _advance(plan, run, basis))


class DryRunRecorder:
    """Stands in for ``RunRecorder`` in a dry run: the run exists in memory only."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` has the times of the run."""
        self._clock = clock

    async def begin(self, plan: PollPlan) -> Run:
        """Returns a run that is not stored."""
        return Run(id="dry-run", connection_id=plan.connection_id, started_at=self._clock.now())

    async def end(self, run: Run, result: Mapping[str, object]) -> Run:
        """Returns the run with its result."""
        return _end(run, result, self._clock)

    async def end_cancelled(self, run: Run) -> None:
        """Does nothing."""

    async def follow_up(self, plan: PollPlan, run: Run, basis: ScanBasis | None) -> None:
        """Does nothing."""


def _end(run: Run, result: Mapping[str, object], clock: Clock) -> Run:
    return run.model_copy(update={**result, "finished_at": clock.now()})


def _advance(plan: PollPlan, run: Run, basis: ScanBasis) -> PollProgress:
    """Returns how far the connection is after a run with changes that were all released."""
    if run.kind is RunKind.INCREMENTAL and plan.progress is not None:
        return plan.progress.model_copy(update={"released_until": run.started_at})
    return PollProgress(released_until=run.started_at, full_scan_at=run.started_at, basis=basis)
