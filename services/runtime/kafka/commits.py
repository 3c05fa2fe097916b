"""Commits what is settled. A commit that Kafka accepts also confirms that the group still knows this member."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from services.runtime.clock import Clock
from services.runtime.kafka.membership import Membership
from services.runtime.kafka.ownership import Ownership
from services.runtime.log import describe

logger = logging.getLogger(__name__)


class Committer:
    """Commits the offsets of one subscription."""

    def __init__(
        self, topic: str, membership: Membership, clock: Clock, begin_again: Callable[[], Awaitable[None]]
    ) -> None:
        """``begin_again`` begins a new ownership in place of one that has ended although the group knows the member."""
        self._topic = topic
        self._membership = membership
        self._clock = clock
        self._begin_again = begin_again
        self.lock = asyncio.Lock()
        """Held during a commit, and while positions change."""

    async def commit(self, consumer: AIOKafkaConsumer) -> bool:
        """Commits up to the first record of each partition that is not settled. Returns False if Kafka did not store it."""
        async with self.lock:
            if self._membership.is_joining:
                return True
            try:
                return await self._commit_positions(consumer, self._membership.ownership)
            except CommitFailedError as error:
                logger.info("commit failed: %s", describe(error))
                self._membership.record_loss()
            except IllegalStateError as error:
                logger.info("a rebalance has taken the partitions before the commit: %s", describe(error))
            except KafkaError as error:
                logger.warning("Kafka did not store the offsets; they are sent again: %s", describe(error))
            return False

    async def _commit_positions(self, consumer: AIOKafkaConsumer, ownership: Ownership) -> bool:
        """Commits, and begins a new ownership if the present one has ended. Returns False if another member has taken over."""
        membership = self._membership
        if not membership.is_confirmed and await self._is_overtaken(consumer, ownership):
            ownership.end()
            return False
        positions = ownership.find_uncommitted() or await self._find_position(consumer)
        if not positions:
            return True
        ownership.note_sent(positions)
        sent_at = self._clock.monotonic()
        await consumer.commit({TopicPartition(self._topic, number): at for number, at in positions.items()})
        if ownership is membership.ownership:
            ownership.note_committed(positions)
            membership.confirm(sent_at)
        if membership.ownership.has_moved:
            await self._begin_again()
        return True

    async def _is_overtaken(self, consumer: AIOKafkaConsumer, ownership: Ownership) -> bool:
        """Returns whether another member has committed records of this ownership, because the group has removed this member.

        A commit would bring its offsets back: Kafka takes one from a stranger while the group is empty.
        """
        return any(
            [
                ownership.is_overtaken(number, await consumer.committed(TopicPartition(self._topic, number)))
                for number in ownership.get_positions()
            ]
        )

    async def _find_position(self, consumer: AIOKafkaConsumer) -> dict[int, int]:
        """Returns the position of one partition: its commit tells whether the group still knows this member."""
        positions = self._membership.ownership.get_positions()
        for partition in sorted(consumer.assignment()):
            number = partition.partition
            return {number: positions[number] if number in positions else await consumer.position(partition)}
        return {}
