"""Publishes what follows from records: results, and a dead letter for a record with a result that is too large for Kafka."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.contracts.cloudevents import Record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Incoming, build_dead_letter
from services.runtime.kafka.publisher import Publisher
from services.runtime.metrics import Metrics


class ResultPublisher:
    """Publishes and counts the results of one service."""

    def __init__(self, service: str, source: Topic, publisher: Publisher, clock: Clock, metrics: Metrics) -> None:
        """``service`` is the name in dead letters, ``source`` the topic of the records that the results follow from."""
        self._service = service
        self._source = source
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics

    async def publish(self, records: Sequence[Incoming[Any]], results: Sequence[Record]) -> None:
        """Publishes ``results``, which follow from these records. Raises what ``Publisher.publish`` raises."""
        oversized = await self._publisher.publish(results)
        letters = self._build_letters(records, oversized) if oversized else []
        if letters:
            await self._publisher.publish(letters)
        dead = len(letters) + count_letters(results)
        self._metrics.records.labels(self._source.value, "handled").inc(max(0, len(records) - dead))
        self._metrics.records.labels(self._source.value, "dead_letter").inc(dead)

    async def publish_letters(self, letters: Sequence[Record]) -> None:
        """Publishes the dead letters of records that cannot be read."""
        if letters:
            await self._publisher.publish(letters)
            self._metrics.records.labels(self._source.value, "dead_letter").inc(len(letters))

    def _build_letters(self, records: Iterable[Incoming[Any]], oversized: Iterable[Record]) -> list[Record]:
        keys = {result.key for result in oversized}
        return [
            build_dead_letter(record, self._service, DeadLetterReason.TOO_LARGE, self._clock)
            for record in records
            if bytes(record.event.person) in keys
        ]


def count_letters(results: Iterable[Record]) -> int:
    """Returns the number of dead letters among these records."""
    return sum(result.topic is Topic.DEAD_LETTERS for result in results)
