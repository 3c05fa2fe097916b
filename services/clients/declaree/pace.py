"""How many requests go to one server at once: more while it keeps up, half when it asks for patience."""

from asyncio import Semaphore

from services.clients.declaree.errors import DeclareeBusyError
from services.runtime.clock import Clock

FIRST = 8
"""Requests at once before anything is known of the server."""
PAUSE = 1.0
"""Seconds that all requests pause after a 429 which names no time."""
LONGEST_HOLD = 10.0
"""A request that would have to wait longer is not worth holding up a batch for."""


class Pace:
    """Additive increase, multiplicative decrease; ``Retry-After`` holds every request of the connection."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._allowed = float(min(FIRST, most))
        self._places = int(self._allowed)
        self._surplus = 0
        self._room = Semaphore(self._places)
        self._not_before = float("-inf")

    async def __aenter__(self) -> None:
        """Room for one request, in the order of asking; raises as ``hold`` does."""
        await self._room.acquire()
        while self._surplus:  # this place is one too many: on to the next
            self._surplus -= 1
            await self._room.acquire()
        try:
            await self.hold()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        """A place that is one too many by now is given to nobody."""
        if self._surplus:
            self._surplus -= 1
        else:
            self._room.release()

    async def hold(self) -> None:
        """Waits until the server may be asked; raises ``DeclareeBusyError`` where that takes too long."""
        while (wait := self._not_before - self._clock.monotonic()) > 0:
            if wait > LONGEST_HOLD:
                raise DeclareeBusyError("Declaree has asked for patience", retry_after=wait)
            await self._clock.sleep(wait)

    def went_well(self) -> None:
        self._allow(min(float(self._most), self._allowed + 1 / self._allowed))

    def too_fast(self, retry_after: float | None) -> None:
        now = self._clock.monotonic()
        # the others that were on their way at the same time say the same thing once more
        if now >= self._not_before:
            self._allow(max(1.0, self._allowed / 2))
        self._not_before = max(self._not_before, now + (PAUSE if retry_after is None else retry_after))

    def _allow(self, allowed: float) -> None:
        self._allowed = allowed
        more = int(allowed) - self._places
        self._places += more
        self._surplus += max(-more, 0)
        for _ in range(more):
            self._leave()
