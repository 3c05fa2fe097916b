"""Consumption on a real Kafka: nothing is lost, whatever fails."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import pytest

from services.contracts.envelope import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.consumer import UNEXPECTED_IN_A_ROW, WATCH_SECONDS, Batch
from services.runtime.producer import KafkaUnavailableError, ProducerDeadError, Publisher
from services.runtime.settings import KafkaSettings
from tests.builders import changed
from tests.kafka.stage import Seen, ShortPauses, Stage, answers, until

pytestmark = pytest.mark.kafka


class Failing(Seen):
    """Raises ``error`` for the first ``times`` batches, then works."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error = error
        self.times = times

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.note(batch)
        if len(self.batches) <= self.times:
            raise self.error
        return answers(batch)


class Gated(Seen):
    """Has begun with a batch, and goes on when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.gate = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.note(batch)
        self.began.set()
        await self.gate.wait()
        return answers(batch)


class Held(Publisher):
    """Publishes when the gate is opened."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        super().__init__(settings, name)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.asked.set()
        await self.gate.wait()
        return await super().publish(records)


class Refusing(Publisher):
    """Raises for the first calls, then works."""

    def __init__(
        self,
        settings: KafkaSettings,
        name: str,
        error: Exception = KafkaUnavailableError("Kafka is away"),  # noqa: B008 - never changed
        times: int = 2,
    ) -> None:
        super().__init__(settings, name)
        self.error, self.times = error, times

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return await super().publish(records)


async def test_what_was_handled_is_answered_and_committed(stage: Stage) -> None:
    seen = Seen()
    await stage.produce_events(range(5))
    async with stage.running(seen):
        await stage.committed_all(5)
    assert seen.revisions == [0, 1, 2, 3, 4]
    assert await stage.answered() == [0, 1, 2, 3, 4]


async def test_a_batch_that_is_handled_a_few_records_at_a_time_is_published_as_a_whole(stage: Stage) -> None:
    class FailsAtFirstInTheEnd(Seen):
        async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
            self.note(batch)
            if self.batches == [[0, 1, 2], [3, 4, 5, 6]]:
                raise TransientError("MongoDB is away")
            return answers(batch)

    seen = FailsAtFirstInTheEnd()
    await stage.produce(b"no event")
    await stage.produce_events(range(7))
    async with stage.running(seen, clock=ShortPauses(), max_records=8, handled_at_once=4) as member:
        await stage.committed_all(8)
        assert member.count("sync_records_total", result="handled") == 7
    assert seen.batches[:3] == [[0, 1, 2], [3, 4, 5, 6], [0, 1, 2]]
    assert await stage.answered() == [*range(7)]
    assert len(await stage.values(Topic.DEAD_LETTERS)) == 1


async def test_a_transient_error_reads_the_batch_again_after_growing_pauses(stage: Stage) -> None:
    failing, clock = Failing(TransientError("MongoDB is away"), 7), ShortPauses()
    await stage.produce_events(range(3))
    async with stage.running(failing, clock=clock) as member:
        await until(lambda: len(failing.batches) >= 8)
        await stage.committed_all(3)
        assert [pause for pause in clock.pauses if pause != WATCH_SECONDS] == [0.25, 0.5, 1, 2, 4, 8, 10]
        assert member.count("sync_batches_total", result="retried") == 7
        assert member.fatal == []
    assert failing.batches[-1] == [0, 1, 2]
    assert await stage.answered() == [0, 1, 2]


@pytest.mark.expects_errors
async def test_unexpected_errors_brake_and_end_the_process_after_several_in_a_row(stage: Stage) -> None:
    failing, clock = Failing(KeyError("a bug"), 100), ShortPauses()
    await stage.produce_events(range(2))
    async with stage.running(failing, clock=clock) as member:
        await until(lambda: member.fatal)
        assert len(failing.batches) == UNEXPECTED_IN_A_ROW
        assert [pause for pause in clock.pauses if pause != WATCH_SECONDS][:4] == [0.25, 0.5, 1, 2]
        assert member.fatal[0] == f"{UNEXPECTED_IN_A_ROW} unexpected errors in a row, the last: KeyError"
    assert await stage.committed() == {}
    assert await stage.answered() == []


@pytest.mark.expects_errors
async def test_a_success_in_between_takes_the_brake_off(stage: Stage) -> None:
    class EveryOther(Seen):
        async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
            self.note(batch)
            if len(self.batches) % 2:
                raise KeyError("a bug")
            return answers(batch)

    seen = EveryOther()
    await stage.produce_events(range(UNEXPECTED_IN_A_ROW + 2))
    async with stage.running(seen, clock=ShortPauses(), max_records=1) as member:
        await stage.committed_all(UNEXPECTED_IN_A_ROW + 2)
        assert member.fatal == []


async def test_a_failed_batch_of_several_partitions_is_read_again_in_each(four: Stage) -> None:
    failing = Failing(TransientError("MongoDB is away"), 3)
    await four.produce_events(range(40), people=20)
    async with four.running(failing, clock=ShortPauses()):
        await four.committed_all(40)
    assert sorted(await four.answered()) == [*range(40)]


async def test_a_restarted_consumer_goes_on_at_the_committed_offset(stage: Stage) -> None:
    before, after = Seen(), Seen()
    await stage.produce_events(range(10))
    async with stage.running(before):
        await stage.committed_all(10)
    await stage.produce_events(range(10, 15))
    async with stage.running(after):
        await stage.committed_all(15)
    assert (before.revisions, after.revisions) == ([*range(10)], [*range(10, 15)])


async def test_stopping_waits_for_the_batch_in_work_and_commits_it(stage: Stage) -> None:
    seen = Gated()
    await stage.produce_events(range(3))
    member = stage.member(seen)
    await member.start()
    await seen.began.wait()
    stopping = asyncio.create_task(member.stop())
    await asyncio.sleep(0)
    seen.gate.set()
    await stopping
    assert await stage.committed() == {0: 3}
    assert await stage.answered() == [0, 1, 2]


async def test_a_batch_is_committed_only_after_its_answers_are_acknowledged(stage: Stage) -> None:
    publisher = Held(stage.settings, "held")
    await stage.produce_events(range(3))
    async with stage.running(Seen(), publisher=publisher):
        await publisher.asked.wait()
        assert await stage.committed() == {}
        publisher.gate.set()
        await stage.committed_all(3)


async def test_a_batch_whose_answers_are_not_acknowledged_is_read_again(stage: Stage) -> None:
    publisher, seen = Refusing(stage.settings, "refusing"), Seen()
    await stage.produce_events(range(3))
    async with stage.running(seen, publisher=publisher, clock=ShortPauses()) as member:
        await stage.committed_all(3)
        assert member.count("sync_batches_total", result="retried") == 2
    assert seen.batches == [[0, 1, 2]] * 3


async def test_a_dead_producer_ends_the_process_and_commits_nothing(stage: Stage) -> None:
    publisher = Refusing(stage.settings, "dead", ProducerDeadError("the producer is dead"), times=100)
    await stage.produce_events(range(3))
    async with stage.running(Seen(), publisher=publisher, clock=ShortPauses()) as member:
        await until(lambda: member.fatal)
    assert await stage.committed() == {}


async def test_one_person_s_records_are_handled_in_their_order(four: Stage) -> None:
    seen = Seen()
    await four.produce_events(range(2_000), people=30)
    async with four.running(seen, max_records=70):
        await four.committed_all(2_000)
    by_person: dict[bytes | None, list[int]] = defaultdict(list)
    for each in seen.incoming:
        by_person[each.key].append(each.event.revision)
    assert len(by_person) == 30
    assert all(revisions == sorted(revisions) for revisions in by_person.values())
    assert sorted(seen.revisions) == [*range(2_000)]


async def test_a_batch_takes_no_more_records_than_asked_for(four: Stage) -> None:
    seen = Seen()
    await four.produce_events(range(50), people=9)
    async with four.running(seen, max_records=7):
        await four.committed_all(50)
    assert max(map(len, seen.batches)) == 7


async def test_every_codec_can_be_read(stage: Stage) -> None:
    seen = Seen()
    for number, codec in enumerate(("gzip", "snappy", "lz4", "zstd")):
        await stage.produce(to_record(changed(revision=number)).value, compression_type=codec)
    async with stage.running(seen):
        await stage.committed_all(4)
    assert seen.revisions == [0, 1, 2, 3]
