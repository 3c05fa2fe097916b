"""Work that ends early when the process stops."""

import asyncio

import pytest

from services.errors import TransientError
from services.runtime.stopping import run_until


class Work:
    """Work that waits for a release, and records how it ended."""

    def __init__(self) -> None:
        self.started, self.release = asyncio.Event(), asyncio.Event()
        self.end: str | None = None

    async def run(self) -> None:
        self.started.set()
        try:
            await self.release.wait()
            self.end = "finished"
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up takes time
            self.end = "cancelled"
            raise


async def test_finished_work_returns_true() -> None:
    """The process was not told to stop."""
    work = Work()
    work.release.set()

    assert await run_until(asyncio.Event(), work.run()) is True
    assert work.end == "finished"


async def test_stop_cancels_the_work() -> None:
    """The work has cleaned up when `run_until` returns."""
    stop, work = asyncio.Event(), Work()
    running = asyncio.create_task(run_until(stop, work.run()))
    await work.started.wait()

    stop.set()

    assert await running is False
    assert work.end == "cancelled"


async def test_stop_before_the_start_cancels_the_work() -> None:
    """Work that waits is not waited for."""
    stop, work = asyncio.Event(), Work()
    stop.set()

    assert await run_until(stop, work.run()) is False
    assert work.end == "cancelled"


async def test_error_of_the_work_is_raised() -> None:
    """The caller decides what the error means."""

    async def fail() -> None:
        raise TransientError("Kafka does not answer")

    with pytest.raises(TransientError, match="Kafka does not answer"):
        await run_until(asyncio.Event(), fail())


async def test_cancelled_caller_leaves_no_work_behind() -> None:
    """A task that outlives its caller would keep connections open."""
    work = Work()
    running = asyncio.create_task(run_until(asyncio.Event(), work.run()))
    await work.started.wait()

    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    assert work.end == "cancelled"
