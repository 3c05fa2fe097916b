"""What a batch consists of: the records that were read, and dead letters of those that were not."""

import contextlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from aiokafka import ConsumerRecord

from services.contracts.envelope import (
    Cause,
    DeadLetter,
    Record,
    UnreadableRecordError,
    cause_of,
    envelope_of,
    read_event,
)
from services.contracts.events import Event
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka import DEAD_LETTER_MAX_BYTES
from services.runtime.membership import Ownership

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

TOO_LARGE, NO_TEXT = "too-large", "header-no-text"
WITHOUT_CONTENT = frozenset({TOO_LARGE, NO_TEXT})
"""Why a dead letter may have neither key nor value: it only says where the record is."""
LARGEST_LETTER = DEAD_LETTER_MAX_BYTES - 16_384
"""Leaves room for the headers; only a topic that takes more than Kafka's default has larger records."""


class Incoming(NamedTuple, Generic[E]):
    """A record that was read, and the event in it."""

    event: E
    cause: Cause
    topic: Topic
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    """All of the record's, as they came."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    events: tuple[Incoming[E], ...]
    ownership: Ownership


def dead_letter(incoming: Incoming[Any], service: str, reason: str, clock: Clock) -> Record:
    """The dead letter of a record that was read and leads nowhere."""
    letter = DeadLetter(
        service=service,
        reason=reason,
        topic=incoming.topic.value,
        partition=incoming.partition,
        offset=incoming.offset,
        timestamp_ms=incoming.timestamp_ms,
        failed_at=clock.now(),
    )
    _log(letter)
    return letter.to_record(incoming.key, incoming.value, envelope_of(incoming.headers))


def _log(letter: DeadLetter) -> None:
    where = letter.model_dump(mode="json", include={"reason", "fields", "topic", "partition", "offset"})
    logger.warning("a record is a dead letter now: %s", letter.what_to_do, extra=where)


class Reader(Generic[E]):
    """Tells the events of one topic from what cannot be read as such, record by record."""

    def __init__(self, service: str, source: Topic, event: type[E], clock: Clock) -> None:
        self._service = service
        self._source = source
        self._event = event
        self._clock = clock

    def read(self, records: Iterable[ConsumerRecord]) -> tuple[tuple[Incoming[E], ...], list[Record]]:
        events: list[Incoming[E]] = []
        letters: list[Record] = []
        for record in records:
            try:
                event = read_event(self._event, record.value)
            except UnreadableRecordError as error:
                letters.append(self._letter(record, error))
            else:
                events.append(self._incoming(record, event))
        return tuple(events), letters

    def too_large(self, records: Iterable[ConsumerRecord], refused: Iterable[Record]) -> list[Record]:
        """The dead letters of the records whose answers Kafka would not take."""
        keys = {record.key for record in refused}
        letters: list[Record] = []
        for record in records:
            with contextlib.suppress(UnreadableRecordError):  # its dead letter was made when it was read first
                event = read_event(self._event, record.value)
                if bytes(event.person) in keys:
                    letters.append(dead_letter(self._incoming(record, event), self._service, TOO_LARGE, self._clock))
        return letters

    def without_content(self, partition: int, offset: int) -> Record:
        """The dead letter of a record of which a header's name is no text: it cannot be had, so it stays where it is."""
        now = self._clock.now()
        letter = DeadLetter(
            service=self._service,
            reason=NO_TEXT,
            topic=self._source,
            partition=partition,
            offset=offset,
            timestamp_ms=int(now.timestamp() * 1000),
            failed_at=now,
        )
        _log(letter)
        return letter.to_record(None, None)

    def _incoming(self, record: ConsumerRecord, event: E) -> Incoming[E]:
        return Incoming(
            event,
            cause_of(record.headers),
            self._source,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            record.headers,
        )

    def _letter(self, record: ConsumerRecord, error: UnreadableRecordError) -> Record:
        fits = len(record.key or b"") + len(record.value or b"") <= LARGEST_LETTER
        letter = DeadLetter(
            service=self._service,
            reason=error.reason if fits else TOO_LARGE,
            fields=",".join(error.fields),
            topic=self._source,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            failed_at=self._clock.now(),
        )
        _log(letter)
        # what fits nowhere else stays where it is; the headers say where
        return letter.to_record(
            record.key if fits else None, record.value if fits else None, envelope_of(record.headers)
        )
