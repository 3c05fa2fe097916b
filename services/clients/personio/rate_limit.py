"""Keeps the rate of requests to each address of Personio below Personio's limits.

The limits are counted by the IP address of the caller, which other programs may share:

- Reading employees and their attributes: 300 requests a minute and 15 a second, then 429.
  https://developer.personio.de/changelog/rate-limits-on-get-employees-endpoint-may-6-2024
- Authentication: 60 requests a minute, then none for a minute. https://developer.personio.de/reference/auth
"""

from services.contracts.connections import normalise_host
from services.runtime.clock import Clock

BURST = 10
"""Number of requests for employees that pass without a pause after an idle time."""
LOGIN_BURST = 5
"""Number of authentications that pass without a pause after an idle time."""
MAX_HOSTS = 10_000
"""Number of addresses above which those without recent requests are forgotten."""


class RateLimiter:
    """Rate limiter for requests of one kind to one address: at most ``burst`` at once, then evenly spaced."""

    def __init__(self, clock: Clock, per_minute: int, burst: int = BURST) -> None:
        """``per_minute`` is the maximum number of requests a minute."""
        self._clock = clock
        self._whole = per_minute, burst
        self._interval = 60 / per_minute
        self._burst = burst
        self._last = float("-inf")

    def share(self, pollers: int) -> None:
        """Leaves an equal part of the rate to each of these pollers."""
        per_minute, burst = self._whole
        self._interval = 60 * pollers / per_minute
        self._burst = max(1, burst // pollers)

    @property
    def is_idle(self) -> bool:
        """Whether the whole burst is saved up, so that a new rate limiter would allow the same."""
        return self._last + self._interval <= self._clock.monotonic() - (self._burst - 1) * self._interval

    @property
    def has_spare(self) -> bool:
        """Whether at least half of the burst is saved up: requests that can wait are welcome now."""
        return self._last + self._interval <= self._clock.monotonic() - self._burst / 2 * self._interval

    async def wait_for_turn(self) -> None:
        """Returns when the next request may be sent. Callers are served in the order of their calls.

        A caller has one request in the queue at a time, so that a company with many pages takes turns with the others.
        """
        now = self._clock.monotonic()
        # The generic cell rate algorithm (ITU-T I.371). Unused requests are saved up to the size of the burst.
        self._last = max(self._last + self._interval, now - (self._burst - 1) * self._interval)
        if self._last > now:
            await self._clock.sleep(self._last - now)


class HostLimits:
    """The rate limiters of one address."""

    def __init__(self, clock: Clock, per_minute: int, logins_per_minute: int) -> None:
        """Both are maximum numbers of requests a minute: for employees, and to authenticate."""
        self.employees = RateLimiter(clock, per_minute)
        """For employees and their attributes."""
        self.logins = RateLimiter(clock, logins_per_minute, LOGIN_BURST)
        """For authentications."""

    def share(self, pollers: int) -> None:
        """Leaves an equal part of the rates to each of these pollers."""
        self.employees.share(pollers)
        self.logins.share(pollers)

    @property
    def is_idle(self) -> bool:
        """Whether new rate limiters would allow the same."""
        return self.employees.is_idle and self.logins.is_idle


class RateLimits:
    """The rate limiters of all addresses. A slow or busy address delays no request to another one."""

    def __init__(self, clock: Clock, per_minute: int, logins_per_minute: int) -> None:
        """Both are maximum numbers of requests of all pollers to an address: for employees, and to authenticate."""
        self._clock = clock
        self._per_minute = per_minute, logins_per_minute
        self._pollers = 1
        self._hosts: dict[str, HostLimits] = {}

    def share(self, pollers: int) -> None:
        """Leaves an equal part of all rates to each of these pollers: Personio counts their requests together."""
        if pollers != self._pollers:
            self._pollers = pollers
            for limits in self._hosts.values():
                limits.share(pollers)

    def get(self, url: str) -> HostLimits:
        """Returns the rate limiters of the address in ``url``, which all clients of the address share."""
        host = normalise_host(url)
        if host not in self._hosts and len(self._hosts) >= MAX_HOSTS:
            self._hosts = {known: limits for known, limits in self._hosts.items() if not limits.is_idle}
        if host not in self._hosts:
            self._hosts[host] = HostLimits(self._clock, *self._per_minute)
            self._hosts[host].share(self._pollers)
        return self._hosts[host]
