"""Erases employees from Kafka with tombstones, after mapper and writer have consumed what is under way."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import ClassVar, Protocol

from services.admin.leasing import KeepLease
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.records import Record
from services.contracts.tombstones import build_tombstone
from services.contracts.topics import PEOPLE, Topic
from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.kafka.progress import wait_until_consumed
from services.runtime.settings import KafkaSettings
from services.store.database import Store


class UnconsumedError(TransientError):
    """Mapper or writer has not consumed the records that are under way."""

    code: ClassVar[str] = "unconsumed"


class Publisher(Protocol):
    """Publishes records."""

    async def publish(self, records: Sequence[Record]) -> Sequence[Record]:
        """Publishes the records and waits until Kafka has acknowledged them."""
        ...


class WaitUntilConsumed(Protocol):
    """Waits for a service; see ``wait_until_consumed``."""

    def __call__(
        self, settings: KafkaSettings, topic: Topic, service: str, /, *, seconds: float, keep_alive: KeepLease
    ) -> Awaitable[bool]:
        """Returns whether the service has consumed the present records of the topic in time."""
        ...


class RecordEraser:
    """Erases employees from the topics. Nothing of them is published by the product afterwards.

    A record that is under way leads to a new one in the next topic: mapper and writer would publish it after the tombstone
    there. So each topic gets its tombstones after the service before it has consumed the former ones. The lease of the
    connection keeps pollers from publishing, and a mark keeps replays and retries from it.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        *,
        seconds: float,
        wait: WaitUntilConsumed = wait_until_consumed,
    ) -> None:
        """``seconds`` is how long each of the two services gets."""
        self._settings = settings
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._seconds = seconds
        self._wait = wait

    async def erase(
        self,
        name: PersonKey | ConnectionId,
        page_people: Callable[[], AsyncIterator[Sequence[PersonKey]]],
        keep_lease: KeepLease,
    ) -> None:
        """Erases an employee, or all employees of a connection, which ``page_people`` yields.

        Raises ``UnconsumedError``, ``KafkaUnavailableError`` and ``ConnectionBusyError``. It can then be repeated.
        """
        now = self._clock.now()
        retention = timedelta(days=self._settings.kafka_retention_days)
        await self._store.forgotten.mark([name], now=now, until=now + retention)
        await self._publish([Topic.EMPLOYEES_CHANGED], page_people, keep_lease)
        await self._wait_for("mapper", Topic.EMPLOYEES_CHANGED, keep_lease)
        await self._publish([Topic.ACCOUNTS_REQUESTED], page_people, keep_lease)
        await self._wait_for("writer", Topic.ACCOUNTS_REQUESTED, keep_lease)
        # once more into all topics, because a replay may have looked for the mark right before it was written
        await self._publish(PEOPLE, page_people, keep_lease)

    async def _publish(
        self,
        topics: Sequence[Topic],
        page_people: Callable[[], AsyncIterator[Sequence[PersonKey]]],
        keep_lease: KeepLease,
    ) -> None:
        async for page in page_people():
            await keep_lease()
            await self._publisher.publish([build_tombstone(topic, person) for topic in topics for person in page])

    async def _wait_for(self, service: str, topic: Topic, keep_lease: KeepLease) -> None:
        if not await self._wait(self._settings, topic, service, seconds=self._seconds, keep_alive=keep_lease):
            raise UnconsumedError(
                f"the {service} has not consumed the records that are under way within {self._seconds:g} s, and would bring "
                "data back: nothing is erased from MongoDB. Check that mapper and writer run, and repeat the command"
            )
