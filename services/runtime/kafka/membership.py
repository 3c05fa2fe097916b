"""Whether the consumer group still counts this process among its members."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from aiokafka import ConsumerRebalanceListener, TopicPartition

from services.runtime.clock import Clock
from services.runtime.kafka.ownership import Ownership

logger = logging.getLogger(__name__)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """The membership of one consumer in its group.

    Kafka confirms it by accepting a commit: the group then keeps the member for the session timeout at least. A rebalance
    waits for the work in progress, at most ``drain_seconds``.
    """

    def __init__(
        self,
        clock: Clock,
        session_timeout: float,
        drain_seconds: float,
        *,
        finish: Callable[[], Awaitable[None]],
        on_settled: Callable[[], None],
    ) -> None:
        """``session_timeout`` is in seconds: the group removes a member that sends nothing for that time.

        ``finish`` finishes the work in progress and commits it. ``on_settled`` is called after records were settled, and
        after a join.
        """
        self._clock = clock
        self._session_timeout = session_timeout
        self._drain_seconds = drain_seconds
        self._finish = finish
        self._on_settled = on_settled
        self.confirmed_at: float | None = None
        """Send time (monotonic seconds) of the last commit that confirmed the membership; None while not a member.
        Too old after the process was suspended."""
        self.assigned_at: datetime | None = None
        """Time of the last assignment; None before the first one."""
        self.is_joining = True
        """Whether the member waits for an assignment: its commits would be those of a stranger."""
        self._changed_at = clock.monotonic()
        self._changed = asyncio.Event()
        self.ownership = self.make_ownership()
        """The right to the records that are read now."""

    def make_ownership(self) -> Ownership:
        """Returns the right to the records of the next assignment."""
        return Ownership(lambda: self.is_confirmed, self._on_settled)

    def begin_ownership(self) -> None:
        """Ends the present ownership, and begins the next one."""
        self.ownership.end()
        self.ownership = self.make_ownership()
        self._changed.set()

    async def wait_for_change(self, seconds: float) -> None:
        """Returns when the membership is confirmed, or another ownership begins, at the latest after that many seconds."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def on_partitions_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        """Waits for the work in progress, then ends the ownership. aiokafka calls it before each join."""
        self.ownership.is_ending = True
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._finish()
        except TimeoutError:
            logger.warning("work in progress is dropped: the rebalance could not wait any longer")
        finally:
            self._note_change(is_joining=True)
            self.begin_ownership()
            self.confirmed_at = None

    async def on_partitions_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        """Records the time of the new assignment. aiokafka calls it after each join."""
        self.assigned_at = self._clock.now()
        self._note_change(is_joining=False)
        self._on_settled()

    def _note_change(self, *, is_joining: bool) -> None:
        self._changed_at, self.is_joining = self._clock.monotonic(), is_joining

    def find_silence(self, now: float, *, has_partitions: bool) -> float:
        """Returns for how many seconds the group has not confirmed the member. A member without partitions commits nothing."""
        if not self.is_joining and not has_partitions:
            return 0.0
        return now - max(self._changed_at, self.confirmed_at or 0.0)

    def confirm(self, sent_at: float) -> None:
        """Records that Kafka has accepted a commit, with its send time.

        If the last confirmation was too long ago, another member may have owned the partitions in between.
        """
        if self.confirmed_at is not None and sent_at - self.confirmed_at > self._session_timeout:
            self.ownership.end()
        self.confirmed_at = sent_at
        self._changed.set()

    def record_loss(self) -> None:
        """Records that the group has removed this member: it owns no partition until it joins again."""
        self.ownership.end()
        self._note_change(is_joining=True)
        self.confirmed_at = None

    @property
    def is_confirmed(self) -> bool:
        """Whether the group has confirmed this member within the session timeout."""
        return self.confirmed_at is not None and self._clock.monotonic() - self.confirmed_at <= self._session_timeout
