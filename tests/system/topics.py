"""Kafka in memory: partitions, offsets, committed positions, redelivery - as much of it as a consumer can notice.

The consumers are the product's own; what they are not given here is other members and a network.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from services.contracts.envelope import Record
from services.contracts.topics import Topic
from services.runtime.consumer import Consumption
from services.runtime.producer import Publisher
from services.runtime.settings import KafkaSettings

SETTINGS = KafkaSettings(kafka_bootstrap_servers="in-memory:1", kafka_session_timeout_ms=2_000_000_000)
PARTITIONS = 3


def _partition(key: bytes) -> int:
    """By the employee alone: a connection's id is another one in every run."""
    return zlib.crc32(key.rpartition(b"/")[2]) % PARTITIONS


@dataclass
class Topics:
    """``effect`` may raise before each record is appended and before each commit."""

    logs: dict[TopicPartition, list[ConsumerRecord]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=lambda: defaultdict(int))
    effect: Callable[[str], None] = lambda _: None

    def append(self, record: Record, headers: Sequence[tuple[str, Any]] | None = None) -> None:
        self.effect("publish")
        place = TopicPartition(record.topic.value, _partition(record.key or b""))
        self.logs[place].append(
            ConsumerRecord(
                topic=place.topic,
                partition=place.partition,
                offset=len(self.logs[place]),
                timestamp=0,
                timestamp_type=0,
                key=record.key,
                value=record.value,
                checksum=None,
                serialized_key_size=-1,
                serialized_value_size=-1,
                headers=tuple(record.headers if headers is None else headers),
            )
        )

    def of(self, topic: Topic) -> list[ConsumerRecord]:
        """In their order within each partition."""
        return [record for place in self.places(topic) for record in self.logs[place]]

    def places(self, topic: Topic) -> list[TopicPartition]:
        return [TopicPartition(topic.value, number) for number in range(PARTITIONS)]

    def unread(self, group: str, topic: Topic, most: int) -> list[ConsumerRecord]:
        """What a member gets: some of every partition."""
        found = [self.logs[place][self.committed[group, place] :] for place in self.places(topic)]
        return [record for records in found for record in records[: most // PARTITIONS + 1]][:most]

    def rewind(self, group: str, topic: Topic) -> None:
        """As if the group had committed nothing."""
        for place in self.places(topic):
            self.committed[group, place] = 0


class MemoryPublisher(Publisher):
    """Publishes to the topics in memory."""

    def __init__(self, topics: Topics) -> None:
        super().__init__(SETTINGS, "memory")
        self._topics = topics

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        for record in records:
            self._topics.append(record)
        return ()


@dataclass
class Message:
    """A batch as FastStream hands it over. Whoever does not acknowledge it seeks back, and gets it again."""

    raw_message: tuple[ConsumerRecord, ...]
    acknowledge: Callable[[], None]
    committed: object = None

    @property
    def consumer(self) -> "Message":
        return self

    def seek(self, place: TopicPartition, offset: int) -> None:
        """The next batch begins at what is committed in any case."""

    async def ack(self) -> None:
        self.acknowledge()


@dataclass
class Member:
    """One member of a group: takes batches until nothing is left."""

    topics: Topics
    group: str
    source: Topic
    consumption: Consumption[Any]
    most: int

    async def drain(self) -> int:
        """How many records were committed; stops after a batch that was given back."""
        done = 0
        while records := self.topics.unread(self.group, self.source, self.most):
            self.consumption.membership.joined(0.0)
            before = dict(self.topics.committed)
            await self.consumption.on_batch(Message(tuple(records), lambda batch=tuple(records): self._commit(batch)))  # type: ignore[arg-type, misc]
            if self.topics.committed == before:
                break
            done += len(records)
        return done

    def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        self.topics.effect("commit")
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            key = self.group, place
            self.topics.committed[key] = max(self.topics.committed[key], record.offset + 1)
