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
from services.contracts.envelope import Record
from services.contracts.events import EmployeeChanged
from services.runtime.consumer import Batch, PartitionsMovedError
from tests.kafka.stage import ANSWERS, Seen, Stage, answers, staged, until
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Worked:
    member: str
    began: float
    ended: float


class Working(Seen):
    """Takes its time over each batch, and notes when it worked on whom."""

    def __init__(self, name: str, log: dict[bytes | None, list[Worked]], pace: float = 0.02) -> None:
        super().__init__()
        self.name, self.log, self.pace = name, log, pace

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        began = time.monotonic()
        await asyncio.sleep(self.pace)
        batch.ownership.check()
        self.note(batch)
        for key in {each.key for each in batch.events}:
            self.log[key].append(Worked(self.name, began, time.monotonic()))
        return answers(batch)


def together(log: dict[bytes | None, list[Worked]]) -> list[tuple[Worked, Worked]]:
    """Pieces of work on one person that overlapped in two members."""
    return [
        (one, other)
        for pieces in log.values()
        for one in pieces
        for other in pieces
        if one.member < other.member and one.began < other.ended and other.began < one.ended
    ]


async def test_a_member_joins_and_one_leaves_midway(four: Stage) -> None:
    log: dict[bytes | None, list[Worked]] = defaultdict(list)
    first, second = Working("first", log), Working("second", log)
    await four.produce_events(range(3_000), people=100)
    async with four.running(first, max_records=10):
        await until(lambda: len(first.incoming) > 200)
        leaving = four.member(second, max_records=10)
        await leaving.start()
        await until(lambda: len(second.incoming) > 200)
        await leaving.stop()
        await four.committed_all(3_000)
    assert second.incoming
    assert together(log) == []
    assert sorted(first.revisions + second.revisions) == [*range(3_000)]
    assert sorted(await four.answered()) == [*range(3_000)]
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await four.records(ANSWERS):
        by_key[record.key].append(int(record.value))
    assert all(revisions == sorted(revisions) for revisions in by_key.values())


class Held(Seen):
    """Works until the gate opens, then asks whether the batch is still its own."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.gate, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.moved: PartitionsMovedError | None = None

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        if not self.began.is_set():
            self.began.set()
            await self.gate.wait()
            try:
                batch.ownership.check()
            except PartitionsMovedError as error:
                self.moved = error
                raise
            finally:
                self.ended.set()
        self.note(batch)
        return answers(batch)


async def test_a_rebalance_waits_for_the_batch_in_work(four: Stage) -> None:
    held, other = Held(), Seen()
    await four.produce_events(range(40), people=20)
    async with four.running(held, max_records=500):
        await held.began.wait()
        joining = four.member(other)
        begun = asyncio.create_task(joining.start())
        await until(lambda: joining.consumption.membership._watched is not None)  # it asks to join
        held.gate.set()
        await begun
        await four.produce_events(range(40, 80), people=20)
        await four.committed_all(80)
        await joining.stop()
    assert held.moved is None
    assert other.revisions  # it has got partitions
    assert sorted(held.revisions + other.revisions) == [*range(80)]


async def test_a_batch_that_outlasts_the_drain_is_dropped(kafka: KafkaServers, topic_prefix: str) -> None:
    stage = await staged(
        kafka.bootstrap_servers,
        topic_prefix,
        kafka_partitions=4,
        kafka_session_timeout_ms=3_000,
        kafka_rebalance_timeout_ms=4_000,
    )
    held, other = Held(), Seen()
    await stage.produce_events(range(40), people=20)
    async with stage.running(held, max_records=500) as member:
        await held.began.wait()
        async with stage.running(other):
            await until(lambda: other.revisions)
            held.gate.set()
            await held.ended.wait()
            assert held.moved is not None
            await stage.committed_all(40)
            assert member.count("sync_batches_total", result="dropped") == 1
    assert sorted(held.revisions + other.revisions) == [*range(40)]
    assert sorted(await stage.answered()) == [*range(40)]


class Paused:
    """A member in a process of its own, which is stopped with SIGSTOP in the middle of a batch."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.gate = folder / "gate"
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": stage.settings.kafka_bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": stage.settings.kafka_topic_prefix,
            "KAFKA_SESSION_TIMEOUT_MS": str(stage.settings.kafka_session_timeout_ms),
            "GATE": str(self.gate),
        }
        command = [sys.executable, "-m", "tests.kafka.paused_member"]
        self.process = Process("paused", command, folder=folder, environment=environment)

    @property
    def said(self) -> list[str]:
        return self.process.log.read_text().splitlines() if self.process.log.exists() else []

    async def wake_at_the_gate(self) -> None:
        """What it does first after waking up is to ask whether the batch is still its own."""
        self.gate.touch()
        self.process.resume()
        await until(lambda: any(line in {"moved", "mine"} for line in self.said))


@pytest.fixture
async def short(kafka: KafkaServers, topic_prefix: str) -> Stage:
    """The group gives a silent member up after 3 seconds."""
    return await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=4, kafka_session_timeout_ms=3_000)


async def test_a_member_that_was_paused_finds_its_batch_moved_although_the_partitions_came_back(
    short: Stage, tmp_path: Path
) -> None:
    paused, other = Paused(short, tmp_path), Seen()
    await short.produce_events(range(40), people=20)
    async with paused.process:
        await until(lambda: "working" in paused.said)
        paused.process.pause()
        async with short.running(other):
            await short.committed_all(40)
        await paused.wake_at_the_gate()
        await short.produce_events(range(40, 60), people=20)
        await short.committed_all(60)
        assert "moved" in paused.said
        assert paused.said[-1] == "handled 20"  # nothing that the other one did
    assert sorted(other.revisions) == [*range(40)]


async def test_a_member_that_was_paused_alone_does_its_batch_again(short: Stage, tmp_path: Path) -> None:
    """Nobody took its place; yet somebody could have."""
    paused = Paused(short, tmp_path)
    await short.produce_events(range(40), people=20)
    async with paused.process:
        await until(lambda: "working" in paused.said)
        paused.process.pause()
        await asyncio.sleep(short.settings.kafka_session_timeout_ms / 1000 + 0.5)
        await paused.wake_at_the_gate()
        await short.committed_all(40)
        assert "moved" in paused.said
    assert sorted(await short.answered()) == [*range(40)]


async def test_a_short_pause_costs_nothing(short: Stage, tmp_path: Path) -> None:
    paused = Paused(short, tmp_path)
    await short.produce_events(range(40), people=20)
    async with paused.process:
        await until(lambda: "working" in paused.said)
        paused.process.pause()
        await paused.wake_at_the_gate()
        await short.committed_all(40)
        assert "mine" in paused.said
