"""Keeps the rate of requests to Personio below Personio's limits.

The limits for reading employees are 300 requests a minute and 15 a second. Personio counts them by IP address and
answers 429 above them: https://developer.personio.de/changelog/rate-limits-on-get-employees-endpoint-may-6-2024.
Other programs at the same address use the same limits.
"""

from services.runtime.clock import Clock

BURST = 10
"""Number of requests that pass without a pause after an idle time."""


class RateLimiter:
    """Rate limiter for all clients of one IP address: at most ``BURST`` requests at once, then evenly spaced requests."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        """``per_minute`` is the maximum number of requests a minute."""
        self._clock = clock
        self._interval = 60 / per_minute
        self._last = float("-inf")

    async def wait_for_turn(self) -> None:
        """Returns when the next request may be sent. Callers are served in the order of their calls."""
        now = self._clock.monotonic()
        # The generic cell rate algorithm (ITU-T I.371). Unused requests are saved up to the size of the burst.
        self._last = max(self._last + self._interval, now - (BURST - 1) * self._interval)
        if self._last > now:
            await self._clock.sleep(self._last - now)
