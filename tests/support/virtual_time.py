"""The product's clock on the virtual time of ``detangle``: hours pass in seconds, and a hanging call is one that never returns."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import detangle

from tests.support.builders import NOW
from tests.support.fakes import FakeClock

CONFIG = detangle.SimConfig(max_steps=50_000_000, fail_on_unobserved=False)
"""The settings of the event loop."""
Result = TypeVar("Result")


class VirtualClock(FakeClock):
    """The clock of a test that runs in virtual time. Its zero is ``NOW``."""

    def now(self) -> datetime:
        """Returns the virtual time, to the millisecond."""
        return NOW + timedelta(milliseconds=int(self.monotonic() * 1000))

    def monotonic(self) -> float:
        """Returns the virtual seconds since the start."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many virtual seconds."""
        await asyncio.sleep(seconds)


def run_in_virtual_time(work: Callable[[], Awaitable[Result]]) -> Result:
    """Runs the work, with the tasks in asyncio's order, and returns its result. Raises what it raises."""
    results: list[Result] = []

    async def main() -> None:
        results.append(await work())

    execution = detangle.execute(main, config=CONFIG, strategy=detangle.FIFO())
    if execution.failure is not None:
        raise execution.failure.exception or AssertionError(execution.failure.headline())
    return results[0]
