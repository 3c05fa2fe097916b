"""Fetches records partition by partition, so that an undecodable record affects no other partition.

``getmany`` of aiokafka 0.14 takes the records of several partitions one after the other. It raises an error at a missing
codec, a wrong checksum or a header name that is not UTF-8. The records that it has already taken are then lost, and their
offsets are committed with the next batch. For a single partition, it raises the error and leaves the position unchanged.
Related issues, both open: https://github.com/aio-libs/aiokafka/issues/321 and
https://github.com/aio-libs/aiokafka/issues/1173.
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
"""Records by partition, in the order of their offsets."""
GetMany: TypeAlias = Callable[..., Awaitable[Records]]
"""The type of ``AIOKafkaConsumer.getmany``."""

NO_PARTITION = TopicPartition("", 0)
"""A partition that does not exist: a fetch from it returns no records."""

_REDUCTION = 4
"""Divisor of the number of requested records after an undecodable record, and its factor after a success."""


class Fetcher:
    """Fetches the records of one consumer."""

    def __init__(
        self, consumer: AIOKafkaConsumer, getmany: GetMany, before_take: Callable[[], None] = lambda: None
    ) -> None:
        """``getmany`` is the consumer's own method.

        ``before_take`` is called before the first record is taken, and not during a rebalance. The task does not yield
        between this call and the last record, so all records belong to one assignment.
        """
        self.consumer = consumer
        """The consumer of aiokafka."""
        self._getmany = getmany
        self._before_take = before_take
        self._limits: dict[TopicPartition, int] = {}
        self._failing: set[TopicPartition] = set()
        self.unreadable: dict[TopicPartition, int] = {}
        """For each partition that stopped at an undecodable record, the offset of that record."""

    async def fetch(
        self, *, max_records: int, timeout_ms: int, partitions: Collection[TopicPartition] | None = None
    ) -> Records:
        """Returns at most ``max_records`` records. If no record is available, waits up to ``timeout_ms`` milliseconds.

        ``partitions`` limits the fetch; None fetches from all assigned partitions. Raises the first error of a partition
        if no other partition has records.
        """
        if records := await self._take_available(max_records, partitions):
            return records
        await self._wait_for_data(timeout_ms / 1000)
        return await self._take_available(max_records, partitions)

    async def _take_available(self, max_records: int, partitions: Collection[TopicPartition] | None) -> Records:
        await self._getmany(NO_PARTITION, timeout_ms=0, max_records=1)  # waits for the end of a rebalance
        self._before_take()
        return await self._take(max_records, partitions)

    async def _wait_for_data(self, seconds: float) -> None:
        """Waits at most ``seconds`` until a partition has data.

        ``getmany(NO_PARTITION)`` would wait until the timeout, because no data ever arrives for that partition.
        """
        waiter = self.consumer._fetcher._create_fetch_waiter()  # noqa: SLF001 - `getmany` of aiokafka 0.14 waits this way
        try:
            await asyncio.wait([waiter], timeout=seconds)
            if waiter.done():
                waiter.result()  # raises an error that concerns all partitions, such as a missing permission
        finally:
            waiter.cancel()

    async def is_at(self, partition: TopicPartition, offset: int) -> bool:
        """Returns whether the partition is assigned and its position is ``offset``.

        A rebalance may have moved the partition away and back, with another position.
        """
        return partition in self.consumer.assignment() and await self.consumer.position(partition) == offset

    async def skip(self, partition: TopicPartition) -> bool:
        """Moves the position behind the undecodable record. Returns False if a rebalance has changed the position."""
        offset = self.unreadable.pop(partition)
        is_at = await self.is_at(partition, offset)
        if is_at:
            self.consumer.seek(partition, offset + 1)
        return is_at

    async def _take(self, max_records: int, partitions: Collection[TopicPartition] | None) -> Records:
        taken: Records = {}
        first_error: Exception | None = None
        remaining = max_records
        # in the order of arrival, so that no partition starves
        for partition in tuple(self.consumer._fetcher._records):  # noqa: SLF001 - `getmany` of aiokafka 0.14 iterates over it
            if remaining <= 0 or partition in self.unreadable or not (partitions is None or partition in partitions):
                continue
            count = min(remaining, self._limits.get(partition, remaining))
            try:
                records = await self._getmany(partition, timeout_ms=0, max_records=count)
            except UnicodeDecodeError:  # aiokafka decodes the names of headers as UTF-8, and this name is not UTF-8
                await self._reduce_limit(partition, count)
            except ConsumerStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - raised below, or by the next fetch
                first_error = first_error or error
                self._report_failure(partition, error)
            else:
                taken |= records
                remaining -= sum(map(len, records.values()))
                if records:
                    self._raise_limit(partition, max_records)
        if first_error is not None and not taken:
            raise first_error
        return taken

    async def _reduce_limit(self, partition: TopicPartition, count: int) -> None:
        """Reduces the number of records that the next fetch requests. A single record that fails is the undecodable one."""
        self._limits[partition] = max(1, count // _REDUCTION)
        if count == 1:
            # the position is known after a fetch, so `position` returns it without yielding
            self.unreadable[partition] = await self.consumer.position(partition)

    def _raise_limit(self, partition: TopicPartition, max_records: int) -> None:
        self._failing.discard(partition)
        if partition in self._limits:
            self._limits[partition] *= _REDUCTION
            if self._limits[partition] >= max_records:
                del self._limits[partition]

    def _report_failure(self, partition: TopicPartition, error: Exception) -> None:
        """Logs the first failure of a partition. Later failures are not logged until the partition can be read again."""
        if partition not in self._failing:
            self._failing.add(partition)
            ids = {"topic": partition.topic, "partition": partition.partition}
            logger.warning("partition cannot be read; other partitions continue: %s", describe(error), extra=ids)
