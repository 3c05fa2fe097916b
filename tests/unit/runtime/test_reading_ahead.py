"""Reading ahead: one item, its errors in their place, and an end that leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from services.runtime.reading_ahead import read_ahead


class Numbers:
    """Numbers that are noted when they are read."""

    def __init__(self, last: int) -> None:
        """``last`` is the last number."""
        self.read: list[int] = []
        self.is_closed = False
        self._last = last

    async def iterate(self, *, fails: bool = False) -> AsyncGenerator[int, None]:
        """Yields the numbers from 1 on, each after a moment, and then raises ``ValueError`` if it ``fails``."""
        try:
            for number in range(1, self._last + 1):
                await asyncio.sleep(0)
                self.read.append(number)
                yield number
            if fails:
                raise ValueError("after the last number")
        finally:
            self.is_closed = True


async def test_items_come_in_their_order() -> None:
    """None is missing, and none comes twice."""
    numbers = Numbers(5)

    assert [number async for number in read_ahead(numbers.iterate())] == [1, 2, 3, 4, 5]
    assert numbers.is_closed


async def test_next_item_is_read_while_one_is_worked_on() -> None:
    """And no further one: memory stays bounded."""
    numbers = Numbers(9)

    async with aclosing(read_ahead(numbers.iterate())) as ahead:
        assert await anext(ahead) == 1
        for _ in range(10):
            await asyncio.sleep(0)

        assert numbers.read == [1, 2]


async def test_error_comes_after_the_items_before_it() -> None:
    """They were read without it."""
    ahead = read_ahead(Numbers(2).iterate(fails=True))

    assert await anext(ahead) == 1
    assert await anext(ahead) == 2
    with pytest.raises(ValueError, match="after the last number"):
        await anext(ahead)


async def test_end_of_the_receiver_closes_the_source() -> None:
    """What is being read is cancelled: a request of a preview that was stopped."""
    others = asyncio.all_tasks()
    numbers = Numbers(9)
    waiting = asyncio.Event()

    async def wait_after_one() -> AsyncGenerator[int, None]:
        async for number in numbers.iterate():
            yield number
            waiting.set()
            await asyncio.Event().wait()

    source = wait_after_one()
    async with aclosing(read_ahead(source)) as ahead:
        await anext(ahead)
        await waiting.wait()

    assert await anext(source, None) is None
    assert asyncio.all_tasks() <= others


async def test_iterator_that_cannot_be_closed_is_read() -> None:
    """Not each one is a generator."""

    class Once(AsyncIterator[int]):
        """Yields 1."""

        is_read = False

        async def __anext__(self) -> int:
            """Returns 1 once."""
            if self.is_read:
                raise StopAsyncIteration
            self.is_read = True
            return 1

    assert [number async for number in read_ahead(Once())] == [1]
