"""The time limit of a task, which some waits do not count against."""

import asyncio

import pytest

from services.runtime.time_limit import TimeLimit, stop_time_limit
from tests.support.virtual_time import run_in_virtual_time


def test_time_limit_ends_code_that_takes_too_long() -> None:
    """The error is that of ``asyncio.timeout``."""

    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with TimeLimit(3.0):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work) == 3.0


def test_stopped_time_does_not_count() -> None:
    """Only the time outside ``stop_time_limit`` counts, all in all."""

    async def take_turns() -> None:
        async with TimeLimit(3.0):
            for _ in range(5):
                await asyncio.sleep(1)
                with stop_time_limit(), stop_time_limit():
                    await asyncio.sleep(10)

    async def work() -> float:
        with pytest.raises(TimeoutError):
            await take_turns()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work) == 2 + 20 + 1


def test_other_task_does_not_stop_the_limit() -> None:
    """A task that the limited code starts, such as a list that others share, inherits its context."""

    async def wait_elsewhere() -> None:
        with stop_time_limit():
            await asyncio.sleep(60)

    async def wait_for_other() -> None:
        async with TimeLimit(3.0):
            await asyncio.create_task(wait_elsewhere())

    async def work() -> float:
        with pytest.raises(TimeoutError):
            await wait_for_other()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work) == 3.0


def test_cancelled_wait_does_not_hide_the_cancellation() -> None:
    """A stopped limit neither swallows a cancellation nor turns it into a timeout."""

    async def wait_with_limit() -> None:
        async with TimeLimit(3.0):
            with stop_time_limit():
                await asyncio.sleep(60)

    async def work() -> bool:
        task = asyncio.create_task(wait_with_limit())
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert run_in_virtual_time(work)


def test_wait_without_a_limit_is_allowed() -> None:
    """Code that has no time limit waits, too."""

    async def work() -> float:
        with stop_time_limit():
            await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work) == 5.0
