"""Fetching so that what aiokafka cannot unpack costs nothing but itself.

``getmany`` takes the records of one partition after the other. If it raises at one of them (a codec that is missing, a
checksum that is wrong, a header whose name is no text), those it has taken before are gone, and their offsets are
committed with the next batch. So partitions are asked one by one: the position of the one that raises has not moved.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from services.runtime.log import describe

logger = logging.getLogger(__name__)

Records: TypeAlias = dict[TopicPartition, list[ConsumerRecord]]
GetMany: TypeAlias = Callable[..., Awaitable[Records]]

NOWHERE = TopicPartition("", 0)
"""Whoever asks for its records gets none."""


class Fetching:
    """One consumer's records. ``unreadable`` are the partitions whose next record cannot be had, and its offset.

    ``getmany`` is the consumer's own. ``taking`` is called before the first record is taken, at a time when no partitions
    are being given out; from then on nothing is awaited until all are taken, so they are all of one assignment.
    """

    def __init__(self, consumer: AIOKafkaConsumer, getmany: GetMany, taking: Callable[[], None] = lambda: None) -> None:
        self.consumer = consumer
        self._getmany = getmany
        self._taking = taking
        self._narrow: dict[TopicPartition, int] = {}
        self._failing: set[TopicPartition] = set()
        self.unreadable: dict[TopicPartition, int] = {}

    async def look(self, *, most: int, timeout_ms: int, only: Collection[TopicPartition] | None = None) -> Records:
        """What there is, at most ``most`` records; where there is nothing, what there is after ``timeout_ms``.

        Raises what a partition raised if no other has anything.
        """
        if found := await self._now(most, only):
            return found
        await self._arrival(timeout_ms / 1000)
        return await self._now(most, only)

    async def _now(self, most: int, only: Collection[TopicPartition] | None) -> Records:
        await self._getmany(NOWHERE, timeout_ms=0, max_records=1)  # waits while partitions are being given out
        self._taking()
        return await self._take(most, only)

    async def _arrival(self, seconds: float) -> None:
        """Returns when something has arrived of any partition. ``getmany`` for none of them would wait the whole time."""
        waiter = self.consumer._fetcher._create_fetch_waiter()  # noqa: SLF001 - as `getmany` does
        try:
            await asyncio.wait([waiter], timeout=seconds)
            if waiter.done():
                waiter.result()  # raises what concerns all of them, such as a missing right
        finally:
            waiter.cancel()

    async def stands_at(self, place: TopicPartition, offset: int) -> bool:
        """Whether the partition is ours and would go on there; it may have moved, and come back."""
        return place in self.consumer.assignment() and await self.consumer.position(place) == offset

    async def pass_over(self, place: TopicPartition) -> bool:
        """Goes on behind the record that is unreadable; False if the partition does not stand there any more."""
        offset = self.unreadable.pop(place)
        stands = await self.stands_at(place, offset)
        if stands:
            self.consumer.seek(place, offset + 1)
        return stands

    async def _take(self, most: int, only: Collection[TopicPartition] | None) -> Records:
        found: Records = {}
        failed: Exception | None = None
        left = most
        # in the order in which they arrived, so that none is left out for long
        for place in tuple(self.consumer._fetcher._records):  # noqa: SLF001 - `getmany` does the same
            if left <= 0 or place in self.unreadable or not (only is None or place in only):
                continue
            count = min(left, self._narrow.get(place, left))
            try:
                records = await self._getmany(place, timeout_ms=0, max_records=count)
            except UnicodeDecodeError:  # of a header's name, which aiokafka unpacks unasked
                await self._narrow_down(place, count)
            except ConsumerStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - raised below, or again at the next look
                failed = failed or error
                self._fails(place, error)
            else:
                found |= records
                left -= sum(map(len, records.values()))
                if records:
                    self._reads_well(place, most)
        if failed is not None and not found:
            raise failed
        return found

    async def _narrow_down(self, place: TopicPartition, count: int) -> None:
        """Fewer records next time, until the one in front is it."""
        self._narrow[place] = max(1, count // 4)
        if count == 1:
            self.unreadable[place] = await self.consumer.position(place)  # known, so this awaits nothing

    def _reads_well(self, place: TopicPartition, most: int) -> None:
        self._failing.discard(place)
        if place in self._narrow:
            self._narrow[place] *= 4
            if self._narrow[place] >= most:
                del self._narrow[place]

    def _fails(self, place: TopicPartition, error: Exception) -> None:
        """Said once, not at every look, and also while others go on."""
        if place not in self._failing:
            self._failing.add(place)
            where = {"topic": place.topic, "partition": place.partition}
            logger.warning("a partition cannot be read; others go on: %s", describe(error), extra=where)
