"""The sandbox's time: real time that can be moved forward."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta


def system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """What ``source`` says plus what was advanced; always aware and in UTC."""

    def __init__(self, source: Callable[[], datetime] = system_time) -> None:
        self._source = source
        self.offset = timedelta()

    def now(self) -> datetime:
        return self._source() + self.offset

    def today(self) -> date:
        return self.now().date()

    def seconds(self) -> float:
        return self.now().timestamp()

    def advance(self, by: timedelta) -> None:
        """Time never goes back here; raises ``ValueError`` when asked to."""
        if by < timedelta():
            raise ValueError("the clock can only be moved forward")
        self.offset += by
