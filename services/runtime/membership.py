"""Whether the records of a batch are still ours: partitions that moved, and a group that has given us up."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from services.errors import ConnectorError
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

KNOWN_TO_THE_GROUP = frozenset({NoError.errno, RebalanceInProgressError.errno})


class PartitionsMovedError(ConnectorError):
    """Another member may be working on these records: nothing more of the batch may be sent.

    Neither transient nor permanent, so that nobody who handles those takes it for a failure of one person.
    """


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Drains the batch in work before partitions are given away, and counts the moves.

    A rebalance waits for the batch, at most ``drain_seconds``; what is not done by then is dropped. ``confirmed`` is
    when that was asked which the group last confirmed: a process that was paused finds it to be too long ago.
    """

    def __init__(self, clock: Clock, session_timeout: float, drain_seconds: float) -> None:
        self._clock = clock
        self._session_timeout = session_timeout
        self._drain_seconds = drain_seconds
        self._idle = asyncio.Event()
        self._idle.set()
        self._coordinator: Callable[[], Any] = lambda: None
        self._watched: Any = None
        self.moves = 0
        self.confirmed: float | None = None
        self.assigned: frozenset[TopicPartition] | None = None

    def watch(self, coordinator: Callable[[], Any]) -> None:
        """Where the consumer's coordinator is found when it begins to join its group."""
        self._coordinator = coordinator

    @contextlib.contextmanager
    def busy(self, moves: int) -> Iterator["Ownership"]:
        """A batch is in work that was fetched when ``moves`` was so high."""
        self._idle.clear()
        try:
            yield Ownership(self, moves)
        finally:
            self._idle.set()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._watch_group()
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("the batch in work is dropped: the rebalance could not wait any longer")
        if revoked:
            self.moves += 1

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.assigned = frozenset(assigned)

    def joined(self, asked: float) -> None:
        self.confirmed = asked

    def confirm(self, asked: float) -> None:
        if self.confirmed is not None:
            self.confirmed = max(self.confirmed, asked)

    def lost(self) -> None:
        """The group does not know us any more; until we have joined again, nothing is ours."""
        self.moves += 1
        self.confirmed = None

    def check(self, moves: int) -> None:
        if moves != self.moves:
            raise PartitionsMovedError("partitions have moved since the batch was read: it is dropped")
        if self.confirmed is None or self._clock.monotonic() - self.confirmed > self._session_timeout:
            raise PartitionsMovedError("the group has not confirmed this member in time: the batch is dropped")

    def _watch_group(self) -> None:
        """Notes what the group answers, and when that was asked; called before each join, so before the first one.

        aiokafka 0.14 offers no hook for it; this is the only place that changes its coordinator. Without the note
        nothing is ever confirmed, and no batch passes its check.
        """
        coordinator = self._coordinator()
        if coordinator is None or coordinator is self._watched:
            return
        self._watched = coordinator
        send, reset = coordinator._send_req, coordinator.reset_generation  # noqa: SLF001 - see above

        async def noted(request: Any) -> Any:
            asked = self._clock.monotonic()
            answer = await send(request)
            if isinstance(request, SyncGroupRequest) and answer.error_code == NoError.errno:
                self.joined(asked)
            if isinstance(request, HeartbeatRequest) and answer.error_code in KNOWN_TO_THE_GROUP:
                self.confirm(asked)
            return answer

        def lost() -> None:
            self.lost()
            reset()

        coordinator._send_req, coordinator.reset_generation = noted, lost  # noqa: SLF001 - see above


class Ownership:
    """Of one batch: ``check`` raises ``PartitionsMovedError`` once its records may be somebody else's, for good."""

    def __init__(self, membership: Membership, moves: int) -> None:
        self._membership = membership
        self._moves = moves

    @property
    def moved(self) -> bool:
        """Our positions are, or will be, those that the group has committed: nothing is left to seek back."""
        return self._moves != self._membership.moves

    def check(self) -> None:
        self._membership.check(self._moves)
