"""A consumer group in memory: members, heartbeats, rebalances, and the committed offsets."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from services.contracts.topics import Topic
from tests.simulation.faults import Fault, Faults
from tests.simulation.history import History
from tests.simulation.kafka_log import PARTITIONS, SETTINGS

SESSION_SECONDS = SETTINGS.kafka_session_timeout_ms / 1000
"""Time without a heartbeat after which a member is removed."""
REBALANCE_SECONDS = SETTINGS.kafka_rebalance_timeout_ms / 1000
"""Time that a rebalance waits for the members."""


class UnknownMemberError(Exception):
    """The group has removed the member: it must join again."""


class RebalanceError(Exception):
    """The group rebalances: the member must finish its batch and join again."""


@dataclass
class _Rebalance:
    """A rebalance that waits for the members."""

    joined: set[str] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Group:
    """The coordinator of one group, which reads one topic."""

    def __init__(self, name: str, topic: Topic, faults: Faults, history: History) -> None:
        """``name`` is the service."""
        self.name = name
        self.partitions = [TopicPartition(topic.value, number) for number in range(PARTITIONS)]
        """The partitions of the topic."""
        self.committed: dict[TopicPartition, int] = dict.fromkeys(self.partitions, 0)
        """The offset of the next record of each partition."""
        self._faults = faults
        self._history = history
        self._generation = 0
        self._members = 0
        self._assignment: dict[str, frozenset[TopicPartition]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._rebalance: _Rebalance | None = None

    def take_number(self) -> int:
        """Returns a number for the id of a new member."""
        self._members += 1
        return self._members

    async def join(self, member: str) -> frozenset[TopicPartition]:
        """Joins the group and returns the assigned partitions after the rebalance. Raises ``UnknownMemberError``."""
        self._watch(member)
        rebalance = self._begin_rebalance()
        rebalance.joined.add(member)
        if rebalance.joined >= self._timers.keys():
            self._complete(rebalance)
        await rebalance.done.wait()
        if member not in self._assignment:
            raise UnknownMemberError
        return self._assignment[member]

    def beat(self, member: str) -> None:
        """Receives a heartbeat. Raises ``UnknownMemberError`` or ``RebalanceError``."""
        if member not in self._timers:
            raise UnknownMemberError
        self._watch(member)
        if self._rebalance is not None:
            raise RebalanceError

    def shake(self) -> None:
        """Moves partitions if the fault strikes now."""
        if self._rebalance is None and self._assignment and self._faults.strikes(Fault.MOVE):
            self._history.note(self.name, "the coordinator moves partitions")
            self._begin_rebalance()

    def commit(self, member: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores offsets, and keeps the member for another session, as Kafka does.

        Raises ``CommitFailedError`` unless all of the partitions belong to the member. A group without members takes a commit
        from a stranger without an id.
        """
        if member or self._timers:
            if member not in self._timers or not offsets.keys() <= self._assignment.get(member, frozenset()):
                raise CommitFailedError("the member does not own the partitions")
            self._watch(member)
        self.committed.update(offsets)

    def find_lag(self, ends: Mapping[TopicPartition, int]) -> int:
        """Returns the number of records that are not committed."""
        return sum(ends[partition] - offset for partition, offset in self.committed.items())

    def _watch(self, member: str) -> None:
        """Removes the member if it sends nothing for the time of a session."""
        if (timer := self._timers.get(member)) is not None:
            timer.cancel()
        self._timers[member] = asyncio.get_running_loop().call_later(SESSION_SECONDS, self._expire, member)

    def _expire(self, member: str) -> None:
        if self._rebalance is not None and member in self._rebalance.joined:
            self._watch(member)  # a member that waits for a rebalance is alive
            return
        self._history.note(self.name, f"{member} is removed from the group: its session has ended")
        self._remove(member)
        rebalance = self._begin_rebalance()
        if rebalance.joined and rebalance.joined >= self._timers.keys():
            self._complete(rebalance)

    def _remove(self, member: str) -> None:
        self._timers.pop(member).cancel()
        self._assignment.pop(member, None)

    def _begin_rebalance(self) -> _Rebalance:
        if self._rebalance is None:
            self._rebalance = rebalance = _Rebalance()
            asyncio.get_running_loop().call_later(REBALANCE_SECONDS, self._end_in_time, rebalance)
        return self._rebalance

    def _end_in_time(self, rebalance: _Rebalance) -> None:
        if self._rebalance is rebalance:
            self._complete(rebalance)

    def _complete(self, rebalance: _Rebalance) -> None:
        """Gives all partitions to the members that have joined, and removes the others."""
        for member in self._timers.keys() - rebalance.joined:
            self._history.note(self.name, f"{member} is removed from the group: it did not join in time")
            self._remove(member)
        self._generation += 1
        self._rebalance = None
        members = sorted(rebalance.joined & self._timers.keys())
        for member in members:
            self._watch(member)
        parts: dict[str, set[TopicPartition]] = {member: set() for member in members}
        for index, partition in enumerate(self.partitions if members else ()):
            parts[members[(index + self._generation) % len(members)]].add(partition)
        self._assignment = {member: frozenset(owned) for member, owned in parts.items()}
        shares = {member: sorted(p.partition for p in owned) for member, owned in self._assignment.items()}
        self._history.note(self.name, f"partitions are assigned: {shares}")
        rebalance.done.set()
