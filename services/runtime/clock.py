"""The source of time, as a port: tests replace it, so that they do not wait."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """The source of time for all code that measures or waits."""

    def now(self) -> datetime:
        """Returns the present time in UTC with its zone, to the millisecond."""
        ...

    def monotonic(self) -> float:
        """Returns seconds that only grow, also while the process or the machine is suspended. Their zero is arbitrary."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        ...


class StoppedClock:
    """A clock that stands still, for work that must not depend on when it is done."""

    def __init__(self, now: datetime) -> None:
        """``now`` is the time that it always shows."""
        self._now = now

    def now(self) -> datetime:
        """Returns that time."""
        return self._now

    def monotonic(self) -> float:
        """Returns zero."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Raises ``RuntimeError``: no time passes."""
        raise RuntimeError(f"a stopped clock cannot wait for {seconds} s")


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Returns the present time in UTC with its zone, to the millisecond."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Returns seconds that only grow, also while the machine sleeps if the system has such a clock (Linux)."""
        return time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        await asyncio.sleep(seconds)
