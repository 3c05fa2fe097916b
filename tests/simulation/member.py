"""One member of a consumer group, in place of aiokafka's consumer. Everything around it is the product's own ``Consumer``."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, RequestTimedOutError

from tests.simulation.faults import Fault
from tests.simulation.group import SESSION_SECONDS, Group, RebalanceError, UnknownMemberError
from tests.simulation.kafka_log import Log
from tests.simulation.process import Life

HEARTBEAT_SECONDS = SESSION_SECONDS / 3
"""Seconds between two heartbeats."""


class SimulatedConsumer:
    """The membership of one life in a group, with the methods of ``AIOKafkaConsumer`` that the product calls."""

    def __init__(self, group: Group, log: Log, life: Life, max_records: int) -> None:
        """``max_records`` limits what one fetch returns, as slow fetches do."""
        self._group = group
        self._log = log
        self._life = life
        self._max_records = max_records
        self._id = ""
        self._listener: Any = None
        self._positions: dict[TopicPartition, int] = {}
        self._is_joining = True
        self._assigned = asyncio.Event()
        self.before_fetch: Callable[[Mapping[TopicPartition, int]], None] = lambda _: None
        """Is called with the positions before records are taken."""

    async def start(self) -> None:
        """Connects."""

    async def topics(self) -> set[str]:
        """Returns the names of all topics."""
        return {partition.topic for partition in self._log.partitions}

    def subscribe(self, _: list[str], listener: Any) -> None:
        """Joins the group, and takes part until the life ends."""
        self._listener = listener
        self._life.shake = self._group.shake
        self._life.start(self._take_part())

    # ------------------------------------------------------------ membership

    async def _take_part(self) -> None:
        while True:
            await self._join()
            try:
                while True:
                    await self._life.sleep(HEARTBEAT_SECONDS)
                    await self._life.reach("heartbeat")
                    self._group.beat(self._id)
            except RebalanceError:
                pass
            except UnknownMemberError:
                self._id = ""

    async def _join(self) -> None:
        self._is_joining = True
        self._assigned.clear()
        await self._listener.on_partitions_revoked(self._positions.keys())
        await self._life.reach("join")
        while True:
            self._id = self._id or f"{self._life.name}#{self._group.take_number()}"
            try:
                owned = await self._group.join(self._id)
            except UnknownMemberError:
                self._id = ""
            else:
                break
        self._positions = {p: self._group.committed[p] for p in self._group.partitions if p in owned}
        self._is_joining = False
        self._assigned.set()
        await self._listener.on_partitions_assigned(owned)

    def assignment(self) -> set[TopicPartition]:
        """Returns the assigned partitions; none while a rebalance takes place."""
        return set() if self._is_joining else set(self._positions)

    # ------------------------------------------------------------ records

    async def getmany(
        self, partition: TopicPartition, timeout_ms: int = 0, max_records: int = 1
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Returns the next records of one partition, without waiting for any. Waits for the end of a rebalance."""
        if timeout_ms:
            await self._life.sleep(timeout_ms / 1000)
        await self._wait_for_assignment()
        records = self._take(partition, max_records)
        return {partition: records} if records else {}

    async def getone(self, *partitions: TopicPartition) -> ConsumerRecord:
        """Waits for a record of these partitions, and returns it."""
        while True:
            await self._wait_for_assignment()
            for partition in partitions:
                if records := self._take(partition, 1):
                    return records[0]
            await self._log.wait_for_change()

    async def _wait_for_assignment(self) -> None:
        await self._assigned.wait()

    def _take(self, partition: TopicPartition, most: int) -> list[ConsumerRecord]:
        """Returns records and moves the position behind them. Nothing comes between this and the caller."""
        if partition not in self._positions:
            return []
        position = self._positions[partition]
        records = self._log.partitions[partition][position : position + min(most, self._max_records)]
        self.before_fetch({partition: position + len(records)})
        self._positions[partition] = position + len(records)
        return records

    async def position(self, partition: TopicPartition) -> int:
        """Returns the offset of the next record."""
        if partition not in self._positions:
            raise IllegalStateError(partition)
        return self._positions[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Sets the offset of the next record."""
        if partition not in self._positions:
            raise IllegalStateError(partition)
        self._positions[partition] = offset

    def highwater(self, partition: TopicPartition) -> int:
        """Returns the end of a partition."""
        return len(self._log.partitions[partition])

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """Returns that the partition was asked for just now: the tasks of the library do not fail here."""
        return 2**53

    # ------------------------------------------------------------ offsets

    async def read_stored_offset(self, partition: TopicPartition) -> int:
        """Returns the offset that the group has stored."""
        await self._life.reach("stored offset")
        return self._group.committed[partition]

    committed = read_stored_offset  # aiokafka's name

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores offsets. Raises ``CommitFailedError`` if the group does not know the member."""
        if not offsets.keys() <= self._positions.keys():
            raise IllegalStateError(offsets)
        await self._life.reach("commit")
        if self._life.faults.strikes(Fault.COMMIT_REFUSED):
            self._fail("stores no offset")
        try:
            self._group.commit(self._id, offsets)
        except CommitFailedError:
            self._id = ""
            raise
        await self._life.reach("commit (done)")
        if self._life.faults.strikes(Fault.COMMIT_UNANSWERED):
            self._fail("stores the offset and does not answer")

    def commit_at_once(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores offsets before the records are handled, which breaks a rule of the product."""
        try:
            self._group.commit(self._id, offsets)
        except CommitFailedError:
            return

    def _fail(self, details: str) -> None:
        self._life.history.note(self._life.name, f"Kafka fails: it {details}")
        raise RequestTimedOutError(details)
