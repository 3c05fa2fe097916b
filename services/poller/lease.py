"""Keeps the lease of a connection while work on the connection is in progress, and tells the work if the lease is lost."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar

from services.contracts.ids import ConnectionId
from services.contracts.leases import Lease, ProcessIdentity
from services.errors import ConnectorError, TransientError
from services.poller.schedule_ports import Leases
from services.runtime.clock import Clock
from services.runtime.identity import make_death_check

logger = logging.getLogger(__name__)


class LeaseLostError(TransientError):
    """Another replica polls this connection now: this process must not do anything more for it."""

    code: ClassVar[str] = "lease-lost"


class LeaseGuard:
    """Local view of a lease.

    ``ensure_held`` raises ``LeaseLostError`` after a failed renewal, or once the deadline has passed on the monotonic
    clock. The deadline covers a process that was suspended and has not yet noticed the loss. A process that is suspended
    after that check is covered by ``ends_at``: MongoDB refuses its write.
    """

    def __init__(self, clock: Clock, deadline: float, ends_at: datetime) -> None:
        """``deadline`` is in monotonic seconds."""
        self._clock = clock
        self.deadline = deadline
        self.ends_at = ends_at
        """When the lease ends, by MongoDB's clock."""

    def ensure_held(self) -> None:
        """Raises ``LeaseLostError`` if the lease is or may be lost."""
        if self._clock.monotonic() >= self.deadline:
            raise LeaseLostError("the lease on this connection was lost: another replica continues")


class LeaseKeeper:
    """Acquires the leases of connections and renews them while work is in progress."""

    def __init__(self, leases: Leases, owner: ProcessIdentity, clock: Clock, seconds: float) -> None:
        """``seconds`` is how long a lease lasts without renewal."""
        self._leases = leases
        self._owner = owner
        self._is_dead = make_death_check(owner)
        self._clock = clock
        self._seconds = seconds

    async def find_owned_elsewhere(self, connections: Sequence[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that a live replica works on, with one query for all of them.

        Sends no query about a single connection: acquiring its lease takes as long.
        """
        names = {_name(connection): connection for connection in connections}
        if len(names) <= 1:
            return frozenset()
        held = await self._leases.find_held(names)
        return frozenset(
            names[lease.name]
            for lease in held
            if lease.owner.token != self._owner.token and not self._is_dead(lease.owner)
        )

    @asynccontextmanager
    async def hold(self, connection: ConnectionId) -> AsyncIterator[LeaseGuard | None]:
        """Yields the guard of the connection's lease; None if another replica owns the lease."""
        requested_at = self._clock.monotonic()
        lease = await self._leases.acquire(_name(connection), self._owner, seconds=self._seconds, is_dead=self._is_dead)
        if lease is None:
            yield None
            return
        guard = LeaseGuard(self._clock, requested_at + self._seconds, lease.expires_at)
        renewal = asyncio.create_task(self._renew(lease, guard), name=f"lease {connection}")
        try:
            yield guard
        finally:
            renewal.cancel()
            await asyncio.wait({renewal})
            await self._leases.release(lease)

    async def _renew(self, lease: Lease, guard: LeaseGuard) -> None:
        """Ends when the lease is lost. While MongoDB is unavailable, the lease is held until its deadline."""
        while True:
            await self._clock.sleep(self._seconds / 3)
            requested_at = self._clock.monotonic()
            try:
                renewed = await self._leases.renew(lease, seconds=self._seconds)
            except ConnectorError as error:
                logger.warning("lease cannot be renewed now: %s", error, extra={"lease": lease.name})
            else:
                if renewed is None:
                    guard.deadline = -math.inf
                    return
                guard.deadline, guard.ends_at = requested_at + self._seconds, renewed.expires_at


def _name(connection: ConnectionId) -> str:
    return f"connection/{connection}"
