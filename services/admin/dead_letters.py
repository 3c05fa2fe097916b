"""Lists and retries dead letters."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import ValidationError

from services.contracts.cloudevents import Record, select_event_headers
from services.contracts.dead_letters import DeadLetter
from services.contracts.ids import PersonKey
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import WITHOUT_CONTENT
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store

UNKNOWN_PERSON = "unknown"
"""In place of the person of a letter with an unreadable key."""


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """A dead letter without the content of its record."""

    id: str
    """Partition and offset of the letter, for ``dead-letters retry``."""
    person: str
    """The person that the record is about; ``unknown`` if its key is unreadable."""
    letter: DeadLetter
    """The location of the record, and the reason why it is unreadable."""
    is_emptied: bool = False
    """Whether the record was too large to be kept: the letter only states the location of the record."""


async def list_dead_letters(settings: KafkaSettings, store: Store) -> tuple[ListedLetter, ...]:
    """Returns the dead letters that were not retried."""
    return tuple([entry.listed async for entry in _read_open(settings, store)])


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of a retry."""

    sent: int
    """Number of records that were published again."""
    not_sendable: tuple[str, ...] = ()
    """Ids of letters that cannot be published again."""
    unknown: tuple[str, ...] = ()
    """Ids that match no open dead letter."""


async def retry_dead_letters(
    settings: KafkaSettings, store: Store, publisher: Publisher, clock: Clock, only: frozenset[str]
) -> Retried:
    """Publishes the original records to their topics again. ``only`` holds ids of letters; all if it is empty.

    A record may arrive after a newer event of the same person: the writer then supersedes it. The letters of a person that
    was forgotten later are not sendable.
    """
    sent, not_sendable, unknown = 0, [], set(only)
    async for entry in _read_open(settings, store):
        letter = entry.listed
        if only and letter.id not in only:
            continue
        unknown.discard(letter.id)
        if not await _is_sendable(store, entry) or await publisher.publish([entry.original]):
            not_sendable.append(letter.id)
            continue
        await store.dead_letters.mark_retried([entry.mark], now=clock.now())
        sent += 1
    return Retried(sent, tuple(not_sendable), tuple(sorted(unknown)))


async def _is_sendable(store: Store, entry: "_OpenLetter") -> bool:
    """Returns False for a letter without content or key, which a compacted topic does not accept, and of a forgotten person."""
    letter = entry.listed
    if letter.is_emptied or entry.original.key is None:
        return False
    if letter.person == UNKNOWN_PERSON:
        return True
    person = PersonKey.parse(letter.person)
    forgotten_at = (await store.forgotten.find([person])).get(person)
    return forgotten_at is None or letter.letter.timestamp_ms > forgotten_at.timestamp() * 1000


@dataclass(frozen=True, slots=True)
class _OpenLetter:
    """A letter that was not retried. ``mark`` differs from that of a letter at the same offset of a recreated topic."""

    listed: ListedLetter
    mark: str
    original: Record


async def _read_open(settings: KafkaSettings, store: Store) -> AsyncIterator[_OpenLetter]:
    async for batch in read_topic(settings, Topic.DEAD_LETTERS):
        marks = {f"{record.partition}/{record.offset}/{record.timestamp_ms}": record for record in batch}
        retried = await store.dead_letters.filter_retried(marks)
        for mark, record in marks.items():
            if mark not in retried and (letter := _parse(record)) is not None:
                headers = select_event_headers(record.headers)
                yield _OpenLetter(letter, mark, Record(letter.letter.topic, record.key, record.value, headers))


def _parse(record: RecordedRecord) -> ListedLetter | None:
    """Returns None for a record that this product did not write."""
    try:
        letter = DeadLetter.from_headers(record.headers)
    except ValidationError:
        return None
    is_emptied = letter.reason in WITHOUT_CONTENT and not record.value
    return ListedLetter(f"{record.partition}/{record.offset}", _parse_person(record.key), letter, is_emptied)


def _parse_person(key: bytes | None) -> str:
    try:
        return str(PersonKey.parse((key or b"").decode()))
    except ValueError:
        return UNKNOWN_PERSON
