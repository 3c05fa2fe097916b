"""Members that share the partitions of a topic: no person in two of them at once, nothing repeated, nothing lost."""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.stack.processes import Process
from services.contracts.cloudevents import Record
from services.contracts.events import EmployeeChanged
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.ownership import PartitionsMovedError
from tests.kafka.group import RESULTS, KafkaGroup, RecordingHandler, build_results, create_group
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class WorkPeriod:
    """When a member worked on a person, in monotonic seconds."""

    member: str
    began: float
    ended: float


class SlowHandler(RecordingHandler):
    """Takes its time for each batch, and records when it worked on which person."""

    def __init__(self, name: str, log: dict[bytes | None, list[WorkPeriod]], pace: float = 0.02) -> None:
        super().__init__()
        self.name, self.log, self.pace = name, log, pace

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        began = time.monotonic()
        await asyncio.sleep(self.pace)
        batch.ownership.ensure_owned()
        self.record(batch)
        for key in {incoming.key for incoming in batch.records}:
            self.log[key].append(WorkPeriod(self.name, began, time.monotonic()))
        return build_results(batch)


def find_overlaps(log: dict[bytes | None, list[WorkPeriod]]) -> list[tuple[WorkPeriod, WorkPeriod]]:
    """Returns the periods in which two members worked on the same person."""
    return [
        (one, other)
        for periods in log.values()
        for one in periods
        for other in periods
        if one.member < other.member and one.began < other.ended and other.began < one.ended
    ]


class GatedHandler(RecordingHandler):
    """Works on its first batch until the gate opens, then checks whether it still owns the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.gate, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.moved: PartitionsMovedError | None = None

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        if not self.started.is_set():
            self.started.set()
            await self.gate.wait()
            try:
                batch.ownership.ensure_owned()
            except PartitionsMovedError as error:
                self.moved = error
                raise
            finally:
                self.ended.set()
        self.record(batch)
        return build_results(batch)


class SuspendableMember:
    """A member in its own process, which SIGSTOP suspends in the middle of a batch."""

    def __init__(self, group: KafkaGroup, folder: Path) -> None:
        self.gate = folder / "gate"
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": group.settings.kafka_bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": group.settings.kafka_topic_prefix,
            "KAFKA_SESSION_TIMEOUT_MS": str(group.settings.kafka_session_timeout_ms),
            "GATE": str(self.gate),
        }
        command = [sys.executable, "-m", "tests.kafka.paused_member"]
        self.process = Process("paused", command, folder=folder, environment=environment)

    @property
    def lines(self) -> list[str]:
        """The lines that the member has reported."""
        return self.process.log.read_text().splitlines() if self.process.log.exists() else []

    async def suspend_in_a_batch(self) -> None:
        await wait_until(lambda: "working" in self.lines)
        self.process.pause()

    async def resume(self) -> None:
        """Lets the process continue. Its first action is to check whether it still owns its batch."""
        self.gate.touch()
        self.process.resume()
        await wait_until(lambda: any(line in {"moved", "owned"} for line in self.lines))


@pytest.fixture
async def impatient_group(kafka: KafkaServers, topic_prefix: str) -> KafkaGroup:
    """A group that removes a member after 3 seconds without a heartbeat."""
    return await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=4, kafka_session_timeout_ms=3_000)


@pytest.mark.promise("P2")
async def test_join_and_leave_keep_every_record_and_its_order(wide_group: KafkaGroup) -> None:
    """A second member joins and leaves in the middle of the work."""
    log: dict[bytes | None, list[WorkPeriod]] = defaultdict(list)
    first, second = SlowHandler("first", log), SlowHandler("second", log)
    await wide_group.produce_events(range(3_000), people=100)

    async with wide_group.run_member(first, max_records=10):
        await wait_until(lambda: len(first.incoming) > 200)
        leaving = wide_group.make_member(second, max_records=10)
        await leaving.start()
        await wait_until(lambda: len(second.incoming) > 200)
        await leaving.stop()
        await wide_group.wait_until_committed(3_000)

    assert second.incoming
    assert find_overlaps(log) == []
    assert sorted(first.revisions + second.revisions) == [*range(3_000)]
    assert sorted(await wide_group.read_result_revisions()) == [*range(3_000)]
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await wide_group.read_records(RESULTS):
        by_key[record.key].append(int(record.value))
    assert all(revisions == sorted(revisions) for revisions in by_key.values())


async def test_rebalance_waits_for_the_batch_in_progress(wide_group: KafkaGroup) -> None:
    """Without that, two members would process the same partition at once."""
    handler, other = GatedHandler(), RecordingHandler()
    await wide_group.produce_events(range(40), people=20)

    async with wide_group.run_member(handler, max_records=500) as member:
        await handler.started.wait()
        joining = wide_group.make_member(other)
        starting = asyncio.create_task(joining.start())
        await wait_until(lambda: member.consumer.membership.ownership.is_ending)  # the other one asks to join
        handler.gate.set()
        await starting
        await wide_group.produce_events(range(40, 80), people=20)
        await wide_group.wait_until_committed(80)
        await joining.stop()

    assert handler.moved is None
    assert other.revisions, "it has partitions"
    assert sorted(handler.revisions + other.revisions) == [*range(80)]


async def test_batch_that_exceeds_the_drain_is_dropped(kafka: KafkaServers, topic_prefix: str) -> None:
    """The new owner of the partitions handles its records."""
    group = await create_group(
        kafka.bootstrap_servers,
        topic_prefix,
        kafka_partitions=4,
        kafka_session_timeout_ms=3_000,
        kafka_rebalance_timeout_ms=4_000,
    )
    handler, other = GatedHandler(), RecordingHandler()
    await group.produce_events(range(40), people=20)

    async with group.run_member(handler, max_records=500) as member:
        await handler.started.wait()
        async with group.run_member(other):
            await wait_until(lambda: other.revisions)
            handler.gate.set()
            await handler.ended.wait()
            assert handler.moved is not None
            await group.wait_until_committed(40)
            assert member.read_metric("sync_batches_total", result="dropped") == 1

    assert sorted(handler.revisions + other.revisions) == [*range(40)]
    assert sorted(await group.read_result_revisions()) == [*range(40)]


async def test_suspended_member_drops_its_batch(impatient_group: KafkaGroup, tmp_path: Path) -> None:
    """The other member has done the work, although the partitions came back."""
    suspended, other = SuspendableMember(impatient_group, tmp_path), RecordingHandler()
    await impatient_group.produce_events(range(40), people=20)

    async with suspended.process:
        await suspended.suspend_in_a_batch()
        async with impatient_group.run_member(other):
            await impatient_group.wait_until_committed(40)
        await suspended.resume()
        await impatient_group.produce_events(range(40, 60), people=20)
        await impatient_group.wait_until_committed(60)
        assert "moved" in suspended.lines
        # after it has joined again, it may read records of the other member once more: a commit from before the suspension can
        # reach Kafka while the group is empty, and bring an offset back
        handled = {int(line.removeprefix("handled ")) for line in suspended.lines if line.startswith("handled ")}
        assert handled >= {*range(40, 60)}

    assert sorted(other.revisions) == [*range(40)]


async def test_suspended_only_member_repeats_its_batch(impatient_group: KafkaGroup, tmp_path: Path) -> None:
    """No other member has taken over, but the suspended one cannot know that."""
    suspended = SuspendableMember(impatient_group, tmp_path)
    await impatient_group.produce_events(range(40), people=20)

    async with suspended.process:
        await suspended.suspend_in_a_batch()
        await asyncio.sleep(impatient_group.settings.kafka_session_timeout_ms / 1000 + 0.5)
        await suspended.resume()
        await impatient_group.wait_until_committed(40)
        assert "moved" in suspended.lines

    assert sorted(await impatient_group.read_result_revisions()) == [*range(40)]


async def test_short_suspension_keeps_the_batch(impatient_group: KafkaGroup, tmp_path: Path) -> None:
    """A member that continues within the session timeout still owns its batch."""
    suspended = SuspendableMember(impatient_group, tmp_path)
    await impatient_group.produce_events(range(40), people=20)

    async with suspended.process:
        await suspended.suspend_in_a_batch()
        await suspended.resume()
        await impatient_group.wait_until_committed(40)
        assert "owned" in suspended.lines
