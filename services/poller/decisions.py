"""Carries out what an administrator has decided about a held run."""

import logging
from collections.abc import Callable

from services.contracts.employees import STATUS
from services.contracts.ids import ConnectionId
from services.contracts.observations import Group, GroupKind
from services.contracts.runs import Run, RunNotHeldError, RunState
from services.contracts.tasks import DecideRun
from services.poller.observation_ports import Observations
from services.poller.schedule_ports import Polls
from services.poller.staging import Releaser, release_stored
from services.poller.verification_ports import Ledger
from services.poller.work_ports import Runs

logger = logging.getLogger(__name__)

DEPARTURES = frozenset({GroupKind.LEFT, GroupKind.REMOVED})
"""Kinds of changes that disable accounts. By the life cycle of a mapping, any other change of the status can do so as well."""


class Decider:
    """Releases or rejects the held run of one connection while its lease is held."""

    def __init__(
        self,
        polls: Polls,
        runs: Runs,
        observations: Observations,
        ledger: Ledger,
        build_releaser: Callable[[ConnectionId], Releaser],
    ) -> None:
        """``build_releaser`` returns what stores and publishes the changes of a connection."""
        self._polls = polls
        self._runs = runs
        self._observations = observations
        self._ledger = ledger
        self._build_releaser = build_releaser

    async def decide(self, connection: ConnectionId, action: DecideRun) -> dict[str, int]:
        """Publishes the held changes, or drops them. Returns the counts. After an interruption it can be repeated.

        The count ``superseded`` is the number of changes that were not stored, because the employee has changed since.
        If a later run has replaced this one and holds the same changes, the decision counts for the later one. Raises
        ``RunNotHeldError``, for example if the later one holds other changes than the administrator has checked.
        """
        run = await self._runs.get(action.run)
        if run is None or run.connection_id != connection:
            raise RunNotHeldError(f"unknown run {action.run} of connection {connection}: see `runs list {connection}`")
        run = await self._runs.find_successor(run) or run
        if action.is_released:
            return await self._release(connection, run)
        await self._begin(run, RunState.REJECTED, RunState.REJECTED)
        await self._observations.drop(run.id)
        logger.info("held run was rejected", extra={"connection": connection})
        return {"emitted": 0}

    async def _begin(self, run: Run, after: RunState, *begun: RunState) -> None:
        """Moves a held run to the state ``after``, unless an interrupted decision has left it in one of ``begun``."""
        if run.state not in begun and not await self._runs.decide(run.id, RunState.HELD, after):
            raise RunNotHeldError(
                f"the run {run.id} is {run.state.value}, not held: "
                f"see `runs list {run.connection_id}` for a run that is held now"
            )

    async def _allow_departures(self, run: Run) -> None:
        """Tells the brake of the writers that an administrator has decided about the leavers of a run."""
        async for page in self._observations.stream(run.id):
            leavers = {
                seen.person: seen.snapshot.revision
                for seen in page
                if seen.snapshot is not None and any(map(_is_departure, seen.groups))
            }
            await self._ledger.allow_disabling(leavers)

    async def _release(self, connection: ConnectionId, run: Run) -> dict[str, int]:
        await self._begin(run, RunState.RELEASING, RunState.RELEASING, RunState.RELEASED)
        await self._allow_departures(run)
        plan, releaser = await self._polls.plan(connection), self._build_releaser(connection)
        if plan.needs_any("pending_event"):
            # before the release replaces them: a former lease owner may still send them
            await releaser.emit_pending()
        stored = None if plan.catalogue is None else frozenset(plan.catalogue.stored)
        released = await release_stored(run.id, self._observations, releaser, stored)
        await self._runs.decide(run.id, RunState.RELEASING, RunState.RELEASED)
        await self._observations.drop(run.id)
        logger.info("held run was released", extra={"connection": connection, "counts": {"emitted": released.emitted}})
        lost = released.lost_created + released.lost_changed
        return {"emitted": released.emitted, "oversized": released.oversized, "superseded": lost}


def _is_departure(group: Group) -> bool:
    """Returns whether a change can disable an account."""
    return group.kind in DEPARTURES or group.attribute == STATUS
