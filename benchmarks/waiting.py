"""Conditions that nobody announces."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_SECONDS = 0.25


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Looks again and again; raises ``TimeoutError`` when it does not come."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_SECONDS)
