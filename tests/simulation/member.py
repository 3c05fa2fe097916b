"""One member of a consumer group: it fetches, lets the product handle each batch, and takes part in rebalances.

Decoding, handling, publishing and committing are the product's own (``BatchProcessor``); so is the decision whether the
records still belong to the member (``Membership``). Only aiokafka's consumer and coordinator are replaced.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, RequestTimedOutError

from services.runtime.kafka.consumer import Consumer
from tests.simulation.faults import Fault
from tests.simulation.group import SESSION_SECONDS, Group, RebalanceError, UnknownMemberError
from tests.simulation.kafka_log import Log
from tests.simulation.process import Life

HEARTBEAT_SECONDS = SESSION_SECONDS / 3
"""Seconds between two heartbeats."""


class Member:
    """The membership of one life in a group."""

    def __init__(self, group: Group, log: Log, life: Life, consumer: Consumer[Any], max_records: int) -> None:
        """``consumer`` is the product's own, not started. ``max_records`` limits a batch."""
        self.group = group
        self._log = log
        self._life = life
        self._consumer = consumer
        self._max_records = max_records
        self._id = f"{life.name}#{group.take_number()}"
        self._assignments = 0
        self._positions: dict[TopicPartition, int] = {}
        self._is_joining = True
        self.commits_first = False
        """Whether a batch is committed before it is handled, which breaks a rule of the product."""

    def start(self) -> None:
        """Joins the group and consumes until the life ends."""
        self._life.shake = self.group.shake
        self._life.start(self._take_part())
        self._life.start(self._consume())

    # ------------------------------------------------------------ membership

    async def _take_part(self) -> None:
        while True:
            await self._join()
            try:
                while True:
                    await self._life.sleep(HEARTBEAT_SECONDS)
                    await self._beat()
            except RebalanceError:
                pass
            except UnknownMemberError:
                self._consumer.membership.record_loss()

    async def _join(self) -> None:
        membership = self._consumer.membership
        self._is_joining = True
        await membership.on_partitions_revoked(self._positions.keys())
        await self._life.reach("join")
        try:
            owned = await self.group.join(self._id)
        except UnknownMemberError:
            membership.record_loss()
            return
        membership.record_join(asyncio.get_running_loop().time())
        self._positions = {p: self.group.committed[p] for p in self.group.partitions if p in owned}
        self._assignments += 1
        await membership.on_partitions_assigned(owned)
        self._is_joining = False
        self._log.wake()

    async def _beat(self) -> None:
        sent_at = asyncio.get_running_loop().time()
        await self._life.reach("heartbeat")
        try:
            self.group.beat(self._id)
        except RebalanceError:
            self._consumer.membership.record_heartbeat(sent_at)
            raise
        self._consumer.membership.record_heartbeat(sent_at)

    # ------------------------------------------------------------ batches

    async def _consume(self) -> None:
        while True:
            self._consumer.batches.record_generation()
            records = () if self._is_joining else self._take()
            if not records:
                await self._log.wait_for_change()
                continue
            await self._life.reach("fetch")
            commit = self._make_commit(records)
            if self.commits_first:
                with contextlib.suppress(KafkaError):
                    await commit()
            message = Message(records, self._seek, commit)
            await self._consumer.batches.process(message)  # type: ignore[arg-type]

    def _take(self) -> tuple[ConsumerRecord, ...]:
        """Returns the next records of the assigned partitions, and moves the positions behind them."""
        taken: list[ConsumerRecord] = []
        for partition, position in self._positions.items():
            part = self._log.partitions[partition][position : position + self._max_records - len(taken)]
            self._positions[partition] = position + len(part)
            taken += part
        return tuple(taken)

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset

    def _make_commit(self, records: tuple[ConsumerRecord, ...]) -> Callable[[], Any]:
        assignment = self._assignments
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}

        async def commit() -> None:
            await self._life.reach("commit")
            if self._life.faults.strikes(Fault.COMMIT_REFUSED):
                self._fail("stores no offset")
            if assignment != self._assignments:
                raise CommitFailedError("the member has joined again")
            self.group.commit(self._id, offsets)
            await self._life.reach("commit (done)")
            if self._life.faults.strikes(Fault.COMMIT_UNANSWERED):
                self._fail("stores the offset and does not answer")

        return commit

    def _fail(self, details: str) -> None:
        self._life.history.note(self._life.name, f"Kafka fails: it {details}")
        raise RequestTimedOutError(details)


@dataclass
class Message:
    """A batch as FastStream hands it to the product."""

    raw_message: tuple[ConsumerRecord, ...]
    """The records."""
    seek: Callable[[TopicPartition, int], None]
    """Sets the position of a partition."""
    ack: Callable[[], Any]
    """Commits the batch."""
    committed: object = None
    """How the batch was acknowledged; None if it was not."""

    @property
    def consumer(self) -> "Message":
        """The consumer, of which the product uses ``seek`` alone."""
        return self
