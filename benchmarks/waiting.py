"""Waits for conditions that have to be polled."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.25
"""Pause between two checks of a condition."""


async def wait_until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Waits until the condition is true; raises ``TimeoutError`` after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - other processes fulfil the condition, so no event announces it
            await asyncio.sleep(POLL_SECONDS)
