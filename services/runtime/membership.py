"""Whether the records of a batch are still ours: partitions that moved, and a group that has given us up."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from services.errors import TransientError
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)


class PartitionsMovedError(TransientError):
    """Another member may be working on these records: nothing more of the batch may be sent."""


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Drains the batch in work before partitions are given away, and counts the moves.

    A rebalance waits for the batch, at most ``drain_seconds``; what is not done by then is dropped. ``confirmed`` is
    when the group last confirmed that we belong to it: a paused process finds that to be too long ago.
    """

    def __init__(self, clock: Clock, session_timeout: float, drain_seconds: float) -> None:
        self._clock = clock
        self._session_timeout = session_timeout
        self._drain_seconds = drain_seconds
        self._idle = asyncio.Event()
        self._idle.set()
        self.moves = 0
        self.confirmed = clock.monotonic()
        self.assigned: frozenset[TopicPartition] | None = None

    @contextlib.contextmanager
    def busy(self) -> Iterator["Ownership"]:
        self._idle.clear()
        try:
            yield Ownership(self, self.moves)
        finally:
            self._idle.set()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("the batch in work is dropped: the rebalance could not wait any longer")
        if revoked:
            self.moves += 1

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.assigned = frozenset(assigned)
        self.confirmed = self._clock.monotonic()

    def lost(self) -> None:
        """The group does not know us any more."""
        self.moves += 1

    def check(self, moves: int) -> None:
        if moves != self.moves:
            raise PartitionsMovedError("partitions have moved since the batch was read: it is dropped")
        if self._clock.monotonic() - self.confirmed > self._session_timeout:
            raise PartitionsMovedError("the group has not confirmed this member in time: the batch is dropped")


class Ownership:
    """Of one batch: ``check`` raises ``PartitionsMovedError`` once its records may be somebody else's, for good."""

    def __init__(self, membership: Membership, moves: int) -> None:
        self._membership = membership
        self._moves = moves

    def check(self) -> None:
        self._membership.check(self._moves)


def watch_heartbeats(consumer: AIOKafkaConsumer, membership: Membership, clock: Clock) -> None:
    """Notes each heartbeat that the group has confirmed, and each that says that we are not a member any more.

    aiokafka 0.14 offers no hook for it; this is the only place that looks into its coordinator.
    """
    coordinator: Any = consumer._coordinator  # noqa: SLF001 - see above
    heartbeat = coordinator._do_heartbeat  # noqa: SLF001 - see above

    async def noted() -> bool:
        confirmed: bool = await heartbeat()
        if confirmed:
            membership.confirmed = clock.monotonic()
        elif coordinator.generation < 0:
            membership.lost()
        return confirmed

    coordinator._do_heartbeat = noted  # noqa: SLF001 - see above
