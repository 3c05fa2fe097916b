"""How often Personio is asked: below the limits that it sets, rather than into them.

Reading employees is limited to 300 requests a minute and 15 a second, counted by address and answered with 429 beyond:
https://developer.personio.de/changelog/rate-limits-on-get-employees-endpoint-may-6-2024. Whatever else a company runs
from the same address shares them.
"""

from services.runtime.clock import Clock

BURST = 10
"""Requests that may follow one another without a pause after a while without any."""


class Pace:
    """For all clients that ask from one address: ``BURST`` at once, from then on evenly so many a minute."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._interval = 60 / per_minute
        self._last = float("-inf")

    async def turn(self) -> None:
        """Returns when one more request may be sent, in the order of asking."""
        now = self._clock.monotonic()
        # the generic cell rate algorithm (ITU-T I.371): what was not used is saved up, as far as the burst goes
        self._last = max(self._last + self._interval, now - (BURST - 1) * self._interval)
        if self._last > now:
            await self._clock.sleep(self._last - now)
