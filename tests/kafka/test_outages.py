"""Kafka itself killed, stopped, or not there yet; on a Kafka of this module's own."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import pytest

from sandbox.stack.kafka import Kafka
from services.contracts.envelope import Record
from services.runtime.clock import SystemClock
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.producer import KafkaUnavailableError, ProducerDeadError, Publisher
from services.runtime.reader import recorded
from services.runtime.settings import KafkaSettings, ProcessSettings
from tests.kafka.stage import ANSWERS, DEADLINE, SOURCE, Seen, Stage, staged, until

T = TypeVar("T")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kafka]:
    folder = tmp_path_factory.mktemp("own-kafka")
    node = Kafka(folder)
    yield node
    await node.stop()
    shutil.rmtree(folder)


async def up(node: Kafka) -> None:
    """However the test before has left it."""
    if not node.running:
        await node.start()


@pytest.fixture
async def stage(node: Kafka, topic_prefix: str) -> Stage:
    await up(node)
    return await staged(node.bootstrap_servers, topic_prefix, kafka_partitions=4)


async def test_killed_and_restarted_midway_nothing_is_lost_and_the_order_is_kept(node: Kafka, stage: Stage) -> None:
    publisher, seen = Publisher(stage.settings, "publisher"), Seen()
    acknowledged, enough = 0, asyncio.Event()

    async def pump() -> None:
        nonlocal acknowledged
        while not enough.is_set():
            numbers = range(acknowledged, acknowledged + 20)
            batch = [Record(ANSWERS, b"%d" % (number % 9), b"%d" % number) for number in numbers]
            await publish_until_acknowledged(publisher, batch)
            acknowledged += 20

    await stage.produce_events(range(2_000), people=100)
    async with stage.running(seen, max_records=5) as member, started(publisher), running(pump()) as pumping:
        await until(lambda: acknowledged >= 200 and len(seen.incoming) >= 200)
        await node.kill()
        before = acknowledged
        await node.start()
        await until(lambda: acknowledged >= before + 200)
        enough.set()
        await pumping
        await stage.committed_all(2_000)
        assert member.fatal == []
    await assert_everything_arrived_in_order(stage, acknowledged)
    assert set(seen.revisions) == {*range(2_000)}


@asynccontextmanager
async def running(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Within it the work goes on; it never outlives the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def started(publisher: Publisher) -> AsyncIterator[Publisher]:
    try:
        await patiently(publisher.start)
        yield publisher
    finally:
        await publisher.stop()


async def patiently(start: Callable[[], Awaitable[None]]) -> None:
    """Also with short limits on a busy machine."""
    while True:
        with contextlib.suppress(KafkaUnavailableError):
            return await start()


async def publish_until_acknowledged(publisher: Publisher, batch: Sequence[Record]) -> None:
    while True:
        try:
            await publisher.publish(batch)
        except KafkaUnavailableError:
            continue
        return


async def assert_everything_arrived_in_order(stage: Stage, count: int) -> None:
    """A batch may come twice; what counts is where each number came first."""
    first_seen: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await stage.records(ANSWERS):
        if record.key in {b"%d" % key for key in range(9)} and int(record.value) not in first_seen[record.key]:
            first_seen[record.key].append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in first_seen.values())
    assert {number for numbers in first_seen.values() for number in numbers} == {*range(count)}


async def test_a_producer_that_waited_too_long_for_a_leader_stays_dead_and_a_new_one_works(
    node: Kafka, topic_prefix: str
) -> None:
    stage, impatient = await with_impatient_settings(node, topic_prefix)
    publisher, number = Publisher(impatient, "publisher"), 0

    async def pump() -> None:
        nonlocal number
        while True:
            await publish_until_acknowledged(publisher, [Record(ANSWERS, b"key", b"%d" % number)])
            number += 1

    async with started(publisher), running(pump()) as pumping:
        await stop_until(node, pumping.done, progress=lambda: number)
        with pytest.raises(ProducerDeadError, match="LeaderNotAvailable"):
            await pumping
        await node.start()
        with pytest.raises(ProducerDeadError, match="LeaderNotAvailable"):
            await publisher.publish([Record(ANSWERS, b"key", b"never")])
    async with started(Publisher(stage.settings, "another")) as another:
        await another.publish([Record(ANSWERS, b"key", b"again")])
    arrived = dict.fromkeys(await stage.values(ANSWERS))
    acknowledged, given_up = [b"%d" % each for each in range(number)], b"%d" % number
    # the batch given up may have been written: then it was its answer that the end of Kafka took
    assert [value for value in arrived if value != given_up] == [*acknowledged, b"again"]


async def test_a_consumer_whose_producer_has_died_asks_for_the_end_and_the_next_one_loses_nothing(
    node: Kafka, topic_prefix: str
) -> None:
    stage, impatient = await with_impatient_settings(node, topic_prefix)
    seen = Seen()

    class Talkative(Publisher):
        published = 0

        async def start(self) -> None:
            await patiently(super().start)

        async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
            while len(seen.incoming) > 50:  # again until nobody listens: in the midst of that Kafka goes away
                await super().publish(records)
                self.published += 1
            return await super().publish(records)

    await stage.produce_events(range(3_000), people=100)
    publisher = Talkative(impatient, "talkative")
    async with stage.running(seen, max_records=5, publisher=publisher) as member:
        await stop_until(node, lambda: bool(member.fatal), progress=lambda: publisher.published)
        assert "the producer is dead" in member.fatal[0]
        await node.start()
    async with stage.running(seen):
        await stage.committed_all(3_000)
    assert set(await stage.answered()) == {*range(3_000)}


async def stop_until(node: Kafka, dead: Callable[[], bool], *, progress: Callable[[], int]) -> None:
    """Kafka goes away in order, once more and more, until a producer in the midst of its work has died of it.

    It dies if the last that it heard of its partition is that nobody leads it; if it did not come to hear that, it goes
    on trying, and is none the worse for it.
    """
    while not dead():
        await up(node)
        so_far = progress()
        await until(lambda: dead() or progress() > so_far + 10)  # noqa: B023 - it ends before the next round begins
        await node.stop()
        with contextlib.suppress(TimeoutError):
            await until(dead, 5)


async def with_impatient_settings(node: Kafka, prefix: str) -> tuple[Stage, KafkaSettings]:
    """A stage with one partition; and settings for the one who is to give up soon, while all others have their time."""
    await up(node)
    stage = await staged(node.bootstrap_servers, prefix)
    short = {"kafka_request_timeout_ms": 1_500, "kafka_publish_timeout_seconds": 10}
    return stage, stage.settings.model_copy(update=short)


async def resumed(node: Kafka) -> None:
    """Its own controller may have taken it for dead meanwhile, and needs a moment to have it back."""
    node.resume()
    await node.process.wait_until_ready()


async def test_publishing_fails_in_time_while_kafka_hangs(node: Kafka, topic_prefix: str) -> None:
    await up(node)
    stage = await staged(node.bootstrap_servers, topic_prefix, kafka_publish_timeout_seconds=1)
    async with started(Publisher(stage.settings, "publisher")) as publisher:
        await publish_until_acknowledged(publisher, [Record(ANSWERS, b"key", b"0")])  # a new topic has no leader yet
        node.pause()
        try:
            with pytest.raises(KafkaUnavailableError, match="TimeoutError"):
                await publisher.publish([Record(ANSWERS, b"key", b"1")])
        finally:
            await resumed(node)
        await publish_until_acknowledged(publisher, [Record(ANSWERS, b"key", b"2")])
    # the 1 arrived all the same, and any other may have come twice: every reader has to bear both
    assert [*dict.fromkeys(await stage.values(ANSWERS))] == [b"0", b"1", b"2"]


async def test_reading_what_was_recorded_fails_in_time_while_kafka_hangs(node: Kafka, topic_prefix: str) -> None:
    await up(node)
    stage = await staged(node.bootstrap_servers, topic_prefix, kafka_request_timeout_ms=5_000)
    await stage.produce_events(range(6_000))  # three times what one fetch brings
    batches = recorded(stage.settings, SOURCE)
    await anext(batches)
    node.pause()
    try:
        with pytest.raises(KafkaUnavailableError, match="cannot be read"):
            async for _ in batches:
                pass
    finally:
        await resumed(node)


async def test_a_process_waits_for_kafka_and_then_works(node: Kafka, stage: Stage) -> None:
    """And says meanwhile that it is alive, but not ready."""
    await stage.produce_events(range(10))
    await node.stop()
    member, metrics = stage.member(Seen()), Metrics()
    process = Process("waiting", ProcessSettings(http_port=0), SystemClock(), metrics)
    process.add("Kafka's producer", member.publisher)
    process.add("Kafka", member.part)
    process.add_check("consumer", lambda: member.consumption.ready(60))
    async with running(process.main()) as ended:
        await until(lambda: process.http_port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.http_port}/health") as health:
            assert ((await health.get("/live")).status_code, (await health.get("/ready")).status_code) == (200, 503)
            await node.start()
            async with asyncio.timeout(DEADLINE):
                while (await health.get("/ready")).status_code != 200:  # noqa: ASYNC110 - there is no other way to ask
                    await asyncio.sleep(0.05)
        await stage.committed_all(10)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await ended == 0
