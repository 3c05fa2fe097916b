"""Consuming in batches, at least once: decode, handle, publish, commit - in that order.

A record that cannot be read becomes a dead letter and blocks nobody. A transient error (MongoDB or Kafka away) reads
the batch again after a pause; an unexpected one brakes, and after several in a row ends the process.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.message import AckStatus

from services.contracts.envelope import Record
from services.contracts.events import Event
from services.contracts.topics import Topic
from services.errors import ConnectorError, TransientError
from services.runtime.clock import Clock
from services.runtime.fetching import Fetching
from services.runtime.log import describe
from services.runtime.membership import Membership, Ownership, PartitionsMovedError
from services.runtime.metrics import Metrics
from services.runtime.producer import ProducerDeadError, Publisher
from services.runtime.progress import Progress
from services.runtime.reading import Batch, Incoming, Reader, dead_letter
from services.runtime.settings import KafkaSettings

__all__ = ["Batch", "Consumption", "Incoming", "Ownership", "PartitionsMovedError", "dead_letter"]

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
WATCH_SECONDS = 3.0
UNEXPECTED_IN_A_ROW = 8
"""So many unexpected errors in a row end the process: a bug is not healed by trying."""

Kind: TypeAlias = Literal["retried", "dropped", "failed", "dead"]
"""What an error means for its batch; of several errors the last in this order decides."""
KINDS: tuple[Kind, ...] = ("retried", "dropped", "failed", "dead")


class ConsumerDeadError(ConnectorError):
    """Nothing will ever be read again by this consumer: the process has to end and be started anew."""


def _kind(error: BaseException) -> Kind:
    match error:
        case BaseExceptionGroup():
            return max((_kind(each) for each in error.exceptions), key=KINDS.index)
        case ProducerDeadError():
            return "dead"
        case PartitionsMovedError() | CommitFailedError():
            return "dropped"
        case TransientError() | KafkaError():
            return "retried"
        case _:
            return "failed"


async def _keep_bytes(message: Any) -> Any:
    """Decoding is done record by record, so that one bad record does not spoil its batch."""
    return message.body


async def _tolerant(message: Any, parse: Callable[[Any], Awaitable[Any]]) -> Any:
    """A header that is null or not UTF-8 would lose the whole batch: such values are replaced for FastStream's eyes."""
    return await parse(tuple(_with_safe_headers(record) for record in message))


def _with_safe_headers(record: ConsumerRecord) -> ConsumerRecord:
    values = [value for _, value in record.headers]
    if None not in values and b"".join(values).isascii():
        return record
    safe = tuple((name, (value or b"").decode(errors="replace").encode()) for name, value in record.headers)
    return replace(record, headers=safe)


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
        handled_at_once: int | None = None,
    ) -> None:
        """``handled_at_once`` is how many records of a batch the handler gets at a time; None is all of them.

        What it answers is published for the whole batch. A handler that needs no more than one record at a time is
        quicker with few of them: their events are gone before they have left the processor's cache.
        """
        self._service = service
        self._source = source
        self._handler = handler
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._max_records = max_records
        self._handled_at_once = handled_at_once or max_records
        self._reader = Reader(service, source, event, clock)
        self._progress = Progress(clock)
        self._pause = FIRST_PAUSE
        self._unexpected = 0
        self._moves = 0
        self._subscriber: Any = None
        self._died_of: str | None = None
        self.fatal = fatal
        self._heartbeat_ms = min(3_000, settings.kafka_session_timeout_ms // 3)
        # a rebalance is learnt of with the next heartbeat; after it, we have to be back before the group goes on
        drain_ms = max(0, settings.kafka_rebalance_timeout_ms - self._heartbeat_ms) * 0.8
        self.membership = Membership(clock, settings.kafka_session_timeout_ms / 1000, drain_ms / 1000)

    # ------------------------------------------------------------ life

    def subscribe(self, broker: KafkaBroker) -> None:
        self._subscriber = broker.subscriber(
            self._settings.topic(self._source),
            group_id=self._settings.group(self._service),
            auto_offset_reset="earliest",
            batch=True,
            max_records=self._max_records,
            batch_timeout_ms=20,
            fetch_max_wait_ms=100,  # at rest it is this that a consumer costs; records are answered at once
            max_partition_fetch_bytes=4 * 1_048_576,
            session_timeout_ms=self._settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=self._heartbeat_ms,
            rebalance_timeout_ms=self._settings.kafka_rebalance_timeout_ms,
            listener=self.membership,
            parser=_tolerant,
            decoder=_keep_bytes,
            no_reply=True,
        )
        self._subscriber(self.on_batch)
        consumer_of = self._subscriber
        self.membership.watch(lambda: consumer_of.consumer._coordinator)  # noqa: SLF001 - see there

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """None before the start, and after FastStream has stopped it."""
        return self._subscriber.consumer if self._subscriber is not None else None

    def started(self) -> None:
        """To be called once the broker has started: from now on each look for records is noted."""
        consumer = self._subscriber.consumer
        fetching = Fetching(consumer, consumer.getmany, self._taking)

        async def noted(**options: Any) -> Any:
            return await self._look(fetching, options)

        consumer.getmany = noted
        self._progress.looked()

    async def watch(self) -> None:
        """Ends with ``ConsumerDeadError`` when the consumer has died in a way that nothing else notices."""
        before = None
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            # seen twice in a row: FastStream begins anew after an error, and before it does nothing runs
            if (reason := self.dead()) and before:
                self._died_of = before
                raise ConsumerDeadError(before)
            before = reason

    def dead(self) -> str | None:
        """Which of the consumer's own tasks has ended for good, if any: the first, which the others then follow."""
        if self._died_of is not None:
            return self._died_of
        consumer = self.consumer
        if consumer is None or not self._subscriber.tasks:
            return "its consumer has ended"
        if consumer._coordinator._coordination_task.done():  # noqa: SLF001 - there is no public way to know
            return "its membership in the group has ended"
        if consumer._fetcher._fetch_task.done():  # noqa: SLF001 - as above
            return "its fetching has ended"
        return "its consumer has ended" if all(task.done() for task in self._subscriber.tasks) else None

    # ------------------------------------------------------------ work

    async def _look(self, fetching: Fetching, options: dict[str, Any]) -> Any:
        """Fetches; FastStream repeats it after 5 s (15 s for a missing codec) where Kafka is at fault, else at once."""
        try:
            # nothing has been taken yet, so nothing is lost if this fails
            for place, offset in tuple(fetching.unreadable.items()):
                await self._pass_over(fetching, place, offset)
            found = await fetching.look(most=options["max_records"], timeout_ms=options["timeout_ms"])
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            logger.warning("records cannot be fetched now: %s", describe(error))
            raise
        except Exception as error:
            await self._clock.sleep(self._after(error))
            raise
        self._progress.looked()
        return found

    async def _pass_over(self, fetching: Fetching, place: TopicPartition, offset: int) -> None:
        if await fetching.stands_at(place, offset):
            await self._publisher.publish([self._reader.without_content(place.partition, offset)])
            self._metrics.records.labels(self._source.value, "dead_letter").inc()
        if await fetching.pass_over(place):
            await fetching.consumer.commit({place: offset + 1})

    def _taking(self) -> None:
        self._moves = self.membership.moves

    async def on_batch(self, message: KafkaMessage) -> None:
        self._progress.took(len(message.raw_message))
        with self.membership.busy(self._moves) as ownership:
            try:
                await self._work(message.raw_message, ownership)
                await message.ack()
            except Exception as error:  # noqa: BLE001 - decided by kind
                pause = self._after(error)
                self._give_back(message, ownership)
            else:
                self._done()
                return
        # outside of `busy`: a rebalance need not wait for the pause
        await self._clock.sleep(pause)

    async def _work(self, records: Sequence[ConsumerRecord], ownership: Ownership) -> None:
        letters: list[Record] = []
        answers: list[Record] = []
        for first in range(0, len(records), self._handled_at_once):
            events, unreadable = self._reader.read(records[first : first + self._handled_at_once])
            letters += unreadable
            if events:
                answers += await self._handler(Batch(events, ownership))
            await asyncio.sleep(0)  # heartbeats and health checks get their turn
        ownership.check()
        refused = await self._publisher.publish([*letters, *answers])
        if refused:
            too_large = self._reader.too_large(records, refused)
            await self._publisher.publish(too_large)
            letters += too_large
        self._metrics.records.labels(self._source.value, "handled").inc(len(records) - len(letters))
        self._metrics.records.labels(self._source.value, "dead_letter").inc(len(letters))

    def _done(self) -> None:
        self._metrics.batches.labels(self._source.value, "done").inc()
        self._pause, self._unexpected = FIRST_PAUSE, 0
        self._progress.finished()

    def _give_back(self, message: KafkaMessage, ownership: Ownership) -> None:
        """Of partitions that are still ours the batch is read again; of others the group knows where to go on."""
        message.committed = AckStatus.NACKED  # FastStream has nothing left to do
        self._progress.given_back()
        if ownership.moved:
            return
        first: dict[TopicPartition, int] = {}
        for record in message.raw_message:
            place = TopicPartition(record.topic, record.partition)
            first[place] = min(first.get(place, record.offset), record.offset)
        for place, offset in first.items():
            with contextlib.suppress(IllegalStateError):
                message.consumer.seek(place, offset)

    def _after(self, error: Exception) -> float:
        """What an error means; gives the seconds to pause before records are read again."""
        kind, pause = _kind(error), self._growing_pause()
        match kind:
            case "retried":
                logger.warning("a batch is tried again in %.1f s: %s", pause, describe(error))
            case "dropped":
                logger.info("a batch was dropped: %s", describe(error))
                if isinstance(error, CommitFailedError):
                    self.membership.lost()
            case "failed":
                self._unexpected += 1
                logger.error("an unexpected error; the batch is tried again", exc_info=error)
                if self._unexpected >= UNEXPECTED_IN_A_ROW:
                    self.fatal(f"{self._unexpected} unexpected errors in a row, the last: {describe(error)}")
            case "dead":
                self.fatal(describe(error))
        result = "failed" if kind == "dead" else kind
        self._metrics.batches.labels(self._source.value, result).inc()
        return pause

    def _growing_pause(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause

    # ------------------------------------------------------------ health

    async def ready(self, stalled_after: float) -> str | None:
        """None when assigned (or one replica more than there are partitions) and getting on, else the reason."""
        consumer = self.consumer
        if consumer is None or self.membership.assigned is None:
            return "has not joined its consumer group yet"
        waiting = await _unread(consumer)
        self._metrics.lag.labels(self._source.value).set(waiting + self._progress.in_work)
        return self.dead() or self._progress.stuck(waiting, stalled_after)


async def _unread(consumer: AIOKafkaConsumer) -> int:
    waiting = 0
    for place in consumer.assignment():
        end = consumer.highwater(place)
        if end is not None:
            waiting += max(0, end - await consumer.position(place))
    return waiting
