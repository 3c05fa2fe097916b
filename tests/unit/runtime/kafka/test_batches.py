"""What an error means for its batch, and the order of the steps of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from services.contracts.cloudevents import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.errors import PermanentError, TransientError
from services.runtime.kafka.batches import (
    FIRST_PAUSE_SECONDS,
    MAX_UNEXPECTED_ERRORS,
    BatchFailure,
    BatchProcessor,
    classify_failure,
)
from services.runtime.kafka.decoding import Batch, Decoder
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.ownership import Membership, PartitionsMovedError
from services.runtime.kafka.publisher import KafkaUnavailableError, ProducerDeadError, Publisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_change, make_incoming_record
from tests.support.fakes import FakeClock

MOVED, DEAD = PartitionsMovedError("moved"), ProducerDeadError("the producer is dead")
SOURCE = Topic.EMPLOYEES_CHANGED


# ------------------------------------------------------------ classification


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TransientError("MongoDB does not answer"), BatchFailure.RETRIED),
        (KafkaUnavailableError("Kafka does not answer"), BatchFailure.RETRIED),
        (KafkaConnectionError("no broker"), BatchFailure.RETRIED),
        (MOVED, BatchFailure.DROPPED),
        (CommitFailedError(), BatchFailure.DROPPED),
        (PermanentError("not handled by the service"), BatchFailure.FAILED),
        (KeyError("a defect"), BatchFailure.FAILED),
        (DEAD, BatchFailure.DEAD),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_error_is_classified_by_its_type(error: Exception, failure: BatchFailure) -> None:
    """A `CommitFailedError` is a `KafkaError`, but a retry cannot succeed: the partitions have moved."""
    assert classify_failure(error) is failure


@pytest.mark.parametrize(
    ("errors", "failure"),
    [
        ([TransientError("no"), MOVED], BatchFailure.DROPPED),
        ([KeyError("a defect"), MOVED, TransientError("no")], BatchFailure.FAILED),
        ([KeyError("a defect"), DEAD, TransientError("no")], BatchFailure.DEAD),
        ([TransientError("no"), ExceptionGroup("inner", [MOVED])], BatchFailure.DROPPED),
        ([TransientError("no")], BatchFailure.RETRIED),
    ],
    ids=["dropped", "failed", "dead", "nested", "single"],
)
def test_gravest_error_of_a_group_decides(errors: list[Exception], failure: BatchFailure) -> None:
    """Several tasks of a handler may fail at once."""
    assert classify_failure(ExceptionGroup("batch", errors)) is failure


def test_failures_are_ordered_by_severity() -> None:
    """The order of the members is the order of severity, and their values are labels of a metric."""
    assert [failure.value for failure in BatchFailure] == ["retried", "dropped", "failed", "dead"]


# ------------------------------------------------------------ steps


class RecordingPublisher(Publisher):
    """Records the steps of the batch. Returns the records that it treats as oversized."""

    def __init__(self, steps: list[str], oversized_key: bytes | None = None) -> None:
        super().__init__(KafkaSettings(kafka_bootstrap_servers="kafka:1"), "test")
        self.steps = steps
        self.oversized_key = oversized_key
        self.published: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.steps.append("publish")
        oversized = tuple(
            record for record in records if record.key == self.oversized_key and record.topic is not Topic.DEAD_LETTERS
        )
        self.published += [record for record in records if record not in oversized]
        return oversized


@dataclass
class FakeMessage:
    """A batch as FastStream passes it to a handler."""

    raw_message: tuple[ConsumerRecord, ...]
    steps: list[str]
    ack_error: Exception | None = None
    revoked: frozenset[TopicPartition] = frozenset()
    committed: object = None
    positions: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def consumer(self) -> "FakeMessage":
        """The consumer of the batch: this object has its methods too."""
        return self

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self.revoked:
            raise IllegalStateError
        self.positions[partition] = offset

    async def ack(self) -> None:
        self.steps.append("commit")
        if self.ack_error is not None:
            raise self.ack_error


class Stage:
    """A processor with recording surroundings."""

    def __init__(self, error: Exception | None = None, *, oversized_key: bytes | None = None) -> None:
        self.steps: list[str] = []
        self.error = error
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.fatal_reasons: list[str] = []
        self.membership = Membership(self.clock, 10, 1)
        self.membership.record_join(0)
        self.publisher = RecordingPublisher(self.steps, oversized_key)
        self.processor = BatchProcessor(
            source=SOURCE,
            decoder=Decoder("mapper", SOURCE, EmployeeChanged, self.clock),
            handler=self._handle,
            publisher=self.publisher,
            membership=self.membership,
            liveness=Liveness(self.clock),
            clock=self.clock,
            metrics=self.metrics,
            fatal=self.fatal_reasons.append,
            handler_batch_records=2,
        )
        self.processor.record_generation()

    async def _handle(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.steps.append(f"handle {len(batch.records)}")
        if self.error is not None:
            raise self.error
        return [Record(Topic.ACCOUNTS_REQUESTED, incoming.key, b"result") for incoming in batch.records]

    def make_message(self, offsets: Sequence[tuple[int, int]] = ((0, 5),), **options: Any) -> FakeMessage:
        """Returns a batch of records at these partitions and offsets."""
        event = to_record(make_change())
        records = tuple(make_incoming_record(partition, offset, event) for partition, offset in offsets)
        return FakeMessage(records, self.steps, **options)

    async def process(self, message: FakeMessage) -> None:
        await self.processor.process(message)  # type: ignore[arg-type]

    def count_batches(self, result: str) -> float:
        labels = {"source": SOURCE.value, "result": result}
        return self.metrics.registry.get_sample_value("sync_batches_total", labels) or 0


async def test_batch_is_handled_published_and_committed_in_order() -> None:
    """All results are published together, after the last part of the batch."""
    stage = Stage()

    await stage.process(stage.make_message([(0, offset) for offset in range(5)]))

    assert stage.steps == ["handle 2", "handle 2", "handle 1", "publish", "commit"]
    assert len(stage.publisher.published) == 5
    assert stage.count_batches("done") == 1
    assert stage.clock.slept == []


async def test_failed_batch_seeks_to_its_first_offsets() -> None:
    """Nothing is published or committed, and a pause follows."""
    stage = Stage(TransientError("MongoDB does not answer"))
    message = stage.make_message([(0, 7), (1, 3), (0, 8), (1, 4)])

    await stage.process(message)

    assert stage.steps == ["handle 2"]
    assert message.positions == {TopicPartition("topic", 0): 7, TopicPartition("topic", 1): 3}
    assert stage.clock.slept == [FIRST_PAUSE_SECONDS]
    assert stage.count_batches("retried") == 1


async def test_revoked_partition_does_not_stop_the_give_back() -> None:
    """A seek in a partition that is not assigned raises an error."""
    stage = Stage(TransientError("MongoDB does not answer"))
    message = stage.make_message([(0, 7), (1, 3)], revoked=frozenset({TopicPartition("topic", 0)}))

    await stage.process(message)

    assert message.positions == {TopicPartition("topic", 1): 3}


async def test_moved_batch_is_dropped_without_a_seek() -> None:
    """The new owner of the partitions starts at the committed offset."""
    stage = Stage()
    message = stage.make_message()
    stage.membership.record_loss()

    await stage.process(message)

    assert stage.steps == ["handle 1"]
    assert message.positions == {}
    assert stage.count_batches("dropped") == 1


async def test_failed_commit_counts_as_lost_membership() -> None:
    """The group refuses commits of members that it does not know."""
    stage = Stage()
    generation = stage.membership.generation

    await stage.process(stage.make_message(ack_error=CommitFailedError()))

    assert stage.membership.generation == generation + 1
    assert stage.membership.confirmed_at is None
    assert stage.count_batches("dropped") == 1


async def test_oversized_result_becomes_a_letter_of_its_record() -> None:
    """The letter is published before the commit."""
    stage = Stage(oversized_key=to_record(make_change()).key)

    await stage.process(stage.make_message())

    assert stage.steps == ["handle 1", "publish", "publish", "commit"]
    assert [record.topic for record in stage.publisher.published] == [Topic.DEAD_LETTERS]


@pytest.mark.expects_errors
async def test_unexpected_errors_end_the_process_after_a_limit() -> None:
    """Each of them is followed by a pause."""
    stage = Stage(KeyError("a defect"))

    for _ in range(MAX_UNEXPECTED_ERRORS - 1):
        await stage.process(stage.make_message())
    assert stage.fatal_reasons == []
    await stage.process(stage.make_message())

    assert stage.fatal_reasons == [f"{MAX_UNEXPECTED_ERRORS} unexpected errors in a row (last: KeyError)"]
    assert len(stage.clock.slept) == MAX_UNEXPECTED_ERRORS
    assert stage.count_batches("failed") == MAX_UNEXPECTED_ERRORS


async def test_dead_producer_asks_for_the_end_at_once() -> None:
    """The metric counts it as a failed batch."""
    stage = Stage(DEAD)

    await stage.process(stage.make_message())

    assert stage.fatal_reasons == ["ProducerDeadError: the producer is dead"]
    assert stage.count_batches("failed") == 1
