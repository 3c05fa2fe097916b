"""The order of the steps of a batch, and what follows from an error."""

from collections.abc import Sequence

import pytest

from services.contracts.cloudevents import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.kafka.batches import BatchWorker
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.failures import FIRST_PAUSE_SECONDS, MAX_UNEXPECTED_ERRORS, Failures
from services.runtime.kafka.ownership import Ownership
from services.runtime.kafka.publisher import ProducerDeadError, Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_change, make_incoming
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

SOURCE = Topic.EMPLOYEES_CHANGED


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


class Stage:
    """A worker with recording surroundings. Its handler raises ``errors`` first, one in each call."""

    def __init__(self, *errors: Exception, oversized_key: bytes | None = None) -> None:
        self.steps: list[str] = []
        self.errors = list(errors)
        self.wholes: list[object] = []
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.fatal_reasons: list[str] = []
        self.is_confirmed = True
        self.ownership = Ownership(lambda: self.is_confirmed, lambda: self.steps.append("settle"))
        self.publisher = RecordingPublisher(self.steps, oversized_key)
        self.worker = BatchWorker(
            handler=self._handle,
            results=ResultPublisher("mapper", SOURCE, self.publisher, self.clock, self.metrics),
            failures=Failures(SOURCE, self.metrics, self.fatal_reasons.append),
            clock=self.clock,
            fatal=self.fatal_reasons.append,
            handler_batch_records=2,
        )

    async def _handle(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.steps.append(f"handle {len(batch.records)}")
        self.wholes.append(batch.whole)
        if self.errors:
            raise self.errors.pop(0)
        return [Record(Topic.ACCOUNTS_REQUESTED, incoming.key, b"result") for incoming in batch.records]

    def receive(self, records: int = 1) -> None:
        """Hands that many records over."""
        incoming = tuple(make_incoming(make_change(), offset) for offset in range(5, 5 + records))
        self.ownership.hand_out(0, [record.offset for record in incoming])
        self.worker.receive(Batch(incoming, self.ownership))

    async def work(self, records: int = 1) -> None:
        """Hands that many records over, and lets the worker work until it has settled or dropped them."""
        self.receive(records)
        await self.worker.start()
        await wait_until(lambda: self.fatal_reasons or self.ownership.has_moved or not self.ownership.open)
        await self.worker.finish()
        await self.worker.stop()

    def count_batches(self, result: str) -> float:
        labels = {"source": SOURCE.value, "result": result}
        return self.metrics.registry.get_sample_value("sync_batches_total", labels) or 0

    def count_records(self, result: str) -> float:
        labels = {"source": SOURCE.value, "result": result}
        return self.metrics.registry.get_sample_value("sync_records_total", labels) or 0


@pytest.mark.promise("P1")
async def test_batch_is_handled_published_and_settled_in_order() -> None:
    """All results are published together, after the last part of the batch."""
    stage = Stage()

    await stage.work(5)

    assert stage.steps == ["handle 2", "handle 2", "handle 1", "publish", "settle"]
    assert len(set(map(id, stage.wholes))) == 1, "the handler may share what it reads between the parts"
    assert len(stage.publisher.published) == 5
    assert stage.count_batches("done") == 1
    assert stage.clock.slept == []


async def test_batches_that_have_come_are_handled_together() -> None:
    """One publication for the records of several partitions is faster than one for each."""
    stage = Stage()
    stage.receive(1)

    await stage.work(1)

    assert stage.steps == ["handle 2", "publish", "settle"]


async def test_failed_batch_is_repeated_after_a_pause() -> None:
    """Nothing of it is published before it succeeds."""
    stage = Stage(TransientError("MongoDB does not answer"))

    await stage.work(2)

    assert stage.steps == ["handle 2", "handle 2", "publish", "settle"]
    assert stage.wholes[0] is not stage.wholes[1], "what was read for the first attempt is read again"
    assert stage.clock.slept == [FIRST_PAUSE_SECONDS]
    assert stage.count_batches("retried") == 1


async def test_results_of_moved_records_are_not_published() -> None:
    """The new owner of the partitions publishes them: an older result must not follow a newer one."""
    stage = Stage()
    stage.is_confirmed = False

    await stage.work()

    assert stage.steps == ["handle 1"]
    assert stage.count_batches("dropped") == 1


async def test_finish_forgets_what_has_not_begun() -> None:
    """The next owner of the partitions reads it."""
    stage = Stage()
    stage.receive()

    await stage.worker.finish()
    await stage.worker.start()
    await stage.worker.stop()

    assert stage.steps == []
    assert stage.worker.has_room


async def test_oversized_result_becomes_a_letter_of_its_record() -> None:
    """The letter is published before the record is settled, and is counted."""
    stage = Stage(oversized_key=to_record(make_change()).key)

    await stage.work()

    assert stage.steps == ["handle 1", "publish", "publish", "settle"]
    assert [record.topic for record in stage.publisher.published] == [Topic.DEAD_LETTERS]
    assert stage.count_records("dead_letter") == 1
    assert stage.count_records("handled") == 0


@pytest.mark.expects_errors
async def test_unexpected_errors_end_the_process_after_a_limit() -> None:
    """Each of them is followed by a pause."""
    stage = Stage(*[KeyError("a defect")] * MAX_UNEXPECTED_ERRORS)

    await stage.work()

    assert stage.fatal_reasons == [f"{MAX_UNEXPECTED_ERRORS} unexpected errors in a row (last: KeyError)"]
    assert stage.count_batches("failed") == MAX_UNEXPECTED_ERRORS


async def test_dead_producer_asks_for_the_end_at_once() -> None:
    """The metric counts it as a failed batch."""
    stage = Stage(ProducerDeadError("the producer is dead"))

    await stage.work()

    assert stage.fatal_reasons == ["ProducerDeadError: the producer is dead"]
    assert stage.count_batches("failed") == 1
