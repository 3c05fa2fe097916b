"""Kafka loses its data, or its topics are replaced, while members run. These tests have a Kafka of their own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from sandbox.stack.kafka import Kafka
from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.kafka.topic_watch import TopicWatch
from services.runtime.kafka.topics import create_topics
from tests.kafka.group import RESULTS, SOURCE, FastClock, KafkaGroup, Member, RecordingHandler, create_group
from tests.kafka.node import ensure_running, publish_until_acknowledged, run_publisher
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(90)]

SOON = 20.0
"""Seconds within which a member reads again: the session timeout, a check of the topics and a rebalance on a busy machine."""
STALLED = 60.0
"""Seconds without progress that the members are allowed: longer than each test waits for a reason."""


@pytest.fixture
async def group(node: Kafka, topic_prefix: str) -> KafkaGroup:
    """A group on topics with one partition, on the Kafka of this module."""
    await ensure_running(node)
    return await create_group(node.bootstrap_servers, topic_prefix, kafka_session_timeout_ms=3_000)


async def lose_data(node: Kafka) -> None:
    """Stops Kafka, deletes its data and starts it without any topic."""
    await node.erase()
    await node.start()


async def recreate_source(group: KafkaGroup, records: int) -> None:
    """Deletes the source topic, creates it again, and produces that many events."""
    admin = AIOKafkaAdminClient(bootstrap_servers=group.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([group.settings.topic(SOURCE)])

        async def is_deleted() -> bool:
            return group.settings.topic(SOURCE) not in await admin.list_topics()

        await wait_until(is_deleted)
    finally:
        await admin.close()
    await create_topics(group.settings)
    await group.produce_events(range(100, 100 + records))


def run_unnoticed(work: Coroutine[Any, Any, None]) -> None:
    """Runs the work while this event loop stands still, as if the process with the members was suspended."""
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()


async def find_problem(member: Member) -> str | None:
    """Returns why a process with this member is not ready: what the checks of mapper and writer say."""
    return await member.topics.check_readiness() or await member.consumer.check_readiness(STALLED)


async def wait_until_ready(member: Member) -> None:
    """Returns once the member is ready."""

    async def is_ready() -> bool:
        return await find_problem(member) is None

    await wait_until(is_ready, SOON)


async def wait_until_not_ready(check: Callable[[], Awaitable[str | None]], reason: str) -> None:
    """Returns once the check fails for this reason."""

    async def is_not_ready() -> bool:
        return reason in (await check() or "")

    await wait_until(is_not_ready, SOON)


# ------------------------------------------------------------ lost data


async def test_topics_created_after_lost_data_are_read_soon(node: Kafka, group: KafkaGroup) -> None:
    """A member without a topic asks for it every few seconds, and is not ready until it exists."""
    handler = RecordingHandler()
    await group.produce_events(range(5))

    async with group.run_member(handler) as member:
        await group.wait_until_committed(5)
        await lose_data(node)
        await wait_until_not_ready(partial(member.consumer.check_readiness, STALLED), "lacks the topic")
        await wait_until_not_ready(member.topics.check_readiness, "run `personio-declaree init`")
        await create_topics(group.settings)
        await group.produce_events(range(100, 103))
        await wait_until(lambda: {*handler.revisions} >= {100, 101, 102}, SOON)
        await wait_until_ready(member)
        assert member.fatal_reasons == []


async def test_longer_new_topic_is_read_from_its_beginning(group: KafkaGroup) -> None:
    """A member that has not noticed the deletion stands in the middle of the new topic. Kafka reports no error."""
    handler = RecordingHandler()
    await group.produce_events(range(5))

    async with group.run_member(handler) as member:
        await group.wait_until_committed(5)
        run_unnoticed(recreate_source(group, records=10))
        await wait_until(lambda: {*handler.revisions} >= {*range(100, 110)}, SOON)
        await group.wait_until_committed(10)
        await wait_until_ready(member)


async def test_batch_of_the_old_topic_moves_no_position_of_the_new(group: KafkaGroup) -> None:
    """A batch that is in progress while its topic is replaced is dropped: to give it back would skip new records."""
    started, gate = asyncio.Event(), asyncio.Event()

    class GatedHandler(RecordingHandler):
        """Fails its batch of the old topic after the gate has opened."""

        async def __call__(self, batch: Any) -> Any:
            if not gate.is_set():
                started.set()
                await gate.wait()
                raise UnknownTopicOrPartitionError
            return await super().__call__(batch)

    handler = GatedHandler()
    await group.produce_events(range(5))

    async with group.run_member(handler) as member:
        await started.wait()
        ownership = member.consumer.membership.ownership
        run_unnoticed(recreate_source(group, records=3))
        await wait_until(lambda: ownership.has_moved, SOON)
        gate.set()
        await wait_until(lambda: {*handler.revisions} >= {100, 101, 102}, SOON)
        await group.wait_until_committed(3)


async def test_failed_restart_on_replaced_topics_is_repeated(group: KafkaGroup) -> None:
    """The new ids count only after the service has restarted on the new topics."""
    calls: list[frozenset[Topic]] = []

    async def fail_once(replaced: frozenset[Topic]) -> None:
        calls.append(replaced)
        if len(calls) == 1:
            raise KafkaUnavailableError("not yet")

    watch = TopicWatch(group.settings, [SOURCE, RESULTS], clock=FastClock(), fatal=pytest.fail, on_replaced=fail_once)
    await watch.start()
    try:
        await recreate_source(group, records=0)
        await wait_until(lambda: len(calls) == 2, SOON)
        assert calls == [{SOURCE}, {SOURCE}]
    finally:
        await watch.stop()


# ------------------------------------------------------------ producers


async def test_producers_before_and_after_lost_data_lose_nothing(node: Kafka, group: KafkaGroup) -> None:
    """A Kafka without data gives the same producer ids again, and takes the batch of one producer for that of another."""
    async with group.run_member(RecordingHandler()) as member:
        await group.produce_events(range(5))
        await group.wait_until_committed(5)
        await lose_data(node)
        await create_topics(group.settings)
        await wait_until_ready(member)
        async with run_publisher(Publisher(group.settings, "new")) as new:
            await publish_until_acknowledged(member.publisher, [Record(RESULTS, b"key", b"1")])
            await publish_until_acknowledged(new, [Record(RESULTS, b"key", b"2")])

    assert await group.read_values(RESULTS) == [b"1", b"2"]


# ------------------------------------------------------------ readiness


async def test_member_is_not_ready_while_kafka_is_down(node: Kafka, group: KafkaGroup) -> None:
    """Without a connection, a fetch of aiokafka returns no records and no error, so the confirmation by the group decides."""
    async with group.run_member(RecordingHandler()) as member:
        await wait_until_ready(member)
        await node.stop()
        await wait_until_not_ready(
            partial(member.consumer.check_readiness, STALLED), "has not confirmed the membership"
        )
        await wait_until_not_ready(member.topics.check_readiness, "Kafka does not answer")
        await node.start()
        await wait_until_ready(member)


async def test_partition_without_answer_makes_the_consumer_not_ready(group: KafkaGroup) -> None:
    """Kafka confirms the membership, but the leader of a partition does not answer."""
    async with group.run_member(RecordingHandler()) as member:
        await wait_until_ready(member)
        consumer = member.consumer.consumer
        assert consumer is not None
        consumer.pause(*consumer.assignment())  # a partition that is not asked for gets no answers either
        await wait_until_not_ready(partial(member.consumer.check_readiness, 0.5), "has not answered for partition 0")
        assert await member.consumer.check_readiness(STALLED) is None
