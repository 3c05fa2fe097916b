"""Waiting for a condition that becomes true in another task or process."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 40.0
"""How long a condition may take on a machine that is busy with other work."""

INTERVAL_SECONDS = 0.01
"""Time between two evaluations of a condition."""


async def wait_until(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> None:
    """Returns once the condition is true. It may be asynchronous. Raises ``TimeoutError`` after that many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return
            await asyncio.sleep(INTERVAL_SECONDS)
