"""Work that ends early when the process stops."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_until(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Runs ``work`` to its end and returns True, or cancels it as soon as ``stop`` is set and returns False.

    Raises what ``work`` raises.
    """
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.wait({working, stopping})
    if working.cancelled():
        return False
    working.result()
    return True
