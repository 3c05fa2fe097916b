"""Removes the data of leavers from the snapshots and pinned examples of a connection, once a day."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

MAX_PER_RUN = 1000
"""Maximum number of snapshots of each kind that expire at once. The others follow on the next days."""


class LeaverExpiry(Protocol):
    """The snapshots and pinned examples of leavers."""

    async def remove_missing(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes snapshots of employees that Personio has not listed since then. Returns their number."""
        ...

    async def reduce_leavers(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes all attributes but the status from snapshots of inactive employees. Returns their number."""
        ...

    async def remove_examples(self, connection: ConnectionId, before: datetime) -> int:
        """Removes examples with real data of leavers that were pinned before then. Returns their number."""
        ...


class Expirer:
    """Lets snapshots and examples of one connection expire while its lease is held."""

    def __init__(self, leavers: LeaverExpiry, clock: Clock, ensure_lease: Callable[[], None], days: int) -> None:
        """``ensure_lease`` raises ``LeaseLostError`` if this process no longer owns the lease."""
        self._leavers = leavers
        self._clock = clock
        self._ensure_lease = ensure_lease
        self._days = days

    async def expire(self, connection: ConnectionId) -> int:
        """Removes the data of leavers after the days of the setting. Returns the number of snapshots and examples.

        Personio no longer lists some of them: their snapshots are removed. A snapshot of a listed one is reduced to the
        status, because the next scan would store a removed one again. Pinned examples with their real data are removed.
        """
        before = self._clock.now() - timedelta(days=self._days)
        self._ensure_lease()
        removed = await self._leavers.remove_missing(connection, before, MAX_PER_RUN)
        reduced = await self._leavers.reduce_leavers(connection, before, MAX_PER_RUN)
        examples = await self._leavers.remove_examples(connection, before)
        if removed or reduced or examples:
            counts = {"removed": removed, "reduced": reduced, "examples": examples}
            logger.info("data of leavers expired", extra={"connection": connection, "counts": counts})
        return removed + reduced + examples
