"""Kafka in memory: partitions, offsets, committed positions and redelivery, as far as a consumer can notice them.

The consumers are the product's own. They have neither other group members nor a network.
"""

import itertools
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.kafka.decoding import Decoder, Incoming
from services.runtime.kafka.publisher import Publisher
from services.runtime.settings import KafkaSettings
from tests.support.builders import make_incoming_record

SETTINGS = KafkaSettings(kafka_bootstrap_servers="in-memory:1", kafka_session_timeout_ms=2_000_000_000)
PARTITIONS = 3


def _partition(key: bytes) -> int:
    """Chooses by the employee only: the id of the connection differs in every run."""
    return zlib.crc32(key.rpartition(b"/")[2]) % PARTITIONS


_times = itertools.count(1)  # the records of a new log are later than those of the log before


@dataclass
class Topics:
    """``effect`` may raise before each record is appended and before each commit."""

    logs: dict[TopicPartition, list[ConsumerRecord]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=lambda: defaultdict(int))
    effect: Callable[[str], None] = lambda _: None

    def append(self, record: Record, headers: Sequence[tuple[str, Any]] | None = None) -> None:
        self.effect("publish")
        partition = TopicPartition(record.topic.value, _partition(record.key or b""))
        log = self.logs[partition]
        sent = record if headers is None else record._replace(headers=tuple(headers))
        received = make_incoming_record(
            partition.partition, len(log), sent, topic=partition.topic, timestamp=next(_times)
        )
        log.append(received)

    def list_records(self, topic: Topic) -> list[ConsumerRecord]:
        """Returns all records of a topic, in order within each partition."""
        return [record for partition in self.list_partitions(topic) for record in self.logs[partition]]

    def count_records(self) -> int:
        """Returns the number of records of all topics."""
        return sum(map(len, self.logs.values()))

    def list_partitions(self, topic: Topic) -> list[TopicPartition]:
        return [TopicPartition(topic.value, number) for number in range(PARTITIONS)]

    def unread(self, group: str, topic: Topic, most: int) -> list[ConsumerRecord]:
        """Returns the next records for a member, some of every partition."""
        found = [self.logs[partition][self.committed[group, partition] :] for partition in self.list_partitions(topic)]
        return [record for records in found for record in records[: most // PARTITIONS + 1]][:most]

    def rewind(self, group: str, topic: Topic) -> None:
        """Removes the committed offsets of a group."""
        for partition in self.list_partitions(topic):
            self.committed[group, partition] = 0


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
class Member:
    """One member of a group: takes batches until nothing is left. A batch that fails is delivered again."""

    topics: Topics
    group: str
    source: Topic
    decoder: Decoder[Any]
    handle: Callable[[Sequence[Incoming[Any]]], Awaitable[Sequence[Record]]]
    publisher: Publisher
    most: int

    async def drain(self) -> int:
        """Consumes until nothing is left, or a batch fails. Returns the number of committed records."""
        done = 0
        while records := self.topics.unread(self.group, self.source, self.most):
            events, letters = self.decoder.decode(records)
            try:
                results = await self.handle(events) if events else []
                await self.publisher.publish([*letters, *results])
                self._commit(records)
            except TransientError:
                break
            done += len(records)
        return done

    def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        self.topics.effect("commit")
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            key = self.group, partition
            self.topics.committed[key] = max(self.topics.committed[key], record.offset + 1)
