"""Waits until a service has consumed the present records of a topic."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.contracts.topics import Topic
from services.runtime.kafka.client import build_client_options, stop_consumer
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.replay import find_partitions
from services.runtime.settings import KafkaSettings

ASK_SECONDS = 0.2
"""Seconds between two questions for the offsets of a group."""


async def wait_until_consumed(
    settings: KafkaSettings, topic: Topic, service: str, *, seconds: float, keep_alive: Callable[[], Awaitable[None]]
) -> bool:
    """Waits until the group of a service has committed the present end of each partition of a topic.

    Calls ``keep_alive`` before each question. Returns False after ``seconds``. Raises ``KafkaUnavailableError``.
    """
    try:
        ranges = await read_ranges(settings, settings.topic(topic))
        ends = {partition: end for partition, (first, end) in ranges.items() if end > first}
        return await _wait(settings, settings.group(service), ends, seconds, keep_alive)
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"the progress of the {service} cannot be read ({type(error).__name__}): "
            "check that Kafka runs and that KAFKA_BOOTSTRAP_SERVERS is right"
        ) from error


async def read_ranges(settings: KafkaSettings, name: str) -> dict[TopicPartition, tuple[int, int]]:
    """Returns the first offset of each partition of a topic, and the offset after its last record."""
    consumer = AIOKafkaConsumer(**build_client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        partitions = await find_partitions(settings, name)
        beginnings: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    finally:
        await stop_consumer(consumer, consumer.stop())
    return {partition: (beginnings[partition], end) for partition, end in ends.items()}


async def _wait(
    settings: KafkaSettings,
    group: str,
    ends: dict[TopicPartition, int],
    seconds: float,
    keep_alive: Callable[[], Awaitable[None]],
) -> bool:
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await keep_alive()
            if await _has_committed(admin, group, ends):
                return True
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(ASK_SECONDS)
    finally:
        await admin.close()


async def _has_committed(admin: AIOKafkaAdminClient, group: str, ends: dict[TopicPartition, int]) -> bool:
    """Returns whether the group has committed these offsets. Before its first commit, Kafka may have no coordinator for it."""
    if not ends:
        return True
    try:
        committed = await admin.list_consumer_group_offsets(group)
    except KafkaError as error:
        if not error.retriable:
            raise
        return False
    return all(partition in committed and committed[partition].offset >= end for partition, end in ends.items())
