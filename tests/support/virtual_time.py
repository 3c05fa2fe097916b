"""Runs a coroutine in virtual time: when all tasks wait, the clock moves to the next timer. Nothing may use a socket."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from tests.support.builders import NOW
from tests.support.fakes import FakeClock

Result = TypeVar("Result")


class _MovingSelector(selectors.SelectSelector):
    """A selector that moves the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Returns what is ready now. Raises ``RuntimeError`` if all tasks wait and none has a timer."""
        if timeout is None:
            raise RuntimeError("all tasks wait for each other")
        self.seconds += max(timeout, 0.0)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._moving = _MovingSelector()
        super().__init__(self._moving)

    def time(self) -> float:
        """Returns the virtual time in seconds."""
        return self._moving.seconds


class VirtualClock(FakeClock):
    """The clock of the running loop. Its zero is ``NOW``."""

    def now(self) -> datetime:
        """Returns ``NOW`` plus the seconds of the loop."""
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Returns the seconds of the loop."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many virtual seconds."""
        await asyncio.sleep(seconds)


def run_in_virtual_time(main: Callable[[], Awaitable[Result]]) -> Result:
    """Runs a coroutine function to its end, and returns its result."""

    async def run() -> Result:
        return await main()

    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(run())
