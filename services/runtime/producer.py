"""Publishing records: all acknowledged, or an error; keys keep their partition and their order.

Records are packed into batches per partition by ourselves: a future, a hash and an accumulator entry per record are
what makes a producer slow, not the network.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from services.contracts.envelope import Record
from services.contracts.topics import Topic
from services.errors import ConnectorError, TransientError
from services.runtime.kafka import make_producer
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 1_000_000
"""A record larger than this is refused for its own sake, so that its dead letter still fits with its headers."""
REMEMBERED_KEYS = 200_000


class KafkaUnavailableError(TransientError):
    """Kafka did not acknowledge in time. The records may arrive all the same: every reader is idempotent."""


class ProducerDeadError(ConnectorError):
    """This producer can never publish again (aiokafka #1017): the process has to end and be started anew."""


class Publisher:
    """The only way to produce. ``start`` raises ``KafkaUnavailableError`` while Kafka is away; call it again."""

    def __init__(self, settings: KafkaSettings, name: str, metrics: Metrics | None = None) -> None:
        self._settings = settings
        self._name = name
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[tuple[Topic, bytes], int] = {}
        self.dead = False

    async def start(self) -> None:
        producer = make_producer(self._settings, self._name)
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            await producer.stop()
            raise KafkaUnavailableError(
                f"Kafka does not answer ({type(error).__name__}): is it running, and is KAFKA_BOOTSTRAP_SERVERS right?"
            ) from error
        self._producer = producer

    async def stop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Returns the records that were refused for their own sake (too large); all others are acknowledged.

        Raises ``KafkaUnavailableError`` or ``ProducerDeadError``.
        """
        refused = tuple(
            record for record in records if _size(record) > MAX_RECORD_BYTES and not _is_dead_letter(record)
        )
        wanted = [record for record in records if record not in refused] if refused else records
        try:
            async with asyncio.timeout(self._settings.kafka_publish_timeout_seconds):
                await self._send(wanted)
        except (OutOfOrderSequenceNumber, UnknownProducerId, ProducerFenced) as error:
            self.dead = True
            raise ProducerDeadError(f"the producer is dead ({type(error).__name__}); the process ends") from error
        except (KafkaError, TimeoutError, OSError) as error:
            raise KafkaUnavailableError(
                f"Kafka did not acknowledge ({type(error).__name__}): it is tried again"
            ) from error
        if self._metrics is not None:
            for record in wanted:
                self._metrics.published.labels(record.topic.value).inc()
        return refused

    async def _send(self, records: Iterable[Record]) -> None:
        producer = self._producer
        if producer is None:
            raise KafkaUnavailableError("the producer is not started")
        by_partition: dict[tuple[Topic, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, await self._partition(producer, record)].append(record)
        sends = [self._send_partition(producer, *place, batch) for place, batch in by_partition.items()]
        await asyncio.gather(*sends)

    async def _partition(self, producer: AIOKafkaProducer, record: Record) -> int:
        place = (record.topic, record.key or b"")
        known = self._partitions.get(place)
        if known is not None:
            return known
        topic = self._settings.topic(record.topic)
        await producer.client._wait_on_metadata(topic)  # noqa: SLF001 - as `send` does; there is no public way
        if len(self._partitions) >= REMEMBERED_KEYS:
            self._partitions.clear()
        chosen: int = producer._partition(topic, None, None, None, record.key, None)  # noqa: SLF001 - as `send` does
        self._partitions[place] = chosen
        return chosen

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: Topic, partition: int, records: Sequence[Record]
    ) -> None:
        name = self._settings.topic(topic)
        acknowledged = []
        builder: BatchBuilder = producer.create_batch()
        for record in records:
            if _append(builder, record):
                continue
            if builder.record_count():
                builder.close()
                acknowledged.append(await producer.send_batch(builder, name, partition=partition))
                builder = producer.create_batch()
            if not _append(builder, record):
                # larger than a whole batch: goes alone
                acknowledged.append(
                    await producer.send(
                        name, record.value, key=record.key, headers=list(record.headers), partition=partition
                    )
                )
        if builder.record_count():
            builder.close()
            acknowledged.append(await producer.send_batch(builder, name, partition=partition))
        await asyncio.gather(*acknowledged)


def _append(builder: BatchBuilder, record: Record) -> bool:
    appended = builder.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    return appended is not None


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _is_dead_letter(record: Record) -> bool:
    return record.topic is Topic.DEAD_LETTERS
