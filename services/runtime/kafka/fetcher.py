"""Fetches records partition by partition, so that an undecodable record affects no other partition.

``getmany`` of aiokafka 0.14 takes the records of several partitions one after the other. It raises an error at a missing
codec, a wrong checksum or a header name that is not UTF-8. The records that it has already taken are then lost. For a single
partition, it raises the error and leaves the position unchanged. Related issues, both open:
https://github.com/aio-libs/aiokafka/issues/321 and https://github.com/aio-libs/aiokafka/issues/1173.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from services.runtime.log import describe

logger = logging.getLogger(__name__)

Take: TypeAlias = Callable[[TopicPartition, Sequence[ConsumerRecord]], None]
"""Receives the records of one partition. It is called before anything else can happen to the partition."""

NO_PARTITION = TopicPartition("", 0)
"""A partition that does not exist: a fetch from it takes no records."""
PROBE_SECONDS = 0.05
"""Seconds between two attempts to find the partition that cannot be read."""
MAX_PROBES = 100
"""Number of these attempts."""

_REDUCTION = 4
"""Divisor of the number of requested records after an undecodable record, and its factor after a success."""


class Fetcher:
    """Fetches the records of one consumer."""

    def __init__(self, consumer: AIOKafkaConsumer, take: Take) -> None:
        """``take`` receives the fetched records."""
        self.consumer = consumer
        """The consumer of aiokafka."""
        self._take = take
        self._limits: dict[TopicPartition, int] = {}
        self.failing: set[TopicPartition] = set()
        """The partitions that could not be read at the last attempt."""
        self._turn = 0
        self._probes = 0
        self.unreadable: dict[TopicPartition, int] = {}
        """For each partition that stopped at an undecodable record, the offset of that record."""

    async def fetch(
        self, *, max_records: int, seconds: float, partitions: Collection[TopicPartition] | None = None
    ) -> int:
        """Fetches at most ``max_records`` records. If no record is available, waits up to ``seconds`` for one.

        ``partitions`` limits the fetch; None fetches from all assigned partitions. Returns the number of records. Raises an
        error if no partition can be read. A single one that cannot be read is logged, and holds no other one up.
        """
        if taken := await self._take_available(max_records, partitions):
            return taken
        if not await self._wait_for_record(seconds, partitions):
            return 0
        return 1 + (await self._take_available(max_records - 1, partitions) if max_records > 1 else 0)

    async def _take_available(self, max_records: int, partitions: Collection[TopicPartition] | None) -> int:
        taken, failures = 0, list[Exception]()
        wanted = self._order(partitions)
        for partition in wanted:
            count = min(max_records - taken, self._limits.get(partition, max_records))
            if count <= 0:
                break
            try:
                records = await self.consumer.getmany(partition, timeout_ms=0, max_records=count)
            except UnicodeDecodeError:  # aiokafka decodes the names of headers as UTF-8, and this name is not UTF-8
                await self._reduce_limit(partition, count)
            except ConsumerStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - of one partition: the others are read
                failures.append(error)
                self._report_failure(partition, error)
            else:
                taken += self._pass_on(partition, records.get(partition, ()), max_records)
        if failures and len(failures) == len(wanted):
            raise failures[0]
        return taken

    def _order(self, partitions: Collection[TopicPartition] | None) -> Sequence[TopicPartition]:
        """Returns the readable partitions. Each fetch begins with the next one, so that no partition starves."""
        wanted = self.consumer.assignment() if partitions is None else partitions
        readable = sorted(set(wanted) - self.unreadable.keys())
        self._turn += 1
        first = self._turn % len(readable) if readable else 0
        return readable[first:] + readable[:first]

    def _pass_on(self, partition: TopicPartition, records: Sequence[ConsumerRecord], max_records: int) -> int:
        if records:
            self._take(partition, records)
            self._raise_limit(partition, max_records)
        return len(records)

    async def _wait_for_record(self, seconds: float, partitions: Collection[TopicPartition] | None) -> bool:
        """Waits until a partition has a record, and takes it. Returns False if none has one."""
        waited_for = [partition for partition in self._order(partitions) if partition not in self.failing]
        if self._probes or not waited_for:
            self._probes = max(0, self._probes - 1)
            await self.pause()
            return False
        try:
            async with asyncio.timeout(seconds):
                record = await self.consumer.getone(*waited_for)
        except TimeoutError:
            return False
        except (KafkaError, UnicodeDecodeError) as error:
            # `getone` does not tell which partition cannot be read, and drops what it has fetched: `getmany` finds it
            self._probes = MAX_PROBES
            if isinstance(error, UnicodeDecodeError):
                return False
            raise
        self._take(TopicPartition(record.topic, record.partition), [record])
        return True

    async def pause(self) -> None:
        """Takes no record for a moment. Kafka takes a member that fetches nothing for a long time for dead."""
        await self.consumer.getmany(NO_PARTITION, timeout_ms=int(PROBE_SECONDS * 1000))

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

    async def _reduce_limit(self, partition: TopicPartition, count: int) -> None:
        """Reduces the number of records that the next fetch requests. A single record that fails is the undecodable one."""
        self._limits[partition] = max(1, count // _REDUCTION)
        self._probes = MAX_PROBES  # the records have to be fetched again, and `getone` must not take them
        if count == 1:
            # the position is known after a fetch, so `position` returns it without yielding
            self.unreadable[partition] = await self.consumer.position(partition)

    def _raise_limit(self, partition: TopicPartition, max_records: int) -> None:
        self.failing.discard(partition)
        if partition in self._limits:
            self._limits[partition] *= _REDUCTION
            if self._limits[partition] >= max_records:
                del self._limits[partition]

    def _report_failure(self, partition: TopicPartition, error: Exception) -> None:
        """Logs the first failure of a partition. Later failures are not logged until the partition can be read again."""
        self._probes = 0
        if partition not in self.failing:
            self.failing.add(partition)
            ids = {"topic": partition.topic, "partition": partition.partition}
            logger.warning("partition cannot be read; other partitions continue: %s", describe(error), extra=ids)
