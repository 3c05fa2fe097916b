"""A consumer group on a real Apache Kafka: topics of the test's own, members with recording handlers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.contracts.envelope import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.runtime.clock import SystemClock
from services.runtime.consumer import Batch, Consumption, Incoming
from services.runtime.consuming import Consuming
from services.runtime.metrics import Metrics
from services.runtime.producer import Publisher
from services.runtime.settings import KafkaSettings
from services.runtime.topics import create_topics
from tests.builders import changed

SOURCE, ANSWERS, LETTERS = Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED, Topic.DEAD_LETTERS
SERVICE = "member"
DEADLINE = 40.0
"""How long a condition may take on a machine that is busy with other things."""

Handler = Callable[[Batch[EmployeeChanged]], Awaitable[Sequence[Record]]]


async def until(condition: Callable[[], Any], seconds: float = DEADLINE) -> None:
    """Returns once it holds: what is waited for happens in another process, which tells nobody."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


class ShortPauses(SystemClock):
    """Notes how long it was asked to sleep, and sleeps for a hundredth of it."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(seconds / 100)


@dataclass
class Seen:
    """A handler that notes what it was given and answers each event with its revision."""

    incoming: list[Incoming[EmployeeChanged]] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.note(batch)
        return answers(batch)

    def note(self, batch: Batch[EmployeeChanged]) -> None:
        self.incoming += batch.events
        self.batches.append([each.event.revision for each in batch.events])

    @property
    def revisions(self) -> list[int]:
        return [each.event.revision for each in self.incoming]


def answers(batch: Batch[EmployeeChanged]) -> list[Record]:
    return [Record(ANSWERS, each.key, str(each.event.revision).encode()) for each in batch.events]


@dataclass
class Member:
    """One process's worth of consumer, in this process."""

    consumption: Consumption[EmployeeChanged]
    part: Consuming
    publisher: Publisher
    metrics: Metrics
    fatal: list[str]

    async def start(self) -> None:
        await self.publisher.start()
        await self.part.start()

    async def stop(self) -> None:
        await self.part.stop()
        await self.publisher.stop()

    def count(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, {"source": SOURCE.value, **labels}) or 0.0


@dataclass
class Stage:
    """What a test needs of Kafka besides the code under test; all of it by aiokafka alone."""

    settings: KafkaSettings

    def member(self, handler: Handler, *, clock: SystemClock | None = None, **more: Any) -> Member:
        """Not started; ``more`` may hold a ``publisher``, ``max_records`` and ``handled_at_once``."""
        metrics, fatal, clock = Metrics(), list[str](), clock or SystemClock()
        publisher = more.pop("publisher", None) or Publisher(self.settings, SERVICE, metrics)
        consumption = Consumption(
            service=SERVICE,
            source=SOURCE,
            event=EmployeeChanged,
            handler=handler,
            publisher=publisher,
            settings=self.settings,
            clock=clock,
            metrics=metrics,
            fatal=fatal.append,
            max_records=more.pop("max_records", 100),
            handled_at_once=more.pop("handled_at_once", None),
        )
        return Member(consumption, Consuming(self.settings, SERVICE, consumption, 10.0), publisher, metrics, fatal)

    @asynccontextmanager
    async def running(self, handler: Handler, **more: Any) -> AsyncIterator[Member]:
        member = self.member(handler, **more)
        try:
            await member.start()
            yield member
        finally:
            await member.stop()

    async def produce(self, *values: bytes | None, partition: int = 0, **more: Any) -> None:
        """Raw records, one after the other."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            max_request_size=8_000_000,
            compression_type=more.pop("compression_type", None),
        ) as producer:
            more.setdefault("key", b"c1/7")
            for value in values:
                await producer.send_and_wait(self.settings.topic(SOURCE), value, partition=partition, **more)

    async def produce_events(self, revisions: Iterable[int], people: int = 1, partition: int | None = None) -> None:
        """Events of so many people in turn; their keys decide on the partition, unless it is given."""
        events = [changed(employee=str(revision % people), revision=revision) for revision in revisions]
        async with AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers) as producer:
            name = self.settings.topic(SOURCE)
            sent = [
                await producer.send(name, record.value, key=record.key, partition=partition)
                for record in map(to_record, events)
            ]
            await asyncio.gather(*sent)

    async def committed(self) -> dict[int, int]:
        """The group's offset in each partition that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.settings.group(SERVICE))
        finally:
            await admin.close()
        return {place.partition: found.offset for place, found in offsets.items() if found.offset >= 0}

    async def committed_all(self, records: int) -> None:
        """Returns once so many records are committed."""
        async with asyncio.timeout(DEADLINE):
            while sum((await self.committed()).values()) != records:  # noqa: ASYNC110 - another process commits
                await asyncio.sleep(0.05)

    async def records(self, topic: Topic) -> list[ConsumerRecord]:
        """Everything that is in a topic now."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
        ) as consumer:
            name = self.settings.topic(topic)
            places = [TopicPartition(name, number) for number in range(self.settings.kafka_partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord] = []
            while len(found) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return found

    async def answered(self) -> list[int]:
        """The revisions that were answered, in the order of each partition."""
        return [int(record.value) for record in await self.records(ANSWERS)]

    async def values(self, topic: Topic) -> list[bytes | None]:
        return [record.value for record in await self.records(topic)]


def settings(servers: str, prefix: str, **changes: Any) -> KafkaSettings:
    given: dict[str, Any] = {
        "kafka_bootstrap_servers": servers,
        "kafka_topic_prefix": prefix,
        "kafka_partitions": 1,
        "kafka_session_timeout_ms": 6_000,
        "kafka_request_timeout_ms": 20_000,
        "kafka_publish_timeout_seconds": 30,
    }
    return KafkaSettings(**given | changes)


async def staged(servers: str, prefix: str, **changes: Any) -> Stage:
    """With its topics, one partition each unless asked for more."""
    stage = Stage(settings(servers, prefix, **changes))
    await create_topics(stage.settings)
    return stage
