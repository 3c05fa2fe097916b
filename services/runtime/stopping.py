"""Work that ends early when it is time to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Runs ``work`` to its end, or cancels it as soon as ``stop`` is set: then False. Raises what ``work`` raises."""
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
