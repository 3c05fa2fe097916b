"""The rate limits of API v1, in seconds of the sandbox's clock."""

from collections import defaultdict, deque
from functools import partial


class Window:
    """At most ``limit`` requests within any ``seconds``; refused ones do not count."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._accepted: deque[float] = deque()

    def is_full(self, now: float) -> bool:
        while self._accepted and self._accepted[0] <= now - self._seconds:
            self._accepted.popleft()
        return len(self._accepted) >= self._limit

    def count(self, now: float) -> None:
        self._accepted.append(now)


class Cooldown:
    """A window that, once overrun, refuses everything for ``seconds``."""

    def __init__(self, window: Window, seconds: float) -> None:
        self._window = window
        self._seconds = seconds
        self._closed_until = float("-inf")

    def is_full(self, now: float) -> bool:
        if now >= self._closed_until and self._window.is_full(now):
            self._closed_until = now + self._seconds
        return now < self._closed_until

    def count(self, now: float) -> None:
        self._window.count(now)


class Limits:
    """Per address: 2000 a minute on all of v1 (since July 2024); 15 a second and 300 a minute on reading employees
    and their attributes (since May 2024); 60 a minute on auth, then a minute of cool-down.
    """

    def __init__(self) -> None:
        self._address: dict[str, Window] = defaultdict(partial(Window, 2000, 60.0))
        self._burst: dict[str, Window] = defaultdict(partial(Window, 15, 1.0))
        self._minute: dict[str, Window] = defaultdict(partial(Window, 300, 60.0))
        self._auth: dict[str, Cooldown] = defaultdict(_auth_limit)

    def admit(self, method: str, path: str, address: str, now: float) -> bool:
        """Counts the request if every limit that concerns it has room; else refuses it."""
        concerned: list[Window | Cooldown] = [self._address[address]]
        if path == "/v1/auth":
            concerned.append(self._auth[address])
        elif method == "GET" and path.startswith("/v1/company/employees"):
            concerned += [self._burst[address], self._minute[address]]
        if any(limit.is_full(now) for limit in concerned):
            return False
        for limit in concerned:
            limit.count(now)
        return True


def _auth_limit() -> Cooldown:
    return Cooldown(Window(60, 60.0), 60.0)
