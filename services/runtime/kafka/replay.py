"""Reads a topic without a consumer group, up to the end that the topic had at the start."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.contracts.topics import Topic
from services.runtime.kafka.client import build_client_options, stop_consumer
from services.runtime.kafka.fetcher import Fetcher
from services.runtime.kafka.partitions import choose_partition
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.settings import KafkaSettings

BATCH = 500
"""Maximum number of records that are read at once."""


class RecordedRecord(NamedTuple):
    """A record of a topic, as it is stored."""

    partition: int
    """Partition of the topic."""
    offset: int
    """Offset in the partition."""
    timestamp_ms: int
    """Kafka's timestamp of the record, in milliseconds."""
    key: bytes | None
    """The key; None if the record has none."""
    value: bytes | None
    """The value; None for a tombstone."""
    headers: Sequence[tuple[str, bytes | None]]
    """All headers, unchanged."""


async def read_topic(
    settings: KafkaSettings, topic: Topic, since_ms: int | None = None, *, key: bytes | None = None
) -> AsyncGenerator[tuple[RecordedRecord, ...], None]:
    """Yields batches of records, in order within each partition. Changes no group's offsets.

    ``since_ms`` skips records with an older timestamp; a negative one skips none. With a ``key``, yields the records with this key
    only, which are in one partition. Raises ``KafkaUnavailableError``.
    """
    consumer = AIOKafkaConsumer(
        **build_client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=30
    )
    try:
        await consumer.start()
        ends = await _assign(consumer, settings, settings.topic(topic), since_ms, key)
        while unread := await _find_unread(consumer, ends):
            batch = await _fetch_next(consumer, unread, settings.kafka_request_timeout_ms / 1000)
            records = tuple(
                _to_record(record)
                for record in batch
                if record.offset < ends[record.topic, record.partition] and key in {None, record.key}
            )
            if records:
                yield records
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"recorded events cannot be read ({type(error).__name__}): "
            "check that Kafka runs and that KAFKA_BOOTSTRAP_SERVERS is right"
        ) from error
    finally:
        await stop_consumer(consumer, consumer.stop())


def _to_record(record: ConsumerRecord) -> RecordedRecord:
    return RecordedRecord(
        record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
    )


async def find_partitions(settings: KafkaSettings, name: str) -> list[TopicPartition]:
    """Returns all partitions of a topic. Raises ``KafkaUnavailableError`` if Kafka lacks the topic."""
    partitions = await _list_partitions(settings, name)
    if not partitions:
        raise KafkaUnavailableError(f"Kafka lacks the topic {name}: run `personio-declaree init`")
    return partitions


async def _assign(
    consumer: AIOKafkaConsumer, settings: KafkaSettings, name: str, since_ms: int | None, key: bytes | None
) -> dict[TopicPartition, int]:
    """Assigns the wanted partitions and seeks to the first wanted record. Returns the present end of each partition."""
    partitions = await find_partitions(settings, name)
    if key is not None:
        number = choose_partition(key, sorted(partition.partition for partition in partitions))
        partitions = [TopicPartition(name, number)]
    consumer.assign(partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    if since_ms is None:
        return ends  # `auto_offset_reset` lets the consumer start at the beginning
    for partition, first in (await consumer.offsets_for_times(dict.fromkeys(partitions, max(since_ms, 0)))).items():
        # None: the partition has no record that new, so there is nothing to read
        consumer.seek(partition, first.offset if first is not None else ends[partition])
    return ends


async def _list_partitions(settings: KafkaSettings, name: str) -> list[TopicPartition]:
    """Returns the partitions of a topic; none if it does not exist. Does not create it."""
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        if name not in await admin.list_topics():
            return []
        topics = await admin.describe_topics([name])
    finally:
        await admin.close()
    return [TopicPartition(name, partition["partition"]) for topic in topics for partition in topic["partitions"]]


async def _find_unread(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> list[TopicPartition]:
    return [partition for partition, end in ends.items() if await consumer.position(partition) < end]


async def _fetch_next(
    consumer: AIOKafkaConsumer,
    partitions: list[TopicPartition],
    timeout: float,  # noqa: ASYNC109 - bounds the whole loop
) -> tuple[ConsumerRecord, ...]:
    """Returns the next records. Raises ``TimeoutError``, where aiokafka 0.14 would wait without a limit."""
    fetched: list[ConsumerRecord] = []
    fetcher = Fetcher(consumer, lambda _, records: fetched.extend(records))
    before = [await consumer.position(partition) for partition in partitions]
    async with asyncio.timeout(timeout):
        while True:
            await fetcher.fetch(max_records=BATCH, seconds=0.5, partitions=partitions)
            for partition in tuple(fetcher.unreadable):  # the consumer of the topic has made a dead letter of it
                await fetcher.skip(partition)
            if fetched or before != [await consumer.position(partition) for partition in partitions]:
                return tuple(fetched)
