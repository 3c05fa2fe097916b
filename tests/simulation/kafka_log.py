"""A Kafka log in memory: topics, partitions, and a producer that may store records partly, late or without an acknowledgement."""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import detangle
from aiokafka import ConsumerRecord, TopicPartition

from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.settings import KafkaSettings
from tests.simulation.faults import Fault
from tests.simulation.process import Life
from tests.support.builders import make_incoming_record

SETTINGS = KafkaSettings(
    kafka_bootstrap_servers="in-memory:1", kafka_session_timeout_ms=60_000, kafka_rebalance_timeout_ms=90_000
)
"""The settings of all consumers and producers."""
PARTITIONS = 3
"""Number of partitions of each topic."""
LATE_SECONDS = (1.0, 20.0, 90.0)
"""How long after a failed publication its records are stored."""


class Log:
    """The records of all topics."""

    def __init__(self, see_record: Callable[[Record], None]) -> None:
        """``see_record`` receives every record that is stored."""
        self.partitions: dict[TopicPartition, list[ConsumerRecord]] = {
            TopicPartition(topic.value, number): [] for topic in Topic for number in range(PARTITIONS)
        }
        """The records of each partition; the index is the offset."""
        self.flying = 0
        """Number of publications that were given up and are stored later."""
        self._see_record = see_record
        self._waiters: list[asyncio.Event] = []

    def find_partition(self, record: Record) -> TopicPartition:
        """Returns the partition of a record: records with one key are in one partition."""
        return TopicPartition(record.topic.value, zlib.crc32(record.key or b"") % PARTITIONS)

    def append(self, records: Iterable[Record]) -> None:
        """Stores the records, and wakes the consumers."""
        for record in records:
            partition = self.find_partition(record)
            stored = self.partitions[partition]
            now = int(asyncio.get_running_loop().time() * 1000)
            stored.append(
                make_incoming_record(partition.partition, len(stored), record, topic=partition.topic, timestamp=now)
            )
            self._see_record(record)
        self.wake()

    def wake(self) -> None:
        """Wakes all consumers, because there are new records or another assignment."""
        for waiter in self._waiters:
            waiter.set()
        self._waiters.clear()

    async def wait_for_change(self) -> None:
        """Returns after the next ``wake``."""
        waiter = asyncio.Event()
        self._waiters.append(waiter)
        await waiter.wait()


class SimulatedPublisher(Publisher):
    """The producer of one life."""

    def __init__(self, log: Log, life: Life) -> None:
        super().__init__(SETTINGS, life.name)
        self._log = log
        self._life = life

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Stores the records partition by partition. Raises ``KafkaUnavailableError``."""
        faults = self._life.faults
        await self._life.reach("publish")
        if records and faults.strikes(Fault.PUBLISH_REFUSED):
            self._fail("stores nothing")
        if records and faults.strikes(Fault.PUBLISH_LATE):
            self._store_late(records)
            self._fail("stores the records later")
        by_partition: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[self._log.find_partition(record)].append(record)
        for part in by_partition.values():
            self._log.append(part)
            await self._life.reach("publish (a partition is stored)")
            if faults.strikes(Fault.PUBLISH_PARTIAL):
                self._fail("stores some of the records")
        if records and faults.strikes(Fault.PUBLISH_UNANSWERED):
            self._fail("does not acknowledge")
        return ()

    def _store_late(self, records: Sequence[Record]) -> None:
        def land() -> None:
            self._log.flying -= 1
            self._life.history.note("kafka", f"stores {len(records)} records of {self._life.name} late")
            self._log.append(records)

        self._log.flying += 1
        asyncio.get_running_loop().call_later(detangle.choice(LATE_SECONDS), land)

    def _fail(self, details: str) -> None:
        self._life.history.note(self._life.name, f"Kafka fails: it {details}")
        raise KafkaUnavailableError(f"Kafka {details}")
