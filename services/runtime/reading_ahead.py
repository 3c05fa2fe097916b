"""Reads the next item while the present one is worked on, so that waiting for one does not add to waiting for the other."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def read_ahead(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Yields the items, and has the next one read at the same time. One item at most is read ahead.

    An error of ``items`` is raised after the items before it. Close the generator: it cancels what is being read, and closes ``items``
    if they can be closed.
    """
    coming = asyncio.ensure_future(_read_next(items))
    try:
        while found := await coming:
            coming = asyncio.ensure_future(_read_next(items))
            yield found[0]
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def _read_next(items: AsyncIterator[T]) -> tuple[T, ...]:
    """Returns the next item alone; nothing after the last one."""
    async for item in items:
        return (item,)
    return ()
