"""Whether the records of a batch still belong to this member of the consumer group."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any, ClassVar

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from services.errors import ConnectorError
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

_CONFIRMING_ERRORS = frozenset({NoError.errno, RebalanceInProgressError.errno})
"""Error codes of heartbeat answers that confirm the membership."""


class PartitionsMovedError(ConnectorError):
    """Another member may be processing these records: no further result of the batch may be sent.

    Neither transient nor permanent, so that code for those errors does not take it for the failure of one person.
    """

    code: ClassVar[str] = "partitions-moved"


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """The membership of one consumer in its group.

    A rebalance waits for the batch in progress, at most ``drain_seconds``. An unfinished batch is then dropped.
    """

    def __init__(self, clock: Clock, session_timeout: float, drain_seconds: float) -> None:
        """``session_timeout`` is in seconds: the group removes a member that sends no heartbeat for that time."""
        self._clock = clock
        self._session_timeout = session_timeout
        self._drain_seconds = drain_seconds
        self._idle = asyncio.Event()
        self._idle.set()
        self._find_coordinator: Callable[[], Any] = lambda: None
        self._observed_coordinator: Any = None
        self.generation = 0
        """Assignment generation: grows each time that partitions are taken away. Not Kafka's generation id."""
        self.confirmed_at: float | None = None
        """Send time (monotonic seconds) of the last request that confirmed the membership; None while not a member.
        Too old after the process was suspended."""
        self.assigned_at: datetime | None = None
        """Time of the last assignment; None before the first one."""

    def watch_coordinator(self, find_coordinator: Callable[[], Any]) -> None:
        """Sets the function that returns the consumer's coordinator once the consumer joins its group."""
        self._find_coordinator = find_coordinator

    @contextlib.contextmanager
    def hold_batch(self, generation: int) -> Iterator["Ownership"]:
        """Marks a batch as in progress. ``generation`` is the assignment generation that it was fetched in."""
        self._idle.clear()
        try:
            yield Ownership(self, generation)
        finally:
            self._idle.set()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Waits for the batch in progress, then begins a new assignment generation. aiokafka calls it before each join."""
        self._observe_coordinator()
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("batch dropped: the rebalance could not wait any longer")
        if revoked:
            self.generation += 1

    async def on_partitions_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        """Records the time of the new assignment. aiokafka calls it after each join."""
        self.assigned_at = self._clock.now()

    def record_join(self, sent_at: float) -> None:
        """Records that the group has accepted this member, with the send time of the request."""
        self.confirmed_at = sent_at

    def record_heartbeat(self, sent_at: float) -> None:
        """Records that the group has confirmed this member, with the send time of the heartbeat."""
        if self.confirmed_at is not None:
            self.confirmed_at = max(self.confirmed_at, sent_at)

    def record_loss(self) -> None:
        """Records that the group has removed this member: it owns no partition until it joins again."""
        self.generation += 1
        self.confirmed_at = None

    def ensure_owned(self, generation: int) -> None:
        """Raises ``PartitionsMovedError`` unless partitions fetched in this generation still belong to this member."""
        if generation != self.generation:
            raise PartitionsMovedError("partitions moved after the batch was read: the batch is dropped")
        if not self.is_confirmed:
            raise PartitionsMovedError("the group has not confirmed this member in time: the batch is dropped")

    @property
    def is_confirmed(self) -> bool:
        """Whether the group has confirmed this member within the session timeout."""
        return self.confirmed_at is not None and self._clock.monotonic() - self.confirmed_at <= self._session_timeout

    def drop_batch(self) -> None:
        """Begins a new assignment generation, because the positions of the batch in progress are no longer valid."""
        self.generation += 1

    def _observe_coordinator(self) -> None:
        """Records the group's answers from now on. Called before each join, hence also before the first one.

        aiokafka 0.14 has no hook for these answers, so two methods of its coordinator are replaced here and nowhere else.
        If they were not, no membership would be confirmed and no batch would pass ``ensure_owned``.
        """
        coordinator = self._find_coordinator()
        if coordinator is None or coordinator is self._observed_coordinator:
            return
        self._observed_coordinator = coordinator
        send, reset = coordinator._send_req, coordinator.reset_generation  # noqa: SLF001 - see the docstring

        async def send_and_record(request: Any) -> Any:
            sent_at = self._clock.monotonic()
            answer = await send(request)
            if isinstance(request, SyncGroupRequest) and answer.error_code == NoError.errno:
                self.record_join(sent_at)
            if isinstance(request, HeartbeatRequest) and answer.error_code in _CONFIRMING_ERRORS:
                self.record_heartbeat(sent_at)
            return answer

        def reset_and_record() -> None:
            self.record_loss()
            reset()

        coordinator._send_req, coordinator.reset_generation = send_and_record, reset_and_record  # noqa: SLF001 - see the docstring


class Ownership:
    """The right of one batch: its partitions, in the assignment generation that it was fetched in."""

    def __init__(self, membership: Membership, generation: int) -> None:
        self._membership = membership
        self._generation = generation

    @property
    def has_moved(self) -> bool:
        """Whether partitions were taken away since the fetch. Positions then come from the committed offsets."""
        return self._generation != self._membership.generation

    def ensure_owned(self) -> None:
        """Raises ``PartitionsMovedError`` once another member may own the records."""
        self._membership.ensure_owned(self._generation)
