"""What the consumer commits: nothing before its work and its dead letters, nothing over the head of another member."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.contracts.cloudevents import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_change, make_incoming_record
from tests.support.fakes import StillClock
from tests.support.waiting import wait_until

SOURCE = Topic.EMPLOYEES_CHANGED
PARTITION = TopicPartition(SOURCE.value, 0)
SETTINGS = KafkaSettings(kafka_bootstrap_servers="kafka:1", kafka_session_timeout_ms=6_000)


class OnlyMember:
    """Stands for the consumer of aiokafka: the member of a group with one partition."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord] = []
        self.stored = 0
        """The offset that the group has stored."""
        self.questions = 0
        """Number of questions for that offset."""
        self._position = 0
        self._arrived = asyncio.Event()
        self._joining: asyncio.Task[None] | None = None
        self._client = self

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def close(self) -> None: ...

    async def topics(self) -> set[str]:
        return {PARTITION.topic}

    def subscribe(self, _: Sequence[str], listener: Any) -> None:
        self._joining = asyncio.create_task(listener.on_partitions_assigned([PARTITION]))

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    def add(self, *records: Record) -> None:
        """Stores records in the topic."""
        first = len(self.records)
        self.records += [
            make_incoming_record(0, first + index, record, topic=PARTITION.topic)
            for index, record in enumerate(records)
        ]
        self._arrived.set()

    async def getmany(self, *_: TopicPartition, **__: Any) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        taken, self._position = self.records[self._position :], len(self.records)
        return {PARTITION: taken}

    async def getone(self, *_: TopicPartition) -> ConsumerRecord:
        self._arrived.clear()
        await self._arrived.wait()
        self._position += 1
        return self.records[self._position - 1]

    async def position(self, _: TopicPartition) -> int:
        return self._position

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._position = offset

    def highwater(self, _: TopicPartition) -> int:
        return len(self.records)

    async def read_stored(self, _: TopicPartition) -> int:
        self.questions += 1
        return self.stored

    committed = read_stored  # aiokafka's name

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.stored = offsets[PARTITION]


class GatedPublisher(Publisher):
    """Keeps what is published. Acknowledges it after ``gate`` opens."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, "test")
        self.gate = asyncio.Event()
        self.published: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.published += records
        await self.gate.wait()
        return ()


class Stage:
    """A consumer, and a receiver that keeps its batches."""

    has_room = True

    def __init__(self) -> None:
        self.kafka = OnlyMember()
        self.clock = StillClock()
        self.publisher = GatedPublisher()
        self.batches: list[Batch[EmployeeChanged]] = []
        metrics = Metrics()
        self.consumer = Consumer(
            service="mapper",
            name="test",
            source=SOURCE,
            event=EmployeeChanged,
            receiver=self,
            results=ResultPublisher("mapper", SOURCE, self.publisher, self.clock, metrics),
            settings=SETTINGS,
            clock=self.clock,
            metrics=metrics,
            fatal=pytest.fail,
            max_records=100,
            graceful_timeout=1.0,
            connect=lambda *_: self.kafka,
        )

    def receive(self, batch: Batch[EmployeeChanged]) -> None:
        self.batches.append(batch)

    async def finish(self) -> None: ...


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A consumer that its group has confirmed."""
    stage = Stage()
    await stage.consumer.start()
    await wait_until(lambda: stage.consumer.membership.is_confirmed)
    yield stage
    stage.publisher.gate.set()
    await stage.consumer.stop()


@pytest.mark.promise("P1")
async def test_records_that_were_handed_over_are_not_settled(stage: Stage) -> None:
    """Their receiver settles them after its work."""
    stage.kafka.add(to_record(make_change(revision=1)), to_record(make_change(revision=2)))
    await wait_until(lambda: sum(len(batch.records) for batch in stage.batches) == 2)

    assert stage.batches[0].ownership.open == 2
    assert stage.kafka.stored == 0

    for batch in stage.batches:
        batch.ownership.settle(batch.records)
    await wait_until(lambda: stage.kafka.stored == 2)


@pytest.mark.promise("P1")
async def test_letter_is_published_before_its_record_is_settled(stage: Stage) -> None:
    """A crash between the two would lose the record."""
    stage.kafka.add(Record(SOURCE, b"c1/7", b"no JSON"))
    await wait_until(lambda: stage.publisher.published)

    assert stage.consumer.membership.ownership.open == 1

    stage.publisher.gate.set()
    await wait_until(lambda: stage.kafka.stored == 1)


@pytest.mark.promise("P2")
async def test_member_that_was_overtaken_commits_nothing(stage: Stage) -> None:
    """It was suspended. Kafka takes its commit while the group is empty, and would give out the records again."""
    stage.kafka.add(to_record(make_change()))
    await wait_until(lambda: stage.batches)
    stage.clock.seconds += SETTINGS.kafka_session_timeout_ms / 1000 + 1
    stage.kafka.stored = 5

    ownership = stage.batches[0].ownership
    ownership.settle(stage.batches[0].records)
    await wait_until(lambda: ownership.has_moved)

    assert stage.kafka.stored == 5
