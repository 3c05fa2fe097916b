"""How many requests go to one server at once: more while it keeps up, half when it asks for patience."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from services.runtime.clock import Clock

PAUSE = 1.0
"""Seconds that all requests pause after a 429 which names no time."""


class Pace:
    """Additive increase, multiplicative decrease; ``Retry-After`` holds every request of the connection."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._allowed = float(min(8, most))
        self._running = 0
        self._free = asyncio.Condition()
        self._not_before = 0.0

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        async with self._free:
            await self._free.wait_for(lambda: self._running < int(self._allowed))
            self._running += 1
        try:
            wait = self._not_before - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            yield
        finally:
            async with self._free:
                self._running -= 1
                self._free.notify_all()

    def went_well(self) -> None:
        self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)

    def too_fast(self, retry_after: float | None) -> None:
        self._allowed = max(1.0, self._allowed / 2)
        wait = retry_after if retry_after is not None else PAUSE
        self._not_before = max(self._not_before, self._clock.monotonic() + wait)
