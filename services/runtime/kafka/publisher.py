"""Publishes records: Kafka acknowledges all of them, or an error is raised. Keys keep their partition and their order.

``Publisher`` builds the batches of each partition itself. aiokafka's ``send`` costs a future, a hash and an entry in its
accumulator for each record; that work, not the network, limits its throughput.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.errors import ConnectorError, TransientError
from services.runtime.kafka.client import RECORD_MAX_BYTES, make_producer
from services.runtime.kafka.partitions import choose_partition
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 1_000_000
"""Maximum size in bytes of a published record. Below Kafka's limit, because its dead letter has more headers."""

MAX_CACHED_KEYS = 10_000
"""Maximum number of keys for which the partition is remembered."""

_HINTS = {
    MessageSizeTooLargeError: f"max.message.bytes of the topic has to be {RECORD_MAX_BYTES} at least",
    TopicAuthorizationFailedError: "KAFKA_SASL_USERNAME may not write to the topic",
}
"""What an administrator has to change, for errors that a restart does not resolve."""


class KafkaUnavailableError(TransientError):
    """Kafka did not acknowledge in time. It may have stored the records nevertheless: every reader is idempotent."""

    code: ClassVar[str] = "kafka-unavailable"


class ProducerDeadError(ConnectorError):
    """This producer can never publish again (https://github.com/aio-libs/aiokafka/issues/1017): restart the process.

    An idempotent producer numbers its batches and repeats each one until Kafka has stored it. aiokafka 0.14 gives a batch
    up when its partition has no leader for longer than the request timeout. The gap in the numbers makes Kafka reject all
    later batches.
    """

    code: ClassVar[str] = "producer-dead"


class Publisher:
    """The only way to produce records, as a part of a process."""

    def __init__(self, settings: KafkaSettings, name: str, metrics: Metrics | None = None) -> None:
        """``name`` identifies the producer in Kafka's logs. Without ``metrics`` nothing is counted."""
        self._settings = settings
        self._name = name
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._death: ProducerDeadError | None = None
        self._partitions: dict[tuple[Topic, bytes], int] = {}

    async def start(self) -> None:
        """Connects to Kafka. Raises ``KafkaUnavailableError``; it may then be called again."""
        self._producer, self._death = await self._connect(), None

    async def renew(self) -> None:
        """Replaces the producer by one with a new id, for a Kafka that has lost its data. Does nothing before ``start``.

        Raises ``KafkaUnavailableError``: the producer is then the old one.
        """
        if self._producer is None:
            return
        old, self._producer = self._producer, await self._connect()
        self._partitions.clear()  # the new topics may have another number of partitions
        await old.stop()

    async def _connect(self) -> AIOKafkaProducer:
        producer = make_producer(self._settings, self._name)
        try:
            async with asyncio.timeout(self._settings.kafka_request_timeout_ms / 1000):
                await producer.start()
        except (KafkaError, OSError) as error:
            await producer.stop()
            raise KafkaUnavailableError(
                f"Kafka does not answer ({type(error).__name__}): "
                "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
            ) from error
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Disconnects. Does nothing before ``start``."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Publishes the records and waits until Kafka has acknowledged them. Returns the oversized ones, which it skips.

        Raises ``KafkaUnavailableError``. Raises ``ProducerDeadError`` after a batch was given up, and then at every call:
        the batch either leaves a gap in the numbers or was stored, and the producer cannot know which.
        """
        if self._death is not None:
            raise ProducerDeadError(str(self._death))
        oversized = tuple(record for record in records if _is_oversized(record))
        sendable = [record for record in records if not _is_oversized(record)] if oversized else records
        try:
            async with asyncio.timeout(self._settings.kafka_publish_timeout_seconds):
                await self._send(sendable)
        except ProducerDeadError as error:
            self._death = error
            raise
        except (KafkaError, OSError) as error:
            raise KafkaUnavailableError(
                f"Kafka did not acknowledge ({type(error).__name__}): the records are sent again"
            ) from error
        if self._metrics is not None:
            for topic, count in Counter(record.topic for record in sendable).items():
                self._metrics.published.labels(topic.value).inc(count)
        return oversized

    async def _send(self, records: Iterable[Record]) -> None:
        producer = self._producer
        if producer is None:
            raise KafkaUnavailableError("the producer is not started")
        by_partition: dict[tuple[Topic, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, await self._choose_partition(producer, record)].append(record)
        sends = [self._send_to(producer, topic, number, batch) for (topic, number), batch in by_partition.items()]
        # wait for all of them, so that no record is still being sent when the caller tries again
        for result in await asyncio.gather(*sends, return_exceptions=True):
            if result is not None:
                raise result

    async def _choose_partition(self, producer: AIOKafkaProducer, record: Record) -> int:
        """Returns the partition of a record.

        The partition of a key is remembered, because the hash is slow.
        """
        cache_key = (record.topic, record.key or b"")
        cached = self._partitions.get(cache_key)
        if cached is not None and record.key is not None:
            return cached
        partitions = sorted(await producer.partitions_for(self._settings.topic(record.topic)))
        if len(self._partitions) >= MAX_CACHED_KEYS:
            self._partitions.clear()
        partition = choose_partition(record.key, partitions)
        if record.key is not None:
            self._partitions[cache_key] = partition
        return partition

    async def _send_to(
        self, producer: AIOKafkaProducer, topic: Topic, partition: int, records: Sequence[Record]
    ) -> None:
        """Sends the batches of one partition one after the other: no batch follows one that was lost."""
        name = self._settings.topic(topic)
        builder: BatchBuilder = producer.create_batch()
        for record in records:
            if not _append(builder, record):
                await _send_batch(producer, builder, name, partition)
                builder = producer.create_batch()
                _append(builder, record)  # an empty batch accepts a record of any size
        await _send_batch(producer, builder, name, partition)


async def _send_batch(producer: AIOKafkaProducer, builder: BatchBuilder, topic: str, partition: int) -> None:
    """Sends a batch and waits for its acknowledgement. Raises ``ProducerDeadError`` if the producer gave it up."""
    builder.close()
    try:
        acknowledgement = await producer.send_batch(builder, topic, partition=partition)
    except (KafkaTimeoutError, UnknownTopicOrPartitionError):
        raise  # the batch was not accepted: no number is lost
    except KafkaError as error:  # the producer's sender has ended, and tells why
        raise _build_death(error) from error
    try:
        await acknowledgement
    except KafkaError as error:
        raise _build_death(error) from error


def _build_death(error: BaseException) -> ProducerDeadError:
    hint = _HINTS.get(type(error))
    return ProducerDeadError(f"the producer is dead ({type(error).__name__}{f': {hint}' if hint else ''})")


def _append(builder: BatchBuilder, record: Record) -> bool:
    """Adds a record to a batch. Returns False if the batch is full."""
    appended = builder.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    return appended is not None


def _is_oversized(record: Record) -> bool:
    """Returns whether a record exceeds the limit. Dead letters have a higher limit, which their builder observes."""
    size = len(record.value or b"") + len(record.key or b"") + sum(len(n) + len(v) for n, v in record.headers)
    return size > MAX_RECORD_BYTES and record.topic is not Topic.DEAD_LETTERS
