"""Rate limits of API v1. All times are in seconds of the sandbox's clock."""

from collections import defaultdict, deque
from functools import partial


class Window:
    """Sliding window that accepts at most ``limit`` requests within ``seconds``. Rejected requests do not count."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._accepted: deque[float] = deque()

    def is_full(self, now: float) -> bool:
        """Returns whether the window rejects a request at this time."""
        while self._accepted and self._accepted[0] <= now - self._seconds:
            self._accepted.popleft()
        return len(self._accepted) >= self._limit

    def count(self, now: float) -> None:
        """Counts an accepted request."""
        self._accepted.append(now)


class Cooldown:
    """Window that rejects every request for ``seconds`` after the first rejection."""

    def __init__(self, window: Window, seconds: float) -> None:
        self._window = window
        self._seconds = seconds
        self._rejects_until = float("-inf")

    def is_full(self, now: float) -> bool:
        """Returns whether the window rejects a request at this time; a full window starts the cool-down."""
        if now >= self._rejects_until and self._window.is_full(now):
            self._rejects_until = now + self._seconds
        return now < self._rejects_until

    def count(self, now: float) -> None:
        """Counts an accepted request."""
        self._window.count(now)


class Limits:
    """Rate limits per client address.

    - All of v1: 2000 requests a minute (since July 2024).
    - Employees and their attributes: 15 reads a second and 300 reads a minute (since May 2024).
    - Authentication: 60 requests a minute, then a cool-down of one minute.
    """

    def __init__(self) -> None:
        self._address: dict[str, Window] = defaultdict(partial(Window, 2000, 60.0))
        self._burst: dict[str, Window] = defaultdict(partial(Window, 15, 1.0))
        self._minute: dict[str, Window] = defaultdict(partial(Window, 300, 60.0))
        self._auth: dict[str, Cooldown] = defaultdict(_create_auth_limit)

    def admit(self, method: str, path: str, address: str, now: float) -> bool:
        """Counts a request if all of its limits have room. Returns whether the request is accepted."""
        limits: list[Window | Cooldown] = [self._address[address]]
        if path == "/v1/auth":
            limits.append(self._auth[address])
        elif method == "GET" and path.startswith("/v1/company/employees"):
            limits += [self._burst[address], self._minute[address]]
        if any(limit.is_full(now) for limit in limits):
            return False
        for limit in limits:
            limit.count(now)
        return True


def _create_auth_limit() -> Cooldown:
    return Cooldown(Window(60, 60.0), 60.0)
