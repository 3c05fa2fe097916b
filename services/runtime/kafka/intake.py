"""Fetches the records of a subscription, decodes them, and hands them to their receiver."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from services.contracts.events import Event
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, Decoder
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.fetcher import Fetcher
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.membership import Membership
from services.runtime.kafka.ownership import Ownership
from services.runtime.kafka.results import ResultPublisher

E = TypeVar("E", bound=Event)

FETCH_SECONDS = 5.0
"""Longest time in seconds that one fetch waits for a record, or for the confirmation of the membership."""
MAX_LETTERS = 100
"""Maximum number of dead letters that are published together."""


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


class Intake(Generic[E]):
    """Brings the records of one consumer to the receiver. They wait for Kafka and for the receiver's room only."""

    def __init__(
        self,
        *,
        membership: Membership,
        liveness: Liveness,
        decoder: Decoder[E],
        receiver: Receiver[E],
        results: ResultPublisher,
        failures: Failures,
        clock: Clock,
        max_records: int,
    ) -> None:
        """``membership`` owns the records that are fetched. ``max_records`` limits a fetch."""
        self._membership = membership
        self._liveness = liveness
        self._decoder = decoder
        self._receiver = receiver
        self._results = results
        self._failures = failures
        self._clock = clock
        self._max_records = max_records
        self._fetched: list[tuple[Ownership, Sequence[ConsumerRecord]]] = []

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Fetches and hands over until it is cancelled.

        Raises ``ConsumerStoppedError`` once the consumer is stopped, and the last one of too many unexpected errors in a row.
        """
        fetcher = Fetcher(consumer, self._take)
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

    def drop_fetched(self) -> None:
        """Drops the records that were fetched and not handed over. The caller has moved the position back before them."""
        self._fetched.clear()

    async def _fetch(self, fetcher: Fetcher) -> None:
        """Fetches records and hands them over, if they belong to this member and there is room."""
        for partition, offset in tuple(fetcher.unreadable.items()):
            await self._skip_unreadable(fetcher, partition, offset)
        if self._membership.ownership.is_ending or not self._membership.is_confirmed:
            await self._membership.wait_for_change(FETCH_SECONDS)
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
        ownership = self._membership.ownership
        ownership.hand_out(partition.partition, [record.offset for record in records])
        self._fetched.append((ownership, records))

    async def _hand_over(self, ownership: Ownership, records: Sequence[ConsumerRecord]) -> None:
        """Publishes the dead letters of unreadable records, settles these, and gives the others to the receiver."""
        events, letters = self._decoder.decode(records)
        for start in range(0, len(letters), MAX_LETTERS):
            await self._results.publish_letters(letters[start : start + MAX_LETTERS])
        handed_over = {(incoming.partition, incoming.offset) for incoming in events}
        ownership.settle(record for record in records if (record.partition, record.offset) not in handed_over)
        if events and not ownership.is_ending:
            self._receiver.receive(Batch(events, ownership))

    async def _skip_unreadable(self, fetcher: Fetcher, partition: TopicPartition, offset: int) -> None:
        """Publishes the dead letter of a record that cannot be fetched, and moves the position behind it."""
        ownership = self._membership.ownership
        if await fetcher.is_at(partition, offset):
            await self._results.publish_letters([self._decoder.build_empty_letter(partition.partition, offset)])
        if await fetcher.skip(partition):
            ownership.skip(partition.partition, offset)
