"""A consumer group on a real Apache Kafka: its own topics, and members with recording handlers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.contracts.cloudevents import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.runtime.clock import SystemClock
from services.runtime.kafka.batches import BatchWorker
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.decoding import Batch, Incoming
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.kafka.topic_watch import WATCH_SECONDS, TopicWatch
from services.runtime.kafka.topics import create_topics
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_change
from tests.support.waiting import wait_until

SOURCE, RESULTS, LETTERS = Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED, Topic.DEAD_LETTERS
SERVICE = "member"

Handler = Callable[[Batch[EmployeeChanged]], Awaitable[Sequence[Record]]]


REGULAR_PAUSES = frozenset({WATCH_SECONDS, 0.75, 1.5})
"""Pauses of the watches over topics and consumers, which follow no failure."""


class FastClock(SystemClock):
    """Sleeps for a hundredth of the requested time."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        """The requested pauses after failures, in seconds."""

    async def sleep(self, seconds: float) -> None:
        if seconds not in REGULAR_PAUSES:
            self.pauses.append(seconds)
        await asyncio.sleep(seconds / 100)


@dataclass
class RecordingHandler:
    """Records its batches. The result of an event is a record with the event's revision."""

    incoming: list[Incoming[EmployeeChanged]] = field(default_factory=list)
    """All records, in the order in which they were handled."""
    batches: list[list[int]] = field(default_factory=list)
    """The revisions of each call."""

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.record(batch)
        return build_results(batch)

    def record(self, batch: Batch[EmployeeChanged]) -> None:
        self.incoming += batch.records
        self.batches.append([incoming.event.revision for incoming in batch.records])

    @property
    def revisions(self) -> list[int]:
        """The revisions of all handled records."""
        return [incoming.event.revision for incoming in self.incoming]


def build_results(batch: Batch[EmployeeChanged]) -> list[Record]:
    return [Record(RESULTS, incoming.key, str(incoming.event.revision).encode()) for incoming in batch.records]


@dataclass
class Member:
    """A consumer, its publisher and the watch over its topics, as one process has them."""

    consumer: Consumer[EmployeeChanged]
    worker: BatchWorker[EmployeeChanged]
    publisher: Publisher
    topics: TopicWatch
    metrics: Metrics
    fatal_reasons: list[str]
    """Why the process would have ended."""

    async def start(self) -> None:
        await self.topics.start()
        await self.publisher.start()
        await self.worker.start()
        await self.consumer.start()
        await wait_until(self.is_ready)

    async def is_ready(self) -> bool:
        """Returns whether the member has joined its group, and Kafka has confirmed it."""
        membership = self.consumer.membership
        consumer = self.consumer.consumer
        assert consumer is not None
        return not membership.is_joining and (membership.is_confirmed or not consumer.assignment())

    async def stop(self) -> None:
        await self.consumer.stop()
        await self.worker.stop()
        await self.publisher.stop()
        await self.topics.stop()

    def read_metric(self, name: str, **labels: str) -> float:
        """Returns the value of a metric of the source topic; 0 before it was first set."""
        return self.metrics.registry.get_sample_value(name, {"source": SOURCE.value, **labels}) or 0.0


@dataclass
class KafkaGroup:
    """A consumer group and its topics. Tests produce and read with aiokafka, without the product's own code."""

    settings: KafkaSettings

    def make_member(self, handler: Handler, *, clock: SystemClock | None = None, **options: Any) -> Member:
        """Returns a member before its start. Options: ``publisher``, ``max_records``, ``handler_batch_records``."""
        metrics, fatal_reasons = Metrics(), list[str]()
        publisher = options.pop("publisher", None) or Publisher(self.settings, SERVICE, metrics)
        max_records = options.pop("max_records", 100)
        results = ResultPublisher(SERVICE, SOURCE, publisher, clock or SystemClock(), metrics)
        worker = BatchWorker(
            handler=handler,
            results=results,
            failures=Failures(SOURCE, metrics, fatal_reasons.append),
            clock=clock or SystemClock(),
            fatal=fatal_reasons.append,
            handler_batch_records=options.pop("handler_batch_records", None) or max_records,
        )
        consumer = Consumer(
            service=SERVICE,
            name=SERVICE,
            source=SOURCE,
            event=EmployeeChanged,
            receiver=worker,
            results=results,
            settings=self.settings,
            clock=clock or SystemClock(),
            metrics=metrics,
            fatal=fatal_reasons.append,
            max_records=max_records,
            graceful_timeout=10.0,
        )
        assert not options

        async def replace_topics(replaced: frozenset[Topic]) -> None:
            await consumer.start_again(replaced)
            await publisher.renew()

        topics = TopicWatch(
            self.settings,
            [SOURCE, RESULTS, LETTERS],
            clock=clock or SystemClock(),
            fatal=fatal_reasons.append,
            on_replaced=replace_topics,
        )
        return Member(consumer, worker, publisher, topics, metrics, fatal_reasons)

    @asynccontextmanager
    async def run_member(self, handler: Handler, **options: Any) -> AsyncIterator[Member]:
        """Starts a member, and stops it at the end of the block."""
        member = self.make_member(handler, **options)
        try:
            await member.start()
            yield member
        finally:
            await member.stop()

    async def produce(self, *values: bytes | None, partition: int = 0, **options: Any) -> None:
        """Produces records with these values one after the other."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            max_request_size=8_000_000,
            compression_type=options.pop("compression_type", None),
        ) as producer:
            options.setdefault("key", b"c1/7")
            for value in values:
                await producer.send_and_wait(self.settings.topic(SOURCE), value, partition=partition, **options)

    async def produce_events(self, revisions: Iterable[int], people: int = 1, partition: int | None = None) -> None:
        """Produces one event for each revision, of that many people in turn.

        The key decides on the partition, unless ``partition`` is set.
        """
        events = [make_change(employee=str(revision % people), revision=revision) for revision in revisions]
        async with AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers) as producer:
            name = self.settings.topic(SOURCE)
            acknowledgements = [
                await producer.send(name, record.value, key=record.key, partition=partition)
                for record in map(to_record, events)
            ]
            await asyncio.gather(*acknowledgements)

    async def read_committed(self) -> dict[int, int]:
        """Returns the group's offset in each partition that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.settings.group(SERVICE))
        finally:
            await admin.close()
        return {partition.partition: entry.offset for partition, entry in offsets.items() if entry.offset >= 0}

    async def wait_until_committed(self, records: int) -> None:
        """Returns once that many records are committed."""

        async def is_committed() -> bool:
            return sum((await self.read_committed()).values()) == records

        await wait_until(is_committed)

    async def read_records(self, topic: Topic) -> list[ConsumerRecord]:
        """Returns everything that is in a topic now."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
        ) as consumer:
            name = self.settings.topic(topic)
            partitions = [TopicPartition(name, number) for number in range(self.settings.kafka_partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[ConsumerRecord] = []
            while len(records) < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
        return records

    async def read_values(self, topic: Topic) -> list[bytes | None]:
        return [record.value for record in await self.read_records(topic)]

    async def read_result_revisions(self) -> list[int]:
        """Returns the revisions of the published results, in the order of each partition."""
        return [int(record.value) for record in await self.read_records(RESULTS)]


def make_settings(servers: str, prefix: str, **changes: Any) -> KafkaSettings:
    """Returns settings with one partition for each topic and short timeouts, with these changes."""
    defaults: dict[str, Any] = {
        "kafka_bootstrap_servers": servers,
        "kafka_topic_prefix": prefix,
        "kafka_partitions": 1,
        "kafka_session_timeout_ms": 6_000,
        "kafka_request_timeout_ms": 20_000,
        "kafka_publish_timeout_seconds": 30,
        # records of the tests have times in the past: Kafka would delete or compact them while a test reads them
        "kafka_retention_days": 100_000,
        "kafka_min_compaction_days": 100_000,
        "kafka_max_compaction_days": 100_000,
    }
    return KafkaSettings(**defaults | changes)


async def create_group(servers: str, prefix: str, **changes: Any) -> KafkaGroup:
    """Returns a group and creates its topics, with one partition each unless ``changes`` say otherwise."""
    group = KafkaGroup(make_settings(servers, prefix, **changes))
    await create_topics(group.settings)
    return group
