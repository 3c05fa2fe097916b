"""Reads single records of topics again, for the dead letters that point to them."""

import asyncio
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.topics import Topic
from services.runtime.kafka.client import build_client_options, stop_consumer
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.settings import KafkaSettings


class OriginalRecords:
    """Records that dead letters point to. It connects to Kafka at the first read."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Does no I/O."""
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._consumer is not None:
            await stop_consumer(self._consumer, self._consumer.stop())

    async def read(self, letter: DeadLetter) -> ConsumerRecord | None:
        """Returns the record; None if Kafka has deleted it, or if it cannot be read. Raises ``KafkaUnavailableError``."""
        if letter.reason == DeadLetterReason.HEADER_NO_TEXT:
            return None
        partition = TopicPartition(self._settings.topic(Topic(letter.topic)), letter.partition)
        try:
            async with asyncio.timeout(self._settings.kafka_request_timeout_ms / 1000):
                record = await self._fetch(partition, letter.offset)
        except (KafkaError, OSError) as error:
            raise KafkaUnavailableError(
                f"a record cannot be read again ({type(error).__name__}): "
                "check that Kafka runs and that KAFKA_BOOTSTRAP_SERVERS is right"
            ) from error
        # after the loss of Kafka's data, another record has this offset
        is_same = record is not None and (record.offset, record.timestamp) == (letter.offset, letter.timestamp_ms)
        return record if is_same else None

    async def _fetch(self, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
        """Returns the first record from this offset on; None if the partition begins after it or ends before it."""
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                **build_client_options(self._settings), enable_auto_commit=False, auto_offset_reset="earliest"
            )
            await self._consumer.start()
        consumer = self._consumer
        consumer.assign([partition])
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        if not begin <= offset < end:
            return None
        consumer.seek(partition, offset)
        return await consumer.getone(partition)
