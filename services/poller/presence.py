"""Tells the pollers of one MongoDB how many they are, so that they share the rate of requests that Personio allows an address.

Personio counts requests by IP address. Pollers on one machine, or behind one router, have the same address.
"""

import logging
from collections.abc import Callable

from services.contracts.leases import POLLER_PREFIX, Lease, ProcessIdentity
from services.errors import ConnectorError
from services.poller.schedule_ports import Leases
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.identity import make_death_check

logger = logging.getLogger(__name__)

FORGET_AFTER_SECONDS = 24 * 3600
"""Seconds after which the ended lease of a former poller is deleted."""


class Presence:
    """A part of the process: holds a lease that shows that this poller runs, and counts those of all pollers."""

    def __init__(
        self,
        leases: Leases,
        owner: ProcessIdentity,
        clock: Clock,
        seconds: float,
        *,
        share: Callable[[int], None],
        fatal: Callable[[str], None],
    ) -> None:
        """``seconds`` is how long a poller counts after its last sign. ``share`` receives the number of pollers."""
        self._leases = leases
        self._owner = owner
        self._is_dead = make_death_check(owner)
        self._clock = clock
        self._seconds = seconds
        self._share = share
        self._lease: Lease | None = None
        self._background = Background("the presence of this poller", self._loop, fatal)

    async def start(self) -> None:
        """Shows this poller before it sends its first request. Raises ``TransientError`` without MongoDB."""
        await self._leases.forget_ended(POLLER_PREFIX, seconds=FORGET_AFTER_SECONDS)
        await self._show()
        await self._background.start()

    async def stop(self) -> None:
        """Leaves the whole rate to the other pollers."""
        await self._background.stop()
        if self._lease is not None:
            await self._leases.release(self._lease)

    async def _loop(self) -> None:
        while True:
            await self._clock.sleep(self._seconds / 3)
            try:
                await self._show()
            except ConnectorError as error:
                logger.warning("number of pollers cannot be read now: %s", error)

    async def _show(self) -> None:
        name = f"{POLLER_PREFIX}{self._owner.host}/{self._owner.pid}"
        self._lease = await self._leases.acquire(name, self._owner, seconds=self._seconds, is_dead=self._is_dead)
        self._share(max(1, await self._leases.count_held(POLLER_PREFIX)))
