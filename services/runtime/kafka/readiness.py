"""Whether a consumer is ready: a confirmed member of its group that makes progress."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError
from prometheus_client import Gauge

from services.runtime.clock import Clock
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.membership import Membership


class Readiness:
    """The state of one consumer, as ``/health/ready`` and the lag metric show it."""

    def __init__(
        self,
        topic: str,
        membership: Membership,
        liveness: Liveness,
        clock: Clock,
        lag: Gauge,
        *,
        count_members: Callable[[], Awaitable[int]],
    ) -> None:
        """``lag`` is set to the number of records that are not settled. ``count_members`` asks Kafka about the group."""
        self._topic = topic
        self._membership = membership
        self._liveness = liveness
        self._clock = clock
        self._lag = lag
        self._count_members = count_members

    async def measure_lag(self, consumer: AIOKafkaConsumer) -> int:
        """Returns the number of records in the assigned partitions that are not settled, by Kafka's last answer."""
        unread = 0
        with contextlib.suppress(IllegalStateError):  # a rebalance has taken the partitions
            for partition in consumer.assignment():
                end = consumer.highwater(partition)
                if end is not None:
                    unread += max(0, end - await consumer.position(partition))
        lag = unread + self._membership.ownership.open
        self._lag.set(lag)
        return lag

    async def check(self, consumer: AIOKafkaConsumer | None, stalled_after: float) -> str | None:
        """Returns why the consumer is not ready, or None if it is.

        A ready consumer is a confirmed member of its group, its topic exists, and it has made progress within
        ``stalled_after`` seconds. A member without partitions is ready if the others have them all: it is a reserve.
        """
        assigned_at = self._membership.assigned_at
        if consumer is None or assigned_at is None:
            return "has not joined its consumer group yet"
        if not consumer.partitions_for_topic(self._topic):
            return f"Kafka lacks the topic {self._topic}: run `personio-declaree init`"
        if not consumer.assignment():
            return await self._judge_empty_assignment(consumer)
        if not self._membership.is_confirmed:
            return "Kafka has not confirmed the membership in the consumer group within KAFKA_SESSION_TIMEOUT_MS"
        lag = await self.measure_lag(consumer)
        silent = await self._find_silent_partition(consumer, assigned_at, stalled_after)
        return silent or self._liveness.find_stall(lag, stalled_after)

    async def _judge_empty_assignment(self, consumer: AIOKafkaConsumer) -> str | None:
        partitions, members = len(consumer.partitions_for_topic(self._topic) or ()), await self._count_members()
        if members > partitions:
            return None
        return f"has no partition, although the group has {members} members for {partitions} partitions"

    async def _find_silent_partition(
        self, consumer: AIOKafkaConsumer, assigned_at: datetime, allowed_seconds: float
    ) -> str | None:
        """Returns which partition Kafka has not answered for within ``allowed_seconds``, or None.

        aiokafka asks for the records behind the last one all the time. While it gets no answer, it raises no error.
        """
        now, since = self._clock.now().timestamp(), assigned_at.timestamp()
        for partition in consumer.assignment():
            answered_at = max(since, (consumer.last_poll_timestamp(partition) or 0) / 1000)
            if now - answered_at > allowed_seconds and await _is_at_end(consumer, partition):
                return f"Kafka has not answered for partition {partition.partition} for {now - answered_at:.0f} s"
        return None


async def _is_at_end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    """Whether all records that are known are fetched. Fetched records wait for the receiver, and no others are asked for."""
    end = consumer.highwater(partition)
    return end is None or await consumer.position(partition) >= end
