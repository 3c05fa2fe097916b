"""Carries out what an administrator has decided about a held run."""

import logging
from collections.abc import Callable
from typing import ClassVar

from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.tasks import DecideRun
from services.errors import PermanentError
from services.poller.observation_ports import Observations
from services.poller.schedule_ports import Polls
from services.poller.staging import Releaser, release_stored
from services.poller.work_ports import Runs

logger = logging.getLogger(__name__)


class NotHeldError(PermanentError):
    """The run does not exist, or is not held, or is no longer held."""

    code: ClassVar[str] = "not-held"


class Decider:
    """Releases or rejects the held run of one connection while its lease is held."""

    def __init__(
        self, polls: Polls, runs: Runs, observations: Observations, build_releaser: Callable[[ConnectionId], Releaser]
    ) -> None:
        """``build_releaser`` returns what stores and publishes the changes of a connection."""
        self._polls = polls
        self._runs = runs
        self._observations = observations
        self._build_releaser = build_releaser

    async def decide(self, connection: ConnectionId, action: DecideRun) -> dict[str, int]:
        """Publishes the held changes, or drops them. Returns the counts. After an interruption it can be repeated.

        The count ``superseded`` is the number of changes that were not stored, because the employee has changed since.
        Raises ``NotHeldError``, for example if a later run has replaced this one: the administrator has checked other changes.
        """
        run = await self._runs.get(action.run)
        if run is None or run.connection_id != connection:
            raise NotHeldError(f"unknown run {action.run} of connection {connection}: see `runs list {connection}`")
        if action.is_released:
            return await self._release(connection, action.run, run.state)
        if (
            not await self._runs.decide(action.run, RunState.HELD, RunState.REJECTED)
            and run.state is not RunState.REJECTED
        ):
            raise _build_not_held(connection, action.run, run.state)
        await self._observations.drop(action.run)
        logger.info("held run was rejected", extra={"connection": connection})
        return {"emitted": 0}

    async def _release(self, connection: ConnectionId, run: str, state: RunState) -> dict[str, int]:
        begun = state in {RunState.RELEASING, RunState.RELEASED}
        if not begun and not await self._runs.decide(run, RunState.HELD, RunState.RELEASING):
            raise _build_not_held(connection, run, state)
        catalogue = (await self._polls.plan(connection)).catalogue
        stored = None if catalogue is None else frozenset(catalogue.stored)
        released = await release_stored(run, self._observations, self._build_releaser(connection), stored)
        await self._runs.decide(run, RunState.RELEASING, RunState.RELEASED)
        await self._observations.drop(run)
        logger.info("held run was released", extra={"connection": connection, "counts": {"emitted": released.emitted}})
        lost = released.lost_created + released.lost_changed
        return {"emitted": released.emitted, "oversized": released.oversized, "superseded": lost}


def _build_not_held(connection: ConnectionId, run: str, state: RunState) -> NotHeldError:
    return NotHeldError(
        f"the run {run} is {state.value}, not held: see `runs list {connection}` for a run that is held now"
    )
