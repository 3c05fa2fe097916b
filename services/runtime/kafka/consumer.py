"""One subscription of a service and its life: join the group, read, commit what is settled, leave the group.

Delivery is at least once. Three loops run while the service is a member: the intake of records, the commits, and the watchdog.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.contracts.events import Event
from services.contracts.topics import Topic
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.client import count_members, make_consumer, stop_consumer
from services.runtime.kafka.commits import Committer
from services.runtime.kafka.decoding import Decoder
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.intake import Intake, Receiver
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.membership import Membership
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.readiness import Readiness
from services.runtime.kafka.results import ResultPublisher
from services.runtime.kafka.watchdog import Watchdog
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

E = TypeVar("E", bound=Event)

COMMIT_SECONDS = 3.0
"""Seconds within which the last commit is stored, if Kafka works."""


class Consumer(Generic[E]):
    """One subscription, as a part of a process. ``start`` joins the group; ``stop`` finishes the work in progress."""

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
        self._settings = settings
        self._clock = clock
        self._graceful_timeout = graceful_timeout
        self._connect = connect
        self._liveness = Liveness(clock)
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
        )
        self._intake = Intake(
            membership=self.membership,
            liveness=self._liveness,
            decoder=Decoder(service, source, event, clock),
            receiver=receiver,
            results=results,
            failures=Failures(source, metrics, fatal),
            clock=clock,
            max_records=max_records,
        )
        self._watchdog = Watchdog(
            self.membership,
            self._liveness,
            clock,
            interval=self._confirm_seconds,
            dead_after=(2 * settings.kafka_session_timeout_ms + settings.kafka_rebalance_timeout_ms) / 1000,
        )
        self._loops = (
            Background("the consumer", lambda: self._intake.run(self._get_consumer()), fatal),
            Background("the commits", self._commit_all, fatal),
            Background("the watch over the consumer", lambda: self._watchdog.run(self._get_consumer()), fatal),
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
            async with asyncio.timeout(COMMIT_SECONDS):
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
        # only now, because records may have been fetched during the wait
        starts = {at.partition: 0 for at in consumer.assignment()} if from_start else ownership.get_positions()
        for partition, offset in starts.items():
            with contextlib.suppress(IllegalStateError):  # the partition is moving away
                consumer.seek(TopicPartition(self._topic, partition), offset)
        self._intake.drop_fetched()
        self.membership.begin_ownership()

    def _get_consumer(self) -> AIOKafkaConsumer:
        if self.consumer is None:
            raise RuntimeError("the consumer is not started")
        return self.consumer

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

    # ------------------------------------------------------------ health

    async def check_readiness(self, stalled_after: float) -> str | None:
        """Returns why the consumer is not ready, or None if it is. Updates the lag metric."""
        return await self._readiness.check(self.consumer, stalled_after)
