"""Consuming in batches, at least once: decode, handle, publish, commit - in that order.

A record that cannot be read becomes a dead letter and blocks nobody. A transient error (MongoDB or Kafka away) reads
the batch again after a pause; an unexpected one brakes, and after several in a row ends the process.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from faststream.kafka import KafkaBroker, KafkaMessage

from services.contracts.envelope import Cause, DeadLetter, Headers, Record, UnreadableRecordError, cause_of, read_event
from services.contracts.events import Event
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.runtime.membership import Membership, Ownership, PartitionsMovedError, watch_heartbeats
from services.runtime.metrics import Metrics
from services.runtime.producer import ProducerDeadError, Publisher
from services.runtime.settings import KafkaSettings

__all__ = ["Batch", "Consumption", "Incoming", "Ownership", "PartitionsMovedError", "dead_letter"]

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
UNEXPECTED_IN_A_ROW = 8
"""So many unexpected errors in a row end the process: a bug is not healed by trying."""


@dataclass(frozen=True, slots=True)
class Incoming(Generic[E]):
    """A record that was read, and the event in it."""

    event: E
    cause: Cause
    topic: Topic
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    events: tuple[Incoming[E], ...]
    ownership: Ownership


def dead_letter(incoming: Incoming[Any], service: str, reason: str, clock: Clock) -> Record:
    """The dead letter of a record that a handler cannot place."""
    letter = DeadLetter(
        service=service,
        reason=reason,
        topic=incoming.topic.value,
        partition=incoming.partition,
        offset=incoming.offset,
        timestamp_ms=incoming.timestamp_ms,
        failed_at=clock.now(),
    )
    return letter.to_record(incoming.key, incoming.value)


async def _keep_bytes(message: Any) -> Any:
    """Decoding is done record by record, so that one bad record does not spoil its batch."""
    return message.body


async def _tolerant(message: Any, parse: Callable[[Any], Awaitable[Any]]) -> Any:
    """A header that is null or not UTF-8 would lose the whole batch: such values are replaced for FastStream's eyes."""
    if isinstance(message, tuple):
        return await parse(tuple(_with_safe_headers(record) for record in message))
    return await parse(_with_safe_headers(message))


def _with_safe_headers(record: ConsumerRecord) -> ConsumerRecord:
    safe = tuple((name, (value or b"").decode(errors="replace").encode()) for name, value in record.headers)
    return record if safe == tuple(record.headers) else replace(record, headers=safe)


class Consumption(Generic[E]):
    """One subscription. ``handler`` gives what is published before the batch is committed."""

    def __init__(
        self,
        *,
        service: str,
        source: Topic,
        event: type[E],
        handler: Callable[[Batch[E]], Awaitable[Sequence[Record]]],
        publisher: Publisher,
        settings: KafkaSettings,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        max_records: int,
    ) -> None:
        self._service = service
        self._source = source
        self._event = event
        self._handler = handler
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._fatal = fatal
        self._max_records = max_records
        self._pause = FIRST_PAUSE
        self._unexpected = 0
        self._progress = clock.monotonic()
        self.membership = Membership(
            clock, settings.kafka_session_timeout_ms / 1000, settings.kafka_rebalance_timeout_ms / 1000 * 0.8
        )
        self._subscriber: Any = None

    def subscribe(self, broker: KafkaBroker) -> None:
        self._subscriber = broker.subscriber(
            self._settings.topic(self._source),
            group_id=self._settings.group(self._service),
            auto_offset_reset="earliest",
            batch=True,
            max_records=self._max_records,
            batch_timeout_ms=20,
            fetch_max_wait_ms=30,
            max_partition_fetch_bytes=4 * 1_048_576,
            session_timeout_ms=self._settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=min(3_000, self._settings.kafka_session_timeout_ms // 3),
            rebalance_timeout_ms=self._settings.kafka_rebalance_timeout_ms,
            listener=self.membership,
            parser=_tolerant,
            decoder=_keep_bytes,
            no_reply=True,
        )
        self._subscriber(self.on_batch)

    def started(self) -> None:
        """To be called once the broker has started: from now on the group's confirmations are noted."""
        watch_heartbeats(self._subscriber.consumer, self.membership, self._clock)

    async def on_batch(self, message: KafkaMessage) -> None:
        with self.membership.busy() as ownership:
            try:
                await self._work(message.raw_message, ownership)
                await message.ack()
            except Exception as error:  # noqa: BLE001 - decided by kind below, and raised again
                self._seek_back(message)
                pause = self._after(error)
            else:
                self._progressed()
                return
        # outside of `busy`: a rebalance need not wait for the pause
        await self._clock.sleep(pause)
        raise _SoughtBackError

    async def _work(self, records: Sequence[ConsumerRecord], ownership: Ownership) -> None:
        events, letters = self._read(records)
        answers = await self._handler(Batch(events, ownership)) if events else ()
        refused = await self._publisher.publish([*letters, *answers])
        for record in refused:
            logger.error(
                "a record is too large for Kafka and was left out", extra={"person": (record.key or b"").decode()}
            )
        self._metrics.records.labels(self._source.value, "handled").inc(len(events))
        self._metrics.records.labels(self._source.value, "dead_letter").inc(len(letters))

    def _read(self, records: Sequence[ConsumerRecord]) -> tuple[tuple[Incoming[E], ...], list[Record]]:
        events: list[Incoming[E]] = []
        letters: list[Record] = []
        for record in records:
            try:
                event = read_event(self._event, record.value)
            except UnreadableRecordError as error:
                letters.append(self._letter(record, error))
            else:
                events.append(self._incoming(record, event))
        return tuple(events), letters

    def _incoming(self, record: ConsumerRecord, event: E) -> Incoming[E]:
        headers: Headers = tuple(record.headers)
        return Incoming(
            event,
            cause_of(headers),
            self._source,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
        )

    def _letter(self, record: ConsumerRecord, error: UnreadableRecordError) -> Record:
        where = {"topic": self._source.value, "partition": record.partition, "offset": record.offset}
        logger.warning("a record cannot be read: it is a dead letter now", extra={**where, "reason": str(error)})
        letter = DeadLetter(
            service=self._service,
            reason=error.reason,
            fields=",".join(error.fields),
            timestamp_ms=record.timestamp,
            failed_at=self._clock.now(),
            **where,
        )
        return letter.to_record(record.key, record.value)

    def _seek_back(self, message: KafkaMessage) -> None:
        """Of each partition that is still ours the batch is read again; what has moved, its new owner reads."""
        first: dict[TopicPartition, int] = {}
        for record in message.raw_message:
            place = TopicPartition(record.topic, record.partition)
            first[place] = min(first.get(place, record.offset), record.offset)
        for place, offset in first.items():
            try:
                message.consumer.seek(place, offset)
            except IllegalStateError:
                logger.info("a partition has moved away", extra={"partition": place.partition})

    def _after(self, error: Exception) -> float:
        """What an error means; gives the seconds to pause before the batch is read again."""
        match error:
            case PartitionsMovedError() | CommitFailedError():
                result, pause = "dropped", 0.0
                logger.info("a batch was dropped: %s", describe(error))
            case ProducerDeadError():
                result, pause = "failed", 0.0
                self._fatal(describe(error))
            case TransientError():
                result, pause = "retried", self._growing_pause()
                logger.warning("a batch is tried again in %.1f s: %s", pause, describe(error))
            case _:
                result, pause = "failed", self._growing_pause()
                self._unexpected += 1
                logger.error("an unexpected error; the batch is tried again", exc_info=error)
                if self._unexpected >= UNEXPECTED_IN_A_ROW:
                    self._fatal(f"{self._unexpected} unexpected errors in a row, the last: {describe(error)}")
        self._metrics.batches.labels(self._source.value, result).inc()
        return pause

    def _growing_pause(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause

    def _progressed(self) -> None:
        self._metrics.batches.labels(self._source.value, "done").inc()
        self._pause, self._unexpected, self._progress = FIRST_PAUSE, 0, self._clock.monotonic()

    async def ready(self, stalled_after: float) -> str | None:
        """None when assigned (or one replica more than there are partitions) and not stuck, else the reason."""
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        if consumer is None or self.membership.assigned is None:
            return "has not joined its consumer group yet"
        lag = 0
        for place in consumer.assignment():
            end = consumer.highwater(place)
            if end is not None:
                lag += max(0, end - await consumer.position(place))
        self._metrics.lag.labels(self._source.value).set(lag)
        idle = self._clock.monotonic() - self._progress
        if not lag:
            self._progress = self._clock.monotonic()
        return (
            f"no batch finished for {idle:.0f} s although {lag} records wait" if lag and idle > stalled_after else None
        )


class _SoughtBackError(Exception):
    """Tells FastStream not to commit; the consumer stands at the batch's beginning already."""
