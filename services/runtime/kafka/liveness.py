"""Whether a consumer makes progress."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer

from services.runtime.clock import Clock


class Liveness:
    """The last fetch, the last finished batch and the batch in progress of one consumer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched_at = self._finished_at = clock.monotonic()
        self.in_progress = 0
        """Records of the batch in progress; 0 between two batches."""

    def record_fetch(self) -> None:
        """Records that Kafka has answered a fetch, with or without records."""
        self._fetched_at = self._clock.monotonic()

    def begin(self, records: int) -> None:
        """Records the start of a batch of that many records."""
        self.in_progress = records

    def finish(self) -> None:
        """Records that the batch is committed."""
        self._finished_at = self._fetched_at = self._clock.monotonic()
        self.in_progress = 0

    def give_back(self) -> None:
        """Records that the batch has failed and will be read again."""
        self.in_progress = 0
        self._fetched_at = self._clock.monotonic()

    def find_stall(self, unread: int, allowed_seconds: float) -> str | None:
        """Returns what has not happened for longer than ``allowed_seconds``, or None.

        ``unread`` is the number of records in Kafka that are not read yet.
        """
        now = self._clock.monotonic()
        if not self.in_progress and now - self._fetched_at > allowed_seconds:
            return f"no records could be read for {now - self._fetched_at:.0f} s"
        if not self.in_progress and not unread:
            self._finished_at = now
        if now - self._finished_at > allowed_seconds:
            return f"no batch finished for {now - self._finished_at:.0f} s although {unread + self.in_progress} records wait"
        return None

    def find_silent_partition(
        self, consumer: AIOKafkaConsumer, assigned_at: datetime, allowed_seconds: float
    ) -> str | None:
        """Returns which partition Kafka has not answered for within ``allowed_seconds``, or None.

        aiokafka asks for the records of each partition all the time, except while fetched ones wait for the handler. While
        it gets no answer, ``getmany`` returns no records and raises no error.
        """
        now, since = self._clock.now().timestamp(), assigned_at.timestamp()
        for partition in consumer.assignment():
            answered_at = max(since, (consumer.last_poll_timestamp(partition) or 0) / 1000)
            is_asked = partition not in consumer._fetcher._records  # noqa: SLF001 - aiokafka 0.14 has no public access
            if is_asked and now - answered_at > allowed_seconds:
                return f"Kafka has not answered for partition {partition.partition} for {now - answered_at:.0f} s"
        return None


async def count_unread(consumer: AIOKafkaConsumer) -> int:
    """Returns the number of records in the assigned partitions that are not fetched yet, by Kafka's last answer."""
    unread = 0
    for partition in consumer.assignment():
        end = consumer.highwater(partition)
        if end is not None:
            unread += max(0, end - await consumer.position(partition))
    return unread


def find_dead_task(consumer: AIOKafkaConsumer | None, loops: Sequence[asyncio.Task[object]]) -> str | None:
    """Returns which task of the consumer has ended: the first one, since the others follow. None if all run.

    ``loops`` are the consume loops of FastStream. aiokafka 0.14 reports the end of its tasks nowhere
    (https://github.com/aio-libs/aiokafka/issues/983).
    """
    if consumer is None or not loops:
        return "the consume loop has ended"
    if consumer._coordinator._coordination_task.done():  # noqa: SLF001 - see the docstring
        return "the membership in the group has ended"
    if consumer._fetcher._fetch_task.done():  # noqa: SLF001 - see the docstring
        return "the fetch loop has ended"
    return "the consume loop has ended" if all(task.done() for task in loops) else None
