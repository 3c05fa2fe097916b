"""The steps of one batch: decode, handle, publish, commit. A batch that fails is given back and read again."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaMessage
from faststream.message import AckStatus

from services.contracts.cloudevents import Record
from services.contracts.events import Event
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, Decoder
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.ownership import Membership, Ownership, PartitionsMovedError
from services.runtime.kafka.publisher import ProducerDeadError, Publisher
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

FIRST_PAUSE_SECONDS = 0.25
"""Pause after the first failure."""
LONGEST_PAUSE_SECONDS = 10.0
"""Upper limit of the pauses, which double with each failure."""
MAX_UNEXPECTED_ERRORS = 8
"""Number of unexpected errors in a row that end the process, because only a restart may still help."""


class BatchFailure(StrEnum):
    """What an error means for its batch. Of several errors, the last one in the order of the members decides."""

    RETRIED = "retried"
    """MongoDB or Kafka is unavailable: the batch is read again."""
    DROPPED = "dropped"
    """The partitions have moved: their new owner reads the records."""
    FAILED = "failed"
    """An unexpected error: the batch is read again, a limited number of times."""
    DEAD = "dead"
    """The producer can no longer publish: the process ends."""


_BY_SEVERITY = tuple(BatchFailure)


def classify_failure(error: BaseException) -> BatchFailure:
    """Returns what an error means for its batch. The gravest error of a group decides for the group."""
    match error:
        case BaseExceptionGroup():
            return max(map(classify_failure, error.exceptions), key=_BY_SEVERITY.index)
        case ProducerDeadError():
            return BatchFailure.DEAD
        case PartitionsMovedError() | CommitFailedError():
            return BatchFailure.DROPPED
        case TransientError() | KafkaError():
            return BatchFailure.RETRIED
        case _:
            return BatchFailure.FAILED


class BatchProcessor(Generic[E]):
    """Takes the batches of one subscription from decoding to the commit, or gives them back."""

    def __init__(
        self,
        *,
        source: Topic,
        decoder: Decoder[E],
        handler: Callable[[Batch[E]], Awaitable[Sequence[Record]]],
        publisher: Publisher,
        membership: Membership,
        liveness: Liveness,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        handler_batch_records: int,
    ) -> None:
        """``handler`` returns the records to publish before the batch is committed.

        ``handler_batch_records`` is the maximum number of records in one call of ``handler``.
        """
        self._source = source
        self._decoder = decoder
        self._handler = handler
        self._publisher = publisher
        self._membership = membership
        self._liveness = liveness
        self._clock = clock
        self._metrics = metrics
        self._fatal = fatal
        self._handler_batch_records = handler_batch_records
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._unexpected_errors = 0
        self._generation = 0

    def record_generation(self) -> None:
        """Remembers the present assignment generation. Call it before the first record of a batch is taken."""
        self._generation = self._membership.generation

    async def process(self, message: KafkaMessage) -> None:
        """Handles, publishes and commits a batch. After an error it gives the batch back and pauses.

        Raises ``asyncio.CancelledError`` only: every other error is logged and counted.
        """
        self._liveness.begin(len(message.raw_message))
        with self._membership.hold_batch(self._generation) as ownership:
            try:
                await self._handle_and_publish(message.raw_message, ownership)
                await message.ack()
            except Exception as error:  # noqa: BLE001 - the class of the error decides
                pause = self.record_failure(error)
                self._give_back(message, ownership)
            else:
                self._finish()
                return
        # the batch is no longer held here, so a rebalance does not wait for the pause
        await self._clock.sleep(pause)

    async def _handle_and_publish(self, records: Sequence[ConsumerRecord], ownership: Ownership) -> None:
        letters: list[Record] = []
        results: list[Record] = []
        for start in range(0, len(records), self._handler_batch_records):
            events, unreadable = self._decoder.decode(records[start : start + self._handler_batch_records])
            letters += unreadable
            if events:
                results += await self._handler(Batch(events, ownership))
            await asyncio.sleep(0)  # lets heartbeats and health checks run
        ownership.ensure_owned()
        oversized = await self._publisher.publish([*letters, *results])
        if oversized:
            oversized_letters = self._decoder.build_oversized_letters(records, oversized)
            await self._publisher.publish(oversized_letters)
            letters += oversized_letters
        self._metrics.records.labels(self._source.value, "handled").inc(len(records) - len(letters))
        self._metrics.records.labels(self._source.value, "dead_letter").inc(len(letters))

    def _finish(self) -> None:
        self._metrics.batches.labels(self._source.value, "done").inc()
        self._backoff.reset()
        self._unexpected_errors = 0
        self._liveness.finish()

    def _give_back(self, message: KafkaMessage, ownership: Ownership) -> None:
        """Seeks back so that the batch is read again. Does nothing if the partitions have moved.

        The new owner of moved partitions resumes from the committed offset.
        """
        message.committed = AckStatus.NACKED  # keeps FastStream from a second acknowledgement
        self._liveness.give_back()
        if ownership.has_moved:
            return
        first_offsets: dict[TopicPartition, int] = {}
        for record in message.raw_message:
            partition = TopicPartition(record.topic, record.partition)
            first_offsets[partition] = min(first_offsets.get(partition, record.offset), record.offset)
        for partition, offset in first_offsets.items():
            with contextlib.suppress(IllegalStateError):
                message.consumer.seek(partition, offset)

    def record_failure(self, error: Exception) -> float:
        """Logs and counts an error, and ends the process if it must. Returns the pause before the next attempt in seconds."""
        failure, pause = classify_failure(error), self._backoff.next_pause()
        match failure:
            case BatchFailure.RETRIED:
                logger.warning("batch failed; retry in %.1f s: %s", pause, describe(error))
            case BatchFailure.DROPPED:
                logger.info("batch dropped: %s", describe(error))
                if isinstance(error, CommitFailedError):
                    self._membership.record_loss()
            case BatchFailure.FAILED:
                self._unexpected_errors += 1
                logger.error("unexpected error in a batch; retry in %.1f s", pause, exc_info=error)
                if self._unexpected_errors >= MAX_UNEXPECTED_ERRORS:
                    self._fatal(f"{self._unexpected_errors} unexpected errors in a row (last: {describe(error)})")
            case BatchFailure.DEAD:
                self._fatal(describe(error))
        result = BatchFailure.FAILED if failure is BatchFailure.DEAD else failure
        self._metrics.batches.labels(self._source.value, result.value).inc()
        return pause
