"""Clock of the sandbox: real time that can be moved forward."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def read_system_time() -> datetime:
    """Returns the time of this machine in UTC."""
    return datetime.now(UTC)


class Clock:
    """Time of a source, plus the time by which the clock was moved forward. All times have the time zone UTC."""

    def __init__(self, source: Callable[[], datetime] = read_system_time) -> None:
        """``source`` returns the time without the offset, in UTC."""
        self._source = source
        self.offset = timedelta()
        """Duration by which the clock was moved forward."""

    def now(self) -> datetime:
        """Returns the current time."""
        return self._source() + self.offset

    def timestamp(self) -> float:
        """Returns the current time in seconds since 1970."""
        return self.now().timestamp()

    def advance(self, by: timedelta) -> None:
        """Moves the clock forward. Raises ``ValueError`` for a negative duration."""
        if by < timedelta():
            raise ValueError("the clock can only be moved forward")
        self.offset += by
