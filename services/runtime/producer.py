"""Publishing records: all acknowledged, or an error; keys keep their partition and their order.

Records are packed into batches per partition by ourselves: a future, a hash and an accumulator entry per record are
what makes a producer slow, not the network.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAuthorizationFailedError
from aiokafka.producer.message_accumulator import BatchBuilder

from services.contracts.envelope import Record
from services.contracts.topics import Topic
from services.errors import ConnectorError, TransientError
from services.runtime.kafka import RECORD_MAX_BYTES, make_producer
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 1_000_000
"""A record larger than this is refused for its own sake, so that its dead letter still fits with its headers."""
REMEMBERED_KEYS = 200_000

WHY = {
    MessageSizeTooLargeError: f"max.message.bytes of the topic has to be {RECORD_MAX_BYTES} at least",
    TopicAuthorizationFailedError: "KAFKA_SASL_USERNAME may not write to the topic",
}


class KafkaUnavailableError(TransientError):
    """Kafka did not acknowledge in time. The records may arrive all the same: every reader is idempotent."""


class ProducerDeadError(ConnectorError):
    """This producer can never publish again (aiokafka #1017): the process has to end and be started anew.

    An idempotent producer numbers its batches. It repeats one until Kafka has it; one that it gives up - because no
    leader was known for longer than the request timeout, say - leaves a gap, and whatever follows is out of order.
    """


class Publisher:
    """The only way to produce. ``start`` raises ``KafkaUnavailableError`` while Kafka is away; call it again."""

    def __init__(self, settings: KafkaSettings, name: str, metrics: Metrics | None = None) -> None:
        self._settings = settings
        self._name = name
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._died: ProducerDeadError | None = None
        self._partitions: dict[tuple[Topic, bytes], int] = {}

    async def start(self) -> None:
        producer = make_producer(self._settings, self._name)
        try:
            async with asyncio.timeout(self._settings.kafka_request_timeout_ms / 1000):
                await producer.start()
        except (KafkaError, OSError) as error:
            await producer.stop()
            raise KafkaUnavailableError(
                f"Kafka does not answer ({type(error).__name__}): is it running, and is KAFKA_BOOTSTRAP_SERVERS right?"
            ) from error
        except BaseException:
            await producer.stop()
            raise
        self._producer, self._died = producer, None

    async def stop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Returns the records that were refused for their own sake (too large); all others are acknowledged.

        Raises ``KafkaUnavailableError``, or ``ProducerDeadError``: that from then on at every call, for a batch that was
        given up either leaves a gap or was written after all, and nobody can tell which.
        """
        if self._died is not None:
            raise ProducerDeadError(str(self._died))
        refused = tuple(record for record in records if _is_too_large(record))
        wanted = [record for record in records if not _is_too_large(record)] if refused else records
        try:
            async with asyncio.timeout(self._settings.kafka_publish_timeout_seconds):
                await self._send(wanted)
        except ProducerDeadError as error:
            self._died = error
            raise
        except (KafkaError, OSError) as error:
            if self._producer is not None and self._producer._sender.sender_task.done():  # noqa: SLF001 - no public way
                self._died = _died(error)
                raise self._died from error
            raise KafkaUnavailableError(
                f"Kafka did not acknowledge ({type(error).__name__}): it is tried again"
            ) from error
        if self._metrics is not None:
            for topic, count in Counter(record.topic for record in wanted).items():
                self._metrics.published.labels(topic.value).inc(count)
        return refused

    async def _send(self, records: Iterable[Record]) -> None:
        producer = self._producer
        if producer is None:
            raise KafkaUnavailableError("the producer is not started")
        by_partition: dict[tuple[Topic, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, await self._partition(producer, record)].append(record)
        sends = [self._send_partition(producer, *place, batch) for place, batch in by_partition.items()]
        # all are waited for, so that nothing is still on its way when the caller begins anew
        for result in await asyncio.gather(*sends, return_exceptions=True):
            if result is not None:
                raise result

    async def _partition(self, producer: AIOKafkaProducer, record: Record) -> int:
        """As the producer chooses it; remembered, since it is a hash over the key. Without a key it is any."""
        place = (record.topic, record.key or b"")
        known = self._partitions.get(place)
        if known is not None and record.key is not None:
            return known
        topic = self._settings.topic(record.topic)
        await producer.client._wait_on_metadata(topic)  # noqa: SLF001 - as `send` does; there is no public way
        if len(self._partitions) >= REMEMBERED_KEYS:
            self._partitions.clear()
        chosen: int = producer._partition(topic, None, None, None, record.key, record.value)  # noqa: SLF001 - as `send` does
        if record.key is not None:
            self._partitions[place] = chosen
        return chosen

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: Topic, partition: int, records: Sequence[Record]
    ) -> None:
        """One batch after the other, each once the one before is acknowledged: a lost one is followed by none."""
        name = self._settings.topic(topic)
        builder: BatchBuilder = producer.create_batch()
        for record in records:
            if not _append(builder, record):
                await _acknowledged(producer, builder, name, partition)
                builder = producer.create_batch()
                _append(builder, record)  # an empty one takes a record of any size
        await _acknowledged(producer, builder, name, partition)


async def _acknowledged(producer: AIOKafkaProducer, builder: BatchBuilder, topic: str, partition: int) -> None:
    builder.close()
    sent = await producer.send_batch(builder, topic, partition=partition)
    try:
        await sent
    except KafkaError as error:
        raise _died(error) from error


def _died(error: BaseException) -> ProducerDeadError:
    why = WHY.get(type(error))
    return ProducerDeadError(f"the producer is dead ({type(error).__name__}{f': {why}' if why else ''})")


def _append(builder: BatchBuilder, record: Record) -> bool:
    appended = builder.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
    return appended is not None


def _is_too_large(record: Record) -> bool:
    """Dead letters have a topic that takes more, and whoever makes them sees to their size."""
    size = len(record.value or b"") + len(record.key or b"") + sum(len(n) + len(v) for n, v in record.headers)
    return size > MAX_RECORD_BYTES and record.topic is not Topic.DEAD_LETTERS
