"""The rate limit of the SCIM endpoint."""


class RateLimiter:
    """A token bucket that holds the requests of one second, and at least one."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._last: float | None = None

    def try_acquire(self, now: float, rate: float) -> bool:
        """Takes a token and returns True; returns False if the bucket is empty.

        ``now`` is in seconds of a monotonic clock, ``rate`` in requests per second.
        """
        capacity = max(rate, 1.0)
        if self._last is None:
            self._tokens = capacity
        else:
            self._tokens = min(capacity, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
