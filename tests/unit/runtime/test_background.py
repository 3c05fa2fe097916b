"""A background loop ends its process if it ends on its own."""

import asyncio

import pytest

from services.errors import TransientError
from services.runtime.background import Background
from tests.support.waiting import wait_until


class Loop:
    """A loop that counts its starts, and ends when the test releases it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.starts = 0
        self.release = asyncio.Event()
        self.is_cancelled = False
        self.fatal_reasons: list[str] = []
        self.background = Background("the loop", self._run, self.fatal_reasons.append)
        self._error = error

    async def _run(self) -> None:
        self.starts += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        if self._error is not None:
            raise self._error


async def test_start_runs_the_loop() -> None:
    """The loop runs until it is stopped."""
    loop = Loop()
    before = loop.background.is_running

    await loop.background.start()
    await wait_until(lambda: loop.starts == 1)

    assert not before
    assert loop.background.is_running
    await loop.background.stop()


async def test_second_start_does_nothing() -> None:
    """A process calls `start` again after another part has failed to start."""
    loop = Loop()

    await loop.background.start()
    await wait_until(lambda: loop.starts == 1)
    await loop.background.start()
    await asyncio.sleep(0)

    assert loop.starts == 1
    await loop.background.stop()


async def test_stop_cancels_the_loop() -> None:
    """A stop is not a failure."""
    loop = Loop()
    await loop.background.start()
    await wait_until(lambda: loop.starts == 1)

    await loop.background.stop()

    assert loop.is_cancelled
    assert not loop.background.is_running
    assert loop.fatal_reasons == []


async def test_stop_before_start_does_nothing() -> None:
    """The process may stop before all parts have started."""
    loop = Loop()

    await loop.background.stop()

    assert loop.fatal_reasons == []


@pytest.mark.expects_errors
async def test_own_error_of_the_loop_ends_the_process() -> None:
    """The reason contains the message if the product defines the error."""
    loop = Loop(TransientError("MongoDB does not answer"))

    await loop.background.start()
    loop.release.set()
    await wait_until(lambda: loop.fatal_reasons)

    assert loop.fatal_reasons == ["the loop has ended: TransientError: MongoDB does not answer"]


@pytest.mark.promise("P7")
@pytest.mark.expects_errors
async def test_foreign_error_of_the_loop_hides_its_message() -> None:
    """The message of any other error may quote a value."""
    loop = Loop(ValueError("ada@nordlicht.example"))

    await loop.background.start()
    loop.release.set()
    await wait_until(lambda: loop.fatal_reasons)

    assert loop.fatal_reasons == ["the loop has ended: ValueError"]


async def test_loop_that_returns_ends_the_process() -> None:
    """Without its loop, the process would look alive but do nothing."""
    loop = Loop()

    await loop.background.start()
    loop.release.set()
    await wait_until(lambda: loop.fatal_reasons)

    assert loop.fatal_reasons == ["the loop has ended without an error"]
