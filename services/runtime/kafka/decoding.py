"""Decodes the records of a batch into events, and builds dead letters for the records that cannot be decoded."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from aiokafka import ConsumerRecord

from services.contracts.cloudevents import (
    Record,
    SendReason,
    UnreadableRecordError,
    ensure_possible_revision,
    parse_send_reason,
    read_event,
    select_event_headers,
)
from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.events import Event
from services.contracts.tombstones import is_tombstone
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.ownership import Ownership

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)


class Incoming(NamedTuple, Generic[E]):
    """A record that was decoded, with the event in it."""

    event: E
    """The event."""
    reason: SendReason
    """Why the event was sent."""
    topic: Topic
    """Topic of the record, without the prefix."""
    partition: int
    """Partition of the topic."""
    offset: int
    """Offset in the partition."""
    timestamp_ms: int
    """Kafka's timestamp of the record, in milliseconds."""
    key: bytes | None
    """The key; None if the record has none."""
    value: bytes | None
    """The value, as it was received."""
    headers: Sequence[tuple[str, bytes | None]] = ()
    """All headers, as they were received."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    """Decoded records of one ownership."""

    records: tuple[Incoming[E], ...]
    """The records, in order within each partition."""
    ownership: Ownership
    """Tells whether the records still belong to this member of the group."""
    whole: object = None
    """The same object for all parts of one batch; None for a batch that was not divided."""


def build_dead_letter(incoming: Incoming[Any], service: str, reason: DeadLetterReason, clock: Clock) -> Record:
    """Returns and logs the dead letter of a record that was decoded but cannot be handled."""
    letter = DeadLetter(
        service=service,
        reason=reason.value,
        topic=incoming.topic.value,
        partition=incoming.partition,
        offset=incoming.offset,
        timestamp_ms=incoming.timestamp_ms,
        failed_at=clock.now(),
    )
    _log(letter)
    return letter.to_record(incoming.key, incoming.value, select_event_headers(incoming.headers))


def _log(letter: DeadLetter) -> None:
    ids = letter.model_dump(mode="json", include={"reason", "fields", "topic", "partition", "offset"})
    logger.warning("record became a dead letter: %s", letter.next_step, extra=ids)


class Decoder(Generic[E]):
    """Decodes the records of one topic one by one, and builds dead letters."""

    def __init__(self, service: str, source: Topic, event: type[E], clock: Clock) -> None:
        """``service`` is the name in the dead letters, ``event`` the type that ``source`` carries."""
        self._service = service
        self._source = source
        self._event = event
        self._clock = clock

    def decode(self, records: Iterable[ConsumerRecord]) -> tuple[tuple[Incoming[E], ...], list[Record]]:
        """Returns the records with their events, and the dead letters of the undecodable records. Passes over tombstones."""
        events: list[Incoming[E]] = []
        letters: list[Record] = []
        now = self._clock.now()
        for record in records:
            if is_tombstone(record.key, record.value):
                continue
            try:
                event = read_event(self._event, record.value)
                ensure_possible_revision(event, now)
            except UnreadableRecordError as error:
                letters.append(self._build_letter(record, error))
            else:
                events.append(self._to_incoming(record, event))
        return tuple(events), letters

    def build_empty_letter(self, partition: int, offset: int) -> Record:
        """Returns the dead letter of a record with an invalid header name: it cannot be fetched, so it has no content."""
        now = self._clock.now()
        letter = DeadLetter(
            service=self._service,
            reason=DeadLetterReason.HEADER_NO_TEXT.value,
            topic=self._source,
            partition=partition,
            offset=offset,
            timestamp_ms=int(now.timestamp() * 1000),
            failed_at=now,
            is_copied=False,
        )
        _log(letter)
        return letter.to_record(None, None)

    def _to_incoming(self, record: ConsumerRecord, event: E) -> Incoming[E]:
        return Incoming(
            event,
            parse_send_reason(record.headers),
            self._source,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            record.headers,
        )

    def _build_letter(self, record: ConsumerRecord, error: UnreadableRecordError) -> Record:
        letter = DeadLetter(
            service=self._service,
            reason=error.reason.value,
            fields=",".join(error.fields),
            topic=self._source,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            failed_at=self._clock.now(),
        )
        _log(letter)
        return letter.to_record(record.key, record.value, select_event_headers(record.headers))
