"""The product's clock on the virtual time of ``detangle``: hours pass in seconds, and a hanging call is one that never returns."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import detangle

from tests.support.builders import NOW

CONFIG = detangle.SimConfig(max_steps=50_000_000, fail_on_unobserved=False)
"""The settings of the event loop."""


class VirtualClock:
    """The clock of a test that runs in virtual time."""

    def now(self) -> datetime:
        """Returns the virtual time, to the millisecond."""
        return NOW + timedelta(milliseconds=int(self.monotonic() * 1000))

    def monotonic(self) -> float:
        """Returns the virtual seconds since the start."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many virtual seconds."""
        await asyncio.sleep(seconds)


def run_in_virtual_time(work: Callable[[], Awaitable[None]]) -> None:
    """Runs the work, with the tasks in asyncio's order. Raises what it raises."""

    async def main() -> None:
        await work()

    result = detangle.execute(main, config=CONFIG, strategy=detangle.FIFO())
    if result.failure is not None:
        raise result.failure.exception or AssertionError(result.failure.headline())
