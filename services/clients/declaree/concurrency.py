"""Adapts the number of requests at once to what one server can do: additive increase, multiplicative decrease."""

from asyncio import Semaphore

from services.clients.declaree.errors import DeclareeRateLimitedError
from services.runtime.clock import Clock

INITIAL_REQUESTS = 8
"""Number of requests at once before the first response."""
DEFAULT_PAUSE_SECONDS = 1.0
"""Pause of all requests after a rate-limited response (429 or 503) without ``Retry-After``."""
MAX_WAIT_SECONDS = 10.0
"""Maximum time that a request waits. A longer wait would delay the whole batch."""


class AdaptiveConcurrency:
    """Limits the requests at once. Use as an asynchronous context manager around one request.

    The limit grows by one for each round of successful requests, and halves when the server rate-limits them. A
    ``Retry-After`` delays all requests of the connection.
    """

    def __init__(self, clock: Clock, max_requests: int) -> None:
        """``max_requests`` is the upper limit of requests at once."""
        self._clock = clock
        self._max_requests = max_requests
        self._limit = float(min(INITIAL_REQUESTS, max_requests))
        self._slots = int(self._limit)
        self._surplus = 0  # slots in use above the limit, to be dropped when their requests end
        self._semaphore = Semaphore(self._slots)
        self._not_before = float("-inf")

    async def __aenter__(self) -> None:
        """Waits for a slot, in the order of the calls. Raises the errors of ``wait_until_allowed``."""
        await self._semaphore.acquire()
        while self._surplus:  # the limit fell below this slot: drop it and wait for the next one
            self._surplus -= 1
            await self._semaphore.acquire()
        try:
            await self.wait_until_allowed()
        except BaseException:
            self._free_slot()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._free_slot()

    def _free_slot(self) -> None:
        """Frees a slot; drops it instead if it is above the limit."""
        if self._surplus:
            self._surplus -= 1
        else:
            self._semaphore.release()

    async def wait_until_allowed(self) -> None:
        """Waits until the server accepts requests again. Raises ``DeclareeRateLimitedError`` if that takes too long."""
        while (wait := self._not_before - self._clock.monotonic()) > 0:
            if wait > MAX_WAIT_SECONDS:
                raise DeclareeRateLimitedError(
                    f"Declaree limits the rate of requests (for {wait:.0f} s): try again later", retry_after=wait
                )
            await self._clock.sleep(wait)

    def record_success(self) -> None:
        """Raises the limit a little after a response that is not a server error."""
        self._set_limit(min(float(self._max_requests), self._limit + 1 / self._limit))

    def record_rate_limit(self, retry_after: float | None) -> None:
        """Halves the limit and pauses all requests. ``retry_after`` is in seconds; None if the server named no time."""
        now = self._clock.monotonic()
        # Requests that were sent at the same time are rate-limited together: the limit halves once for all of them.
        if now >= self._not_before:
            self._set_limit(max(1.0, self._limit / 2))
        self._not_before = max(self._not_before, now + (DEFAULT_PAUSE_SECONDS if retry_after is None else retry_after))

    def _set_limit(self, limit: float) -> None:
        self._limit = limit
        added = int(limit) - self._slots
        self._slots += added
        self._surplus += max(-added, 0)
        for _ in range(added):
            self._free_slot()
