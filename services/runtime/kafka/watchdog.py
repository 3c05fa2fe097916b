"""Notices that aiokafka's own tasks have ended, which it does not report."""

import asyncio
from typing import ClassVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.errors import ConnectorError
from services.runtime.clock import Clock
from services.runtime.kafka.liveness import Liveness
from services.runtime.kafka.membership import Membership

ANSWER_SECONDS = 3.0
"""Seconds within which Kafka answers a question, if it works."""


class ConsumerDeadError(ConnectorError):
    """The consumer no longer works although Kafka answers: the process has to be restarted."""

    code: ClassVar[str] = "consumer-dead"


class Watchdog:
    """Watches one consumer.

    aiokafka 0.14 reports the end of its tasks nowhere (https://github.com/aio-libs/aiokafka/issues/983).
    """

    def __init__(
        self, membership: Membership, liveness: Liveness, clock: Clock, *, interval: float, dead_after: float
    ) -> None:
        """``interval`` is the time in seconds between two looks at the consumer.

        ``dead_after`` is the time in seconds without a sign of life after which aiokafka's tasks count as ended.
        """
        self._membership = membership
        self._liveness = liveness
        self._clock = clock
        self._interval = interval
        self._dead_after = dead_after

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Watches the consumer until it no longer works. Raises ``ConsumerDeadError`` then."""
        is_suspected = False
        while True:
            await self._clock.sleep(self._interval)
            reason = self._find_death(consumer)
            # two findings in a row are needed: after the process was suspended, the commits need a moment
            if reason is not None and is_suspected and await _does_answer(consumer):
                raise ConsumerDeadError(f"Kafka answers, but {reason}")
            is_suspected = reason is not None

    def _find_death(self, consumer: AIOKafkaConsumer) -> str | None:
        """Returns which sign of life of aiokafka's tasks is missing; None if they work."""
        now, membership = self._clock.monotonic(), self._membership
        if membership.find_silence(now, has_partitions=bool(consumer.assignment())) > self._dead_after:
            return f"the group has not confirmed this member for {self._dead_after:.0f} s"
        polls = [consumer.last_poll_timestamp(partition) or 0 for partition in consumer.assignment()]
        began = membership.assigned_at
        if polls and began is not None:
            answered_at = max(max(polls) / 1000, began.timestamp(), self._liveness.full_until)
            if self._clock.now().timestamp() - answered_at > self._dead_after:
                return f"no records were asked for in {self._dead_after:.0f} s"
        return None


async def _does_answer(consumer: AIOKafkaConsumer) -> bool:
    """Returns whether Kafka answers a request."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.topics()
    except (KafkaError, TimeoutError, OSError):
        return False
    return True
