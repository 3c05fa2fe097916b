"""Lists, shows and retries dead letters."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ValidationError

from services.contracts.cloudevents import Record, select_event_headers
from services.contracts.dead_letters import DeadLetter
from services.contracts.ids import PersonKey
from services.contracts.topics import Topic
from services.errors import PermanentError
from services.runtime.clock import Clock
from services.runtime.kafka.originals import OriginalRecords
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store

UNKNOWN_PERSON = "unknown"
"""In place of the person of a letter with an unreadable key."""


class UnknownLetterError(PermanentError):
    """No open dead letter has this id."""

    code: ClassVar[str] = "unknown-letter"

    def __init__(self, letter: str) -> None:
        """The message names the id."""
        super().__init__(f"{letter} is not an open dead letter: `dead-letters list` prints the open ones")


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """A dead letter without the content of its record."""

    id: str
    """Partition and offset of the letter, for ``dead-letters retry``."""
    person: str
    """The person that the record is about; ``unknown`` if its key is unreadable."""
    letter: DeadLetter
    """The location of the record, and the reason why it is unreadable."""


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """A dead letter with the content of its record. It contains personal data: show it only on request."""

    listed: ListedLetter
    """The letter."""
    is_gone: bool
    """Whether the record was not copied, and its topic no longer has it."""
    value: str | None
    """The value of the record as text, with U+FFFD for bytes that are not UTF-8; None if it has none or is gone."""


async def list_dead_letters(settings: KafkaSettings, store: Store) -> tuple[ListedLetter, ...]:
    """Returns the dead letters that were not retried."""
    return tuple([entry.listed async for entry in _read_open(settings, store)])


async def show_dead_letter(settings: KafkaSettings, store: Store, letter: str) -> ShownLetter:
    """Returns one dead letter with the content of its record. A record that was not copied is read from its topic.

    Raises ``UnknownLetterError``.
    """
    found = [entry async for entry in _read_open(settings, store) if entry.listed.id == letter]
    if not found:
        raise UnknownLetterError(letter)
    async with OriginalRecords(settings) as originals:
        original = await _find_original(found[0], originals)
    value = None if original is None or original.value is None else original.value.decode(errors="replace")
    return ShownLetter(found[0].listed, original is None, value)


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of a retry."""

    sent: int
    """Number of records that were published again."""
    not_sendable: tuple[str, ...] = ()
    """Ids of letters with a record that is too large to be published again, has no key, or is of a forgotten employee."""
    gone: tuple[str, ...] = ()
    """Ids of letters with a record that was not copied, and that its topic no longer has."""
    unknown: tuple[str, ...] = ()
    """Ids that match no open dead letter."""


async def retry_dead_letters(
    settings: KafkaSettings, store: Store, publisher: Publisher, clock: Clock, only: frozenset[str]
) -> Retried:
    """Publishes the original records to their topics again. ``only`` holds ids of letters; all if it is empty.

    A record that was not copied is read from its topic. A record may arrive after a newer event of the same person: the writer
    then supersedes it. The letters of a person that was forgotten later are not sendable.
    """
    sent, not_sendable, gone, unknown = 0, list[str](), list[str](), set(only)
    async with OriginalRecords(settings) as originals:
        async for entry in _read_open(settings, store):
            letter = entry.listed
            if only and letter.id not in only:
                continue
            unknown.discard(letter.id)
            original = await _find_original(entry, originals)
            if original is None:
                gone.append(letter.id)
            elif not await _is_sendable(store, entry, original) or await publisher.publish([original]):
                not_sendable.append(letter.id)
            else:
                await store.dead_letters.mark_retried([entry.mark], now=clock.now())
                sent += 1
    return Retried(sent, tuple(not_sendable), tuple(gone), tuple(sorted(unknown)))


async def _is_sendable(store: Store, entry: "_OpenLetter", original: Record) -> bool:
    """Returns False for a record without a key, which a compacted topic does not accept, and for one of a forgotten person."""
    letter = entry.listed
    if original.key is None:
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
    record: Record


async def _find_original(entry: _OpenLetter, originals: OriginalRecords) -> Record | None:
    """Returns the record that could not be read; None if the letter has no copy, and its topic no longer has it."""
    letter = entry.listed.letter
    if letter.is_copied:
        return entry.record
    found = await originals.read(letter)
    return None if found is None else entry.record._replace(key=found.key, value=found.value)


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
    return ListedLetter(f"{record.partition}/{record.offset}", _parse_person(record.key), letter)


def _parse_person(key: bytes | None) -> str:
    try:
        return str(PersonKey.parse((key or b"").decode()))
    except ValueError:
        return UNKNOWN_PERSON
