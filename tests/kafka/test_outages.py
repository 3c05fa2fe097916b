"""Kafka is killed, stopped, suspended or not started yet. These tests have a Kafka of their own."""

import asyncio
import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import pytest

from sandbox.stack.kafka import Kafka
from services.contracts.cloudevents import Record
from services.runtime.clock import SystemClock
from services.runtime.kafka.publisher import KafkaUnavailableError, ProducerDeadError, Publisher
from services.runtime.kafka.replay import read_topic
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.settings import KafkaSettings, ProcessSettings
from tests.kafka.group import RESULTS, SOURCE, KafkaGroup, RecordingHandler, create_group
from tests.kafka.node import ensure_running, publish_until_acknowledged, run_publisher, start_with_retries
from tests.support.waiting import wait_until

T = TypeVar("T")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

KEYS = 9
"""Number of keys of the published numbers."""


@pytest.fixture
async def group(node: Kafka, topic_prefix: str) -> KafkaGroup:
    """A group on topics with four partitions, on the Kafka of this module."""
    await ensure_running(node)
    return await create_group(node.bootstrap_servers, topic_prefix, kafka_partitions=4)


# ------------------------------------------------------------ steps


async def resume(node: Kafka) -> None:
    """Lets a suspended Kafka continue. Its controller may have excluded it, and needs a moment to accept it again."""
    node.resume()
    await node.process.wait_until_ready()


@asynccontextmanager
async def run_task(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Runs the work during the block, and cancels it afterwards."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def stop_until_dead(node: Kafka, is_dead: Callable[[], bool], *, progress: Callable[[], int]) -> None:
    """Stops and starts Kafka until a producer in the middle of its work has died.

    It dies if the last metadata that it received says that its partition has no leader. If it did not receive that, it
    keeps trying and works again later.
    """
    while not is_dead():
        await ensure_running(node)
        before = progress()
        await wait_until(lambda: is_dead() or progress() > before + 10)  # noqa: B023 - it ends before the next round
        await node.stop()
        with contextlib.suppress(TimeoutError):
            await wait_until(is_dead, 5)


async def create_with_impatient_settings(node: Kafka, prefix: str) -> tuple[KafkaGroup, KafkaSettings]:
    """Returns a group with one partition, and settings with short timeouts for the producer that has to die."""
    await ensure_running(node)
    group = await create_group(node.bootstrap_servers, prefix)
    short = {"kafka_request_timeout_ms": 1_500, "kafka_publish_timeout_seconds": 10}
    return group, group.settings.model_copy(update=short)


async def read_first_positions(group: KafkaGroup) -> dict[bytes | None, list[int]]:
    """Returns the published numbers of each key in the order of their first record. A batch may be stored twice."""
    numbers: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await group.read_records(RESULTS):
        if record.key in {b"%d" % key for key in range(KEYS)} and int(record.value) not in numbers[record.key]:
            numbers[record.key].append(int(record.value))
    return numbers


# ------------------------------------------------------------ tests


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
async def test_killed_kafka_loses_no_record_and_no_order(node: Kafka, group: KafkaGroup) -> None:
    """Kafka is killed in the middle of publishing and consuming, and starts again."""
    publisher, handler = Publisher(group.settings, "publisher"), RecordingHandler()
    acknowledged, enough = 0, asyncio.Event()

    async def publish_numbers() -> None:
        nonlocal acknowledged
        while not enough.is_set():
            numbers = range(acknowledged, acknowledged + 20)
            batch = [Record(RESULTS, b"%d" % (number % KEYS), b"%d" % number) for number in numbers]
            await publish_until_acknowledged(publisher, batch)
            acknowledged += 20

    await group.produce_events(range(2_000), people=100)

    async with (
        group.run_member(handler, max_records=5) as member,
        run_publisher(publisher),
        run_task(publish_numbers()) as publishing,
    ):
        await wait_until(lambda: acknowledged >= 200 and len(handler.incoming) >= 200)
        await node.kill()
        before = acknowledged
        await node.start()
        await wait_until(lambda: acknowledged >= before + 200)
        enough.set()
        await publishing
        await group.wait_until_committed(2_000)
        assert member.fatal_reasons == []

    by_key = await read_first_positions(group)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert {number for numbers in by_key.values() for number in numbers} == {*range(acknowledged)}
    assert set(handler.revisions) == {*range(2_000)}


async def test_dead_producer_stays_dead_and_a_new_one_works(node: Kafka, topic_prefix: str) -> None:
    """A producer that waits too long for a leader gives a batch up, and Kafka rejects all later ones."""
    group, impatient = await create_with_impatient_settings(node, topic_prefix)
    publisher, number = Publisher(impatient, "publisher"), 0

    async def publish_numbers() -> None:
        nonlocal number
        while True:
            await publish_until_acknowledged(publisher, [Record(RESULTS, b"key", b"%d" % number)])
            number += 1

    async with run_publisher(publisher), run_task(publish_numbers()) as publishing:
        await stop_until_dead(node, publishing.done, progress=lambda: number)
        with pytest.raises(ProducerDeadError, match="LeaderNotAvailable"):
            await publishing
        await node.start()
        with pytest.raises(ProducerDeadError, match="LeaderNotAvailable"):
            await publisher.publish([Record(RESULTS, b"key", b"never")])
    async with run_publisher(Publisher(group.settings, "another")) as another:
        await another.publish([Record(RESULTS, b"key", b"again")])

    stored = dict.fromkeys(await group.read_values(RESULTS))
    acknowledged, given_up = [b"%d" % earlier for earlier in range(number)], b"%d" % number
    # Kafka may have stored the batch that was given up: then only its acknowledgement was lost
    assert [value for value in stored if value != given_up] == [*acknowledged, b"again"]


async def test_consumer_with_a_dead_producer_loses_nothing(node: Kafka, topic_prefix: str) -> None:
    """The consumer asks for the end of its process, and the next process continues."""
    group, impatient = await create_with_impatient_settings(node, topic_prefix)
    handler = RecordingHandler()

    class EndlessPublisher(Publisher):
        """Publishes its last batch again and again, so that Kafka stops in the middle of a publish."""

        published = 0

        async def start(self) -> None:
            await start_with_retries(super().start)

        async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
            while len(handler.incoming) > 50:
                await super().publish(records)
                self.published += 1
            return await super().publish(records)

    await group.produce_events(range(3_000), people=100)
    publisher = EndlessPublisher(impatient, "endless")

    async with group.run_member(handler, max_records=5, publisher=publisher) as member:
        await stop_until_dead(node, lambda: bool(member.fatal_reasons), progress=lambda: publisher.published)
        assert "the producer is dead" in member.fatal_reasons[0]
        await node.start()
    async with group.run_member(handler):
        await group.wait_until_committed(3_000)

    assert set(await group.read_result_revisions()) == {*range(3_000)}


async def test_publishing_to_a_hanging_kafka_times_out(node: Kafka, topic_prefix: str) -> None:
    """Kafka may have stored the record nevertheless, and any other one twice."""
    await ensure_running(node)
    group = await create_group(node.bootstrap_servers, topic_prefix, kafka_publish_timeout_seconds=1)

    async with run_publisher(Publisher(group.settings, "publisher")) as publisher:
        await publish_until_acknowledged(publisher, [Record(RESULTS, b"key", b"0")])  # a new topic has no leader yet
        node.pause()
        try:
            with pytest.raises(KafkaUnavailableError, match="TimeoutError"):
                await publisher.publish([Record(RESULTS, b"key", b"1")])
        finally:
            await resume(node)
        await publish_until_acknowledged(publisher, [Record(RESULTS, b"key", b"2")])

    assert [*dict.fromkeys(await group.read_values(RESULTS))] == [b"0", b"1", b"2"]


async def test_reading_from_a_hanging_kafka_times_out(node: Kafka, topic_prefix: str) -> None:
    """A command that reads a topic ends with an error."""
    await ensure_running(node)
    group = await create_group(node.bootstrap_servers, topic_prefix, kafka_request_timeout_ms=5_000)
    await group.produce_events(range(6_000))  # three times the records of one fetch
    batches = read_topic(group.settings, SOURCE)
    await anext(batches)

    node.pause()
    try:
        with pytest.raises(KafkaUnavailableError, match="cannot be read"):
            async for _ in batches:
                pass
    finally:
        await resume(node)


async def test_process_waits_for_kafka_and_then_works(node: Kafka, group: KafkaGroup) -> None:
    """While it waits, the process is alive but not ready."""
    await group.produce_events(range(10))
    await node.stop()
    member, metrics = group.make_member(RecordingHandler()), Metrics()
    process = Process("waiting", ProcessSettings(http_port=0), SystemClock(), metrics)
    process.add("Kafka's producer", member.publisher)
    process.add("the work on batches", member.worker)
    process.add("Kafka", member.consumer)
    process.add_check("consumer", lambda: member.consumer.check_readiness(60))

    async with run_task(process.main()) as exit_code:
        await wait_until(lambda: process.http_port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.http_port}/health") as health:

            async def is_ready() -> bool:
                return (await health.get("/ready")).status_code == 200

            assert (await health.get("/live")).status_code == 200
            assert (await health.get("/ready")).status_code == 503
            await node.start()
            await wait_until(is_ready)
        await group.wait_until_committed(10)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await exit_code == 0
