"""The rate limit: a bucket that holds one second's worth of requests."""


class Pace:
    def __init__(self) -> None:
        self._tokens = 0.0
        self._last: float | None = None

    def admits(self, now: float, rate: float) -> bool:
        """``now`` in seconds of a monotonic clock, ``rate`` in requests a second; at least one is let through."""
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
