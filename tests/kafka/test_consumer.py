"""Consuming from a real Kafka: no record is lost, in any failure."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import pytest

from services.contracts.cloudevents import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.failures import MAX_UNEXPECTED_ERRORS
from services.runtime.kafka.publisher import KafkaUnavailableError, ProducerDeadError, Publisher
from services.runtime.settings import KafkaSettings
from tests.kafka.group import FastClock, KafkaGroup, RecordingHandler, build_results
from tests.support.builders import make_change
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


class FailingHandler(RecordingHandler):
    """Raises ``error`` for the first ``times`` batches, then works."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error = error
        self.times = times

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.record(batch)
        if len(self.batches) <= self.times:
            raise self.error
        return build_results(batch)


class GatedHandler(RecordingHandler):
    """Starts a batch, and continues when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.gate = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.record(batch)
        self.started.set()
        await self.gate.wait()
        return build_results(batch)


class GatedPublisher(Publisher):
    """Publishes when the gate opens."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        super().__init__(settings, name)
        self.called, self.gate = asyncio.Event(), asyncio.Event()

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.called.set()
        await self.gate.wait()
        return await super().publish(records)


class FailingPublisher(Publisher):
    """Raises ``error`` for the first ``times`` calls, then works."""

    def __init__(
        self,
        settings: KafkaSettings,
        name: str,
        error: Exception = KafkaUnavailableError("Kafka is unavailable"),  # noqa: B008 - never changed
        times: int = 2,
    ) -> None:
        super().__init__(settings, name)
        self.error, self.times = error, times

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return await super().publish(records)


async def test_handled_records_are_published_and_committed(group: KafkaGroup) -> None:
    """A batch goes through the handler to its results and its commit."""
    handler = RecordingHandler()
    await group.produce_events(range(5))

    async with group.run_member(handler):
        await group.wait_until_committed(5)

    assert handler.revisions == [0, 1, 2, 3, 4]
    assert await group.read_result_revisions() == [0, 1, 2, 3, 4]


async def test_batch_in_parts_is_published_as_a_whole(group: KafkaGroup) -> None:
    """A handler that gets a few records at a time publishes nothing if a later part of the batch fails."""

    class FailsOnceAtTheEnd(RecordingHandler):
        async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
            self.record(batch)
            if self.batches == [[0, 1, 2, 3], [4, 5, 6]]:
                raise TransientError("MongoDB is unavailable")
            return build_results(batch)

    handler = FailsOnceAtTheEnd()
    await group.produce(b"no event")
    await group.produce_events(range(7))

    async with group.run_member(handler, clock=FastClock(), max_records=8, handler_batch_records=4) as member:
        await group.wait_until_committed(8)
        assert member.read_metric("sync_records_total", result="handled") == 7

    assert handler.batches[:3] == [[0, 1, 2, 3], [4, 5, 6], [0, 1, 2, 3]]
    assert await group.read_result_revisions() == [*range(7)]
    assert len(await group.read_values(Topic.DEAD_LETTERS)) == 1


async def test_transient_error_reads_the_batch_again(group: KafkaGroup) -> None:
    """A transient error is retried without a limit, with a pause after each failure."""
    handler, clock = FailingHandler(TransientError("MongoDB is unavailable"), 7), FastClock()
    await group.produce_events(range(3))

    async with group.run_member(handler, clock=clock) as member:
        await wait_until(lambda: len(handler.batches) >= 8)
        await group.wait_until_committed(3)
        assert len(clock.pauses) == 7
        assert member.read_metric("sync_batches_total", result="retried") == 7
        assert member.fatal_reasons == []

    assert handler.batches[-1] == [0, 1, 2]
    assert await group.read_result_revisions() == [0, 1, 2]


@pytest.mark.expects_errors
async def test_unexpected_errors_in_a_row_end_the_process(group: KafkaGroup) -> None:
    """Retries do not heal a defect, so the process ends after a number of attempts with pauses."""
    handler, clock = FailingHandler(KeyError("a defect"), 100), FastClock()
    await group.produce_events(range(2))

    async with group.run_member(handler, clock=clock) as member:
        await wait_until(lambda: member.fatal_reasons)
        assert len(handler.batches) == MAX_UNEXPECTED_ERRORS
        assert len(clock.pauses) >= MAX_UNEXPECTED_ERRORS - 1
        assert member.fatal_reasons[0] == f"{MAX_UNEXPECTED_ERRORS} unexpected errors in a row (last: KeyError)"

    assert await group.read_committed() in ({}, {0: 0})
    assert await group.read_result_revisions() == []


@pytest.mark.expects_errors
async def test_success_resets_the_count_of_unexpected_errors(group: KafkaGroup) -> None:
    """Only errors in a row end the process."""

    class FailsEveryOtherTime(RecordingHandler):
        async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
            self.record(batch)
            if len(self.batches) % 2:
                raise KeyError("a defect")
            return build_results(batch)

    await group.produce_events(range(MAX_UNEXPECTED_ERRORS + 2))

    async with group.run_member(FailsEveryOtherTime(), clock=FastClock(), max_records=1) as member:
        await group.wait_until_committed(MAX_UNEXPECTED_ERRORS + 2)
        assert member.fatal_reasons == []


async def test_failed_batch_is_read_again_in_each_partition(wide_group: KafkaGroup) -> None:
    """A batch of several partitions is given back in all of them."""
    handler = FailingHandler(TransientError("MongoDB is unavailable"), 3)
    await wide_group.produce_events(range(40), people=20)

    async with wide_group.run_member(handler, clock=FastClock()):
        await wide_group.wait_until_committed(40)

    assert sorted(await wide_group.read_result_revisions()) == [*range(40)]


async def test_restarted_consumer_continues_at_committed_offset(group: KafkaGroup) -> None:
    """A new member reads neither less nor more than what is not committed."""
    before, after = RecordingHandler(), RecordingHandler()
    await group.produce_events(range(10))

    async with group.run_member(before):
        await group.wait_until_committed(10)
    await group.produce_events(range(10, 15))
    async with group.run_member(after):
        await group.wait_until_committed(15)

    assert before.revisions == [*range(10)]
    assert after.revisions == [*range(10, 15)]


async def test_stopping_waits_for_the_batch_and_commits_it(group: KafkaGroup) -> None:
    """A stop repeats no work."""
    handler = GatedHandler()
    await group.produce_events(range(3))
    member = group.make_member(handler)
    await member.start()
    await handler.started.wait()

    stopping = asyncio.create_task(member.stop())
    await asyncio.sleep(0)
    handler.gate.set()
    await stopping

    assert await group.read_committed() == {0: 3}
    assert await group.read_result_revisions() == [0, 1, 2]


@pytest.mark.promise("P1")
async def test_batch_is_committed_after_its_acknowledgement(group: KafkaGroup) -> None:
    """A commit before the results are stored would lose them in a crash."""
    publisher = GatedPublisher(group.settings, "gated")
    await group.produce_events(range(3))

    async with group.run_member(RecordingHandler(), publisher=publisher):
        await publisher.called.wait()
        assert await group.read_committed() in ({}, {0: 0})
        publisher.gate.set()
        await group.wait_until_committed(3)


async def test_batch_without_acknowledgement_is_read_again(group: KafkaGroup) -> None:
    """A failure to publish is a transient error of the batch."""
    publisher, handler = FailingPublisher(group.settings, "failing"), RecordingHandler()
    await group.produce_events(range(3))

    async with group.run_member(handler, publisher=publisher, clock=FastClock()) as member:
        await group.wait_until_committed(3)
        assert member.read_metric("sync_batches_total", result="retried") == 2

    assert handler.batches == [[0, 1, 2]] * 3


async def test_dead_producer_ends_the_process(group: KafkaGroup) -> None:
    """Only a new process has a working producer, and nothing is committed before that."""
    publisher = FailingPublisher(group.settings, "dead", ProducerDeadError("the producer is dead"), times=100)
    await group.produce_events(range(3))

    async with group.run_member(RecordingHandler(), publisher=publisher, clock=FastClock()) as member:
        await wait_until(lambda: member.fatal_reasons)

    assert await group.read_committed() in ({}, {0: 0})


@pytest.mark.promise("P2")
async def test_records_of_one_person_are_handled_in_order(wide_group: KafkaGroup) -> None:
    """The order of a key holds over partitions and batches."""
    handler = RecordingHandler()
    await wide_group.produce_events(range(2_000), people=30)

    async with wide_group.run_member(handler, max_records=70):
        await wide_group.wait_until_committed(2_000)

    by_person: dict[bytes | None, list[int]] = defaultdict(list)
    for incoming in handler.incoming:
        by_person[incoming.key].append(incoming.event.revision)
    assert len(by_person) == 30
    assert all(revisions == sorted(revisions) for revisions in by_person.values())
    assert sorted(handler.revisions) == [*range(2_000)]


async def test_batch_has_at_most_the_requested_records(wide_group: KafkaGroup) -> None:
    """The limit holds over all partitions together."""
    handler = RecordingHandler()
    await wide_group.produce_events(range(50), people=9)

    async with wide_group.run_member(handler, max_records=7):
        await wide_group.wait_until_committed(50)

    assert max(map(len, handler.batches)) == 7


async def test_consumer_reads_every_codec(group: KafkaGroup) -> None:
    """Another producer, or a setting of the topic, may compress records."""
    handler = RecordingHandler()
    for number, codec in enumerate(("gzip", "snappy", "lz4", "zstd")):
        await group.produce(to_record(make_change(revision=number)).value, compression_type=codec)

    async with group.run_member(handler):
        await group.wait_until_committed(4)

    assert handler.revisions == [0, 1, 2, 3]


async def test_tombstone_and_unreadable_records_hold_no_commit(wide_group: KafkaGroup) -> None:
    """They are settled beside the events of other partitions with the same offsets."""
    handler = RecordingHandler()
    for partition in range(3):
        await wide_group.produce_events([partition], partition=partition)
    await wide_group.produce(None, partition=0)
    await wide_group.produce(b"no event", partition=1)
    await wide_group.produce_events([7], partition=2)

    async with wide_group.run_member(handler):
        await wide_group.wait_until_committed(6)

    assert sorted(handler.revisions) == [0, 1, 2, 7]
