"""One subscription of a service and its life: join the group, fetch, watch, report its state, leave the group.

Delivery is at least once. A record that cannot be read becomes a dead letter and delays no other record.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker

from services.contracts.cloudevents import Record
from services.contracts.events import Event
from services.contracts.topics import Topic
from services.errors import ConnectorError
from services.runtime.background import Background
from services.runtime.clock import Clock
from services.runtime.kafka.batches import BatchProcessor
from services.runtime.kafka.client import make_broker, stop_consumer
from services.runtime.kafka.decoding import Batch, Decoder, keep_bytes, parse_tolerantly
from services.runtime.kafka.fetcher import Fetcher
from services.runtime.kafka.liveness import Liveness, count_unread, find_dead_task
from services.runtime.kafka.ownership import Membership
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

WATCH_SECONDS = 3.0
"""Time between two checks of the consumer's tasks."""

_BATCH_SHARE = 0.9
"""Share of the graceful timeout for the current batch. The rest is for leaving the group: without that, the other members
wait until the session of this one expires."""


class ConsumerDeadError(ConnectorError):
    """A task of the consumer has ended for good: it reads no records, and the process has to be restarted."""

    code: ClassVar[str] = "consumer-dead"


class Consumer(Generic[E]):
    """One subscription, as a part of a process. ``start`` joins the group; ``stop`` finishes the current batch."""

    def __init__(
        self,
        *,
        service: str,
        name: str,
        source: Topic,
        event: type[E],
        handler: Callable[[Batch[E]], Awaitable[Sequence[Record]]],
        publisher: Publisher,
        settings: KafkaSettings,
        clock: Clock,
        metrics: Metrics,
        fatal: Callable[[str], None],
        max_records: int,
        graceful_timeout: float,
        handler_batch_records: int | None = None,
    ) -> None:
        """``handler`` returns the records to publish before the batch is committed.

        ``service`` names the consumer group, ``name`` this member in Kafka's logs. ``max_records`` limits a batch.
        ``graceful_timeout`` limits ``stop``, in seconds. ``fatal`` ends the process.
        ``handler_batch_records`` limits one call of ``handler``; None passes the whole batch. Few records are faster for
        a handler that needs one at a time: its events are published from the processor's cache.
        """
        self._service = service
        self._name = name
        self._source = source
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._max_records = max_records
        self._batch_timeout = graceful_timeout * _BATCH_SHARE
        self._decoder = Decoder(service, source, event, clock)
        self._liveness = Liveness(clock)
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._death: str | None = None
        self._background = Background("the consumer", self.watch, fatal)
        self._heartbeat_ms = min(3_000, settings.kafka_session_timeout_ms // 3)
        # A member learns of a rebalance from its next heartbeat, and must have rejoined before the rebalance times out.
        drain_ms = max(0, settings.kafka_rebalance_timeout_ms - self._heartbeat_ms) * 0.8
        self.membership = Membership(clock, settings.kafka_session_timeout_ms / 1000, drain_ms / 1000)
        """Membership in the consumer group."""
        self.batches = BatchProcessor(
            source=source,
            decoder=self._decoder,
            handler=handler,
            publisher=publisher,
            membership=self.membership,
            liveness=self._liveness,
            clock=clock,
            metrics=metrics,
            fatal=fatal,
            handler_batch_records=handler_batch_records or max_records,
        )
        """Processor of the batches that are fetched."""

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Joins the consumer group and starts reading. Raises ``KafkaUnavailableError``; it may then be called again."""
        broker = make_broker(self._settings, self._name, self._batch_timeout)
        self._subscribe(broker)
        try:
            await broker.start()
        except (KafkaError, OSError) as error:
            await self._stop_broker(broker)
            raise KafkaUnavailableError(
                f"Kafka does not answer or lacks a topic ({type(error).__name__}): "
                "check that it runs, and run `personio-declaree init`"
            ) from error
        except BaseException:
            await self._stop_broker(broker)
            raise
        self._broker = broker
        self._replace_getmany()
        await self._background.start()

    async def stop(self) -> None:
        """Finishes the current batch and leaves the group."""
        await self._background.stop()
        if self._broker is not None:
            await self._stop_broker(self._broker)

    def _subscribe(self, broker: KafkaBroker) -> None:
        subscriber: Any = broker.subscriber(
            self._settings.topic(self._source),
            group_id=self._settings.group(self._service),
            auto_offset_reset="earliest",
            batch=True,
            max_records=self._max_records,
            batch_timeout_ms=20,
            fetch_max_wait_ms=100,  # an idle consumer sends a request this often; a request for stored records returns at once
            max_partition_fetch_bytes=4 * 1_048_576,
            session_timeout_ms=self._settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=self._heartbeat_ms,
            rebalance_timeout_ms=self._settings.kafka_rebalance_timeout_ms,
            listener=self.membership,
            parser=parse_tolerantly,
            decoder=keep_bytes,
            no_reply=True,
        )
        subscriber(self.batches.process)
        self._subscriber = subscriber
        # aiokafka 0.14 has no public access to the coordinator; Membership has to see its answers
        self.membership.watch_coordinator(lambda: subscriber.consumer._coordinator)  # noqa: SLF001

    def _replace_getmany(self) -> None:
        """Lets FastStream fetch with ``Fetcher``, and records each fetch from now on."""
        consumer = self._subscriber.consumer
        fetcher = Fetcher(consumer, consumer.getmany, self.batches.record_generation)

        async def fetch(**options: Any) -> Any:
            return await self._fetch(fetcher, options)

        consumer.getmany = fetch
        self._liveness.record_fetch()

    async def _stop_broker(self, broker: KafkaBroker) -> None:
        if self.consumer is None:
            await broker.stop()
        else:
            await stop_consumer(self.consumer, broker.stop())

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer of aiokafka. None before ``start``, and after FastStream has stopped it."""
        return self._subscriber.consumer if self._subscriber is not None else None

    # ------------------------------------------------------------ fetching

    async def _fetch(self, fetcher: Fetcher, options: dict[str, Any]) -> Any:
        """Fetches the records of the next batch, in place of ``getmany``.

        FastStream calls it again after an error: after 5 s for a ``KafkaError`` (15 s for a missing codec), else at once.
        """
        try:
            # no record of the next batch is taken yet, so an error here loses none
            for partition, offset in tuple(fetcher.unreadable.items()):
                await self._skip_unreadable(fetcher, partition, offset)
            records = await fetcher.fetch(max_records=options["max_records"], timeout_ms=options["timeout_ms"])
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            logger.warning("fetch failed: %s", describe(error))
            raise
        except Exception as error:
            await self._clock.sleep(self.batches.record_failure(error))
            raise
        self._liveness.record_fetch()
        return records

    async def start_again(self, replaced: frozenset[Topic]) -> None:
        """Continues with topics that were replaced: publishes with a new producer, and reads the source from its beginning.

        The batch in progress is dropped: to give it back would seek to a position in the old topic. Raises
        ``KafkaUnavailableError``; it may then be called again.
        """
        if self._source in replaced and self.consumer is not None:
            self.membership.drop_batch()
            for partition in self.consumer.assignment():
                with contextlib.suppress(IllegalStateError):  # the partition is moving away
                    self.consumer.seek(partition, 0)
        await self._publisher.renew()

    async def _skip_unreadable(self, fetcher: Fetcher, partition: TopicPartition, offset: int) -> None:
        if await fetcher.is_at(partition, offset):
            await self._publisher.publish([self._decoder.build_empty_letter(partition.partition, offset)])
            self._metrics.records.labels(self._source.value, "dead_letter").inc()
        if await fetcher.skip(partition):
            await fetcher.consumer.commit({partition: offset + 1})

    # ------------------------------------------------------------ health

    async def watch(self) -> None:
        """Checks the consumer's tasks until one has ended for good. Raises ``ConsumerDeadError`` then."""
        previous = None
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            # two findings in a row are needed: FastStream restarts its task after an error, and none runs before that
            if (reason := self.find_death()) and previous:
                self._death = previous
                raise ConsumerDeadError(previous)
            previous = reason

    def find_death(self) -> str | None:
        """Returns which task of the consumer has ended for good: the first one, since the others follow. None if all run."""
        return self._death or find_dead_task(self.consumer, self._subscriber.tasks)

    async def check_readiness(self, stalled_after: float) -> str | None:
        """Returns why the consumer is not ready, or None if it is. Updates the lag metric.

        A ready consumer is a confirmed member of its group, its topic exists, and it has made progress within
        ``stalled_after`` seconds. A member without partitions is ready too: there are more replicas than partitions.
        """
        consumer = self.consumer
        assigned_at = self.membership.assigned_at
        if consumer is None or assigned_at is None:
            return "has not joined its consumer group yet"
        if death := self.find_death():
            return death
        if not self.membership.is_confirmed:
            return "Kafka has not confirmed the membership in the consumer group within KAFKA_SESSION_TIMEOUT_MS"
        topic = self._settings.topic(self._source)
        if not consumer.partitions_for_topic(topic):
            return f"Kafka lacks the topic {topic}: run `personio-declaree init`"
        unread = await count_unread(consumer)
        self._metrics.lag.labels(self._source.value).set(unread + self._liveness.in_progress)
        silent = self._liveness.find_silent_partition(consumer, assigned_at, stalled_after)
        return silent or self._liveness.find_stall(unread, stalled_after)
