"""Fetching so that what aiokafka cannot unpack costs nothing but itself.

``getmany`` takes the records of one partition after the other. If it raises at one of them (a codec that is missing, a
checksum that is wrong, a header whose name is no text), those it has taken before are gone, and their offsets are
committed with the next batch. So partitions are asked one by one: the position of the one that raises has not moved.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

GetMany: TypeAlias = Callable[..., Awaitable[dict[TopicPartition, list[ConsumerRecord]]]]

REFETCH_MS = 1_000
"""For records that were there a moment ago."""
NOWHERE = TopicPartition("", 0)
"""Whoever asks for its records waits for some to arrive, and gets none."""


@dataclass(slots=True)
class Fetched:
    """Records by partition; and where a partition goes on with a record that cannot be had, which has to be passed over."""

    records: dict[TopicPartition, list[ConsumerRecord]] = field(default_factory=dict)
    unreadable: dict[TopicPartition, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records or self.unreadable)


class _Unreadable(Exception):  # noqa: N818 - it is the record that is
    """Its partition stands at it."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


async def fetched(
    consumer: AIOKafkaConsumer,
    getmany: GetMany,
    *,
    most: int,
    timeout_ms: int,
    only: Collection[TopicPartition] | None = None,
    taking: Callable[[], None] = lambda: None,
) -> Fetched:
    """What there is, at most ``most`` records; where there is nothing, what there is after ``timeout_ms``.

    ``taking`` is called before the first record is taken, when no partitions are being given out: if they move from then
    on, some records may be of before. Raises what a partition raised if no other has anything.
    """
    for wait in (0, timeout_ms):
        await getmany(NOWHERE, timeout_ms=wait, max_records=1)
        taking()
        if found := await _taken(consumer, getmany, most, only):
            return found
    return found


async def _taken(
    consumer: AIOKafkaConsumer, getmany: GetMany, most: int, only: Collection[TopicPartition] | None
) -> Fetched:
    found = Fetched()
    failed: KafkaError | None = None
    # in the order in which they arrived, so that none is left out for long
    for place in tuple(consumer._fetcher._records):  # noqa: SLF001 - `getmany` does the same
        if most <= 0 or not (only is None or place in only):
            continue
        try:
            records = await _of_one(consumer, getmany, place, most)
        except _Unreadable as error:
            found.unreadable[place] = error.offset
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            failed = failed or error
        else:
            found.records |= records
            most -= sum(map(len, records.values()))
    if failed is not None and not found:
        raise failed
    return found


async def _of_one(
    consumer: AIOKafkaConsumer, getmany: GetMany, place: TopicPartition, most: int
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Raises ``_Unreadable`` if the first record is; if a later one is, there are fewer."""
    try:
        return await getmany(place, timeout_ms=0, max_records=most)
    except UnicodeDecodeError:  # of a header's name, which aiokafka unpacks unasked
        pass
    while True:
        most = max(1, most // 4)
        try:
            return await getmany(place, timeout_ms=REFETCH_MS, max_records=most)
        except UnicodeDecodeError:
            if most == 1:
                raise _Unreadable(await consumer.position(place)) from None
