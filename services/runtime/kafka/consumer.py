"""One subscription of a service and its life: join the group, fetch, hand over, commit what is settled, leave the group.

Delivery is at least once. A record that cannot be read becomes a dead letter and delays no other record.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from services.contracts.events import Event
from services.contracts.topics import Topic
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.client import count_members, make_consumer, stop_consumer
from services.runtime.kafka.commits import Committer
from services.runtime.kafka.decoding import Batch, Decoder
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.fetcher import Fetcher
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.ownership import Membership, Ownership
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.readiness import Readiness
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

E = TypeVar("E", bound=Event)

FETCH_SECONDS = 5.0
"""Longest time that one fetch waits for a record, or for the confirmation of the membership."""
ANSWER_SECONDS = 3.0
"""Seconds within which Kafka answers a question, if it works."""
PUBLISHED_AT_ONCE = 100
"""Number of dead letters that are published together."""


class ConsumerDeadError(ConnectorError):
    """The consumer works no longer although Kafka answers: the process has to be restarted."""

    code: ClassVar[str] = "consumer-dead"


class Receiver(Protocol[E]):
    """Works on the records of a subscription."""

    @property
    def has_room(self) -> bool:
        """Whether more records are taken now."""
        ...

    def receive(self, batch: Batch[E]) -> None:
        """Takes records. It settles each of them with ``batch.ownership`` in the end, in any order."""
        ...

    async def finish(self) -> None:
        """Finishes the work in progress, and forgets the rest: it is read again. Called before partitions move."""
        ...


class Consumer(Generic[E]):
    """One subscription, as a part of a process. ``start`` joins the group; ``stop`` finishes the work in progress.

    The partitions wait for Kafka and for the receiver's room only.
    """

    def __init__(
        self,
        *,
        service: str,
        name: str,
        source: Topic,
        event: type[E],
        receiver: Receiver[E],
        results: ResultPublisher,
        settings: KafkaSettings,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        max_records: int,
        graceful_timeout: float,
        connect: Callable[[KafkaSettings, str, str], Any] = make_consumer,
    ) -> None:
        """``service`` names the consumer group, ``name`` this member in Kafka's logs. ``max_records`` limits a fetch.

        ``graceful_timeout`` limits the work in progress at ``stop``, in seconds. ``fatal`` ends the process. ``connect``
        makes the consumer of aiokafka.
        """
        self._service = service
        self._name = name
        self._source = source
        self._topic = settings.topic(source)
        self._receiver = receiver
        self._results = results
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._max_records = max_records
        self._graceful_timeout = graceful_timeout
        self._connect = connect
        self._decoder = Decoder(service, source, event, clock)
        self._failures = Failures(source, metrics, fatal)
        self._liveness = Liveness(clock)
        self._fetched: list[tuple[Ownership, Sequence[ConsumerRecord]]] = []
        self._settled = asyncio.Event()
        self._confirm_seconds = settings.kafka_session_timeout_ms / 4000
        # A member learns of a rebalance from its next heartbeat, and must have rejoined before the rebalance times out.
        drain_seconds = max(0.0, settings.kafka_rebalance_timeout_ms / 1000 - self._confirm_seconds) * 0.8
        self.consumer: AIOKafkaConsumer | None = None
        """The consumer of aiokafka. None before ``start``."""
        self.membership = Membership(
            clock,
            settings.kafka_session_timeout_ms / 1000,
            drain_seconds,
            finish=self._finish,
            on_settled=self._note_settled,
        )
        """Membership in the consumer group."""
        self._committer = Committer(self._topic, self.membership, clock, self._begin_again)
        self._readiness = Readiness(
            self._topic,
            self.membership,
            self._liveness,
            clock,
            metrics.lag.labels(source.value),
            count_members=lambda: count_members(settings, settings.group(service)),
            dead_after=(2 * settings.kafka_session_timeout_ms + settings.kafka_rebalance_timeout_ms) / 1000,
        )
        self._loops = (
            Background("the consumer", self._fetch_all, fatal),
            Background("the commits", self._commit_all, fatal),
            Background("the watch over the consumer", self._watch, fatal),
        )

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Joins the consumer group and starts reading. Raises ``KafkaUnavailableError``; it may then be called again."""
        consumer = self._connect(self._settings, self._name, self._settings.group(self._service))
        try:
            await consumer.start()
            if self._topic not in await consumer.topics():
                raise KafkaUnavailableError(f"Kafka lacks the topic {self._topic}: run `personio-declaree init`")
        except (KafkaError, OSError) as error:
            await stop_consumer(consumer, consumer.stop())
            raise KafkaUnavailableError(
                f"Kafka does not answer ({type(error).__name__}): "
                "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
            ) from error
        except BaseException:
            await stop_consumer(consumer, consumer.stop())
            raise
        self.consumer = consumer
        consumer.subscribe([self._topic], listener=self.membership)
        for loop in self._loops:
            await loop.start()

    async def stop(self) -> None:
        """Finishes the work in progress, commits it, and leaves the group."""
        if self.consumer is None:
            return
        fetching, committing, watching = self._loops
        await watching.stop()
        await fetching.stop()
        self.membership.ownership.is_ending = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._graceful_timeout):
                await self._receiver.finish()
        with contextlib.suppress(TimeoutError):  # while Kafka is down, the records are read again
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._committer.commit(self.consumer)
        await committing.stop()
        self.membership.ownership.end()
        await stop_consumer(self.consumer, self.consumer.stop())

    async def start_again(self, replaced: frozenset[Topic]) -> None:
        """Continues with topics that were replaced: reads the source from its beginning."""
        if self._source in replaced and self.consumer is not None:
            async with self._committer.lock:
                await self._begin_again(from_start=True)

    async def _finish(self) -> None:
        """Finishes the work in progress and commits it."""
        await self._receiver.finish()
        await self._committer.commit(self._get_consumer())

    async def _begin_again(self, *, from_start: bool = False) -> None:
        """Begins a new ownership, and reads again what the former one has not settled; the whole topic with ``from_start``.

        Work of the former ownership can no longer send or settle anything.
        """
        consumer, ownership = self._get_consumer(), self.membership.ownership
        ownership.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_seconds):
                await self._receiver.finish()
        # now, because records may have been fetched during the wait
        unsettled = ownership.get_positions()
        for partition, offset in (
            {at.partition: 0 for at in consumer.assignment()} if from_start else unsettled
        ).items():
            with contextlib.suppress(IllegalStateError):  # the partition is moving away
                consumer.seek(TopicPartition(self._topic, partition), offset)
        self._fetched.clear()
        self.membership.begin_ownership()

    def _get_consumer(self) -> AIOKafkaConsumer:
        if self.consumer is None:
            raise RuntimeError("the consumer is not started")
        return self.consumer

    # ------------------------------------------------------------ fetching

    async def _fetch_all(self) -> None:
        fetcher = Fetcher(self._get_consumer(), self._take)
        while True:
            try:
                await self._fetch(fetcher)
                self._failures.reset()
            except ConsumerStoppedError:
                raise
            except Exception as error:
                pause = self._failures.record(error)
                if self._failures.is_hopeless:
                    raise
                await self._clock.sleep(pause)

    async def _fetch(self, fetcher: Fetcher) -> None:
        """Fetches records and hands them over, if they belong to this member and there is room."""
        for partition, offset in tuple(fetcher.unreadable.items()):
            await self._skip_unreadable(fetcher, partition, offset)
        if self.membership.ownership.is_ending or not self.membership.is_confirmed:
            await self.membership.wait_for_change(FETCH_SECONDS)
        elif not self._receiver.has_room:
            self._liveness.record_full()
            await fetcher.pause()
        else:
            await fetcher.fetch(max_records=self._max_records, seconds=FETCH_SECONDS)
        self._liveness.record_fetch(fetcher.failing)
        while self._fetched:
            ownership = self._fetched[0][0]
            await self._hand_over(
                ownership, [record for owned, records in self._fetched if owned is ownership for record in records]
            )
            self._fetched = [fetched for fetched in self._fetched if fetched[0] is not ownership]

    def _take(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        """Notes fetched records with the present ownership, before anything else can happen to the partition."""
        ownership = self.membership.ownership
        ownership.hand_out(partition.partition, [record.offset for record in records])
        self._fetched.append((ownership, records))

    async def _hand_over(self, ownership: Ownership, records: Sequence[ConsumerRecord]) -> None:
        events, letters = self._decoder.decode(records)
        for start in range(0, len(letters), PUBLISHED_AT_ONCE):
            await self._results.publish_letters(letters[start : start + PUBLISHED_AT_ONCE])
        handed_over = {(incoming.partition, incoming.offset) for incoming in events}
        ownership.settle(record for record in records if (record.partition, record.offset) not in handed_over)
        if events and not ownership.is_ending:
            self._receiver.receive(Batch(events, ownership))

    async def _skip_unreadable(self, fetcher: Fetcher, partition: TopicPartition, offset: int) -> None:
        ownership = self.membership.ownership
        if await fetcher.is_at(partition, offset):
            await self._results.publish_letters([self._decoder.build_empty_letter(partition.partition, offset)])
        if await fetcher.skip(partition):
            ownership.skip(partition.partition, offset)

    # ------------------------------------------------------------ committing

    def _note_settled(self) -> None:
        self._liveness.record_settled()
        self._settled.set()

    async def _commit_all(self) -> None:
        """Commits what is settled. Commits at least so often that the group confirms the membership in time."""
        while True:
            self._settled.clear()
            if not await self._committer.commit(self._get_consumer()):
                await self._clock.sleep(self._confirm_seconds)
                continue
            await self._readiness.measure_lag(self._get_consumer())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._confirm_seconds):
                    await self._settled.wait()

    async def _watch(self) -> None:
        """Watches the consumer until it works no longer. Raises ``ConsumerDeadError`` then."""
        consumer, is_suspected = self._get_consumer(), False
        while True:
            await self._clock.sleep(self._confirm_seconds)
            reason = self._readiness.find_death(consumer)
            # two findings in a row are needed: after the process was suspended, the commits need a moment
            if reason is not None and is_suspected and await _does_answer(consumer):
                raise ConsumerDeadError(f"Kafka answers, but {reason}")
            is_suspected = reason is not None

    # ------------------------------------------------------------ health

    async def check_readiness(self, stalled_after: float) -> str | None:
        """Returns why the consumer is not ready, or None if it is. Updates the lag metric."""
        return await self._readiness.check(self.consumer, stalled_after)


async def _does_answer(consumer: AIOKafkaConsumer) -> bool:
    """Returns whether Kafka answers a request."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.topics()
    except (KafkaError, TimeoutError, OSError):
        return False
    return True
