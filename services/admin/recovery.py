"""Recovery from Kafka's records: replay, and the dead letters."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from services.contracts.envelope import (
    Cause,
    DeadLetter,
    Record,
    UnreadableRecordError,
    envelope_of,
    read_event,
    to_record,
)
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.producer import Publisher
from services.runtime.reader import recorded
from services.runtime.reading import WITHOUT_CONTENT
from services.runtime.settings import KafkaSettings
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records were read, and how many of them were (or in a dry run, would be) published again."""

    read: int
    published: int


async def replay(
    settings: KafkaSettings,
    store: Store,
    publisher: Publisher,
    *,
    connection: ConnectionId | None,
    employee: EmployeeId | None,
    everything: bool,
    since_ms: int | None,
    dry_run: bool,
    progress: Callable[[str, int], None],
) -> Replayed:
    """Publishes recorded changes again: the newest per person, or all in their order.

    An old event cannot win: it carries its revision, and the writer supersedes what is older than decided. For the
    newest per person the keys and revisions of all people are held in memory, not the events. ``progress`` is told
    what is done, and how many records have been read for it.
    """
    if connection is not None:
        await store.connections.must_exist(connection)
    newest: dict[bytes, int] = {}
    looked = 0
    if not everything:
        async for batch in recorded(settings, Topic.EMPLOYEES_CHANGED, since_ms):
            looked += len(batch)
            for event in _wanted(batch, connection, employee):
                newest[bytes(event.person)] = max(newest.get(bytes(event.person), 0), event.revision)
            progress("looking for the newest", looked)
    read = published = 0
    async for batch in recorded(settings, Topic.EMPLOYEES_CHANGED, since_ms):
        read += len(batch)
        chosen = [
            event
            for event in _wanted(batch, connection, employee)
            if everything or newest.get(bytes(event.person)) == event.revision
        ]
        if not everything:
            chosen = list({event.person: event for event in chosen if newest.pop(bytes(event.person), 0)}.values())
        if not dry_run:
            await publisher.publish([to_record(event, Cause.REPLAYED) for event in chosen])
        published += len(chosen)
        progress("counting" if dry_run else "publishing", read)
    return Replayed(read, published)


def _wanted(
    batch: Sequence[ConsumerRecord], connection: ConnectionId | None, employee: EmployeeId | None
) -> list[EmployeeChanged]:
    events: list[EmployeeChanged] = []
    for record in batch:
        try:
            event = read_event(EmployeeChanged, record.value)
        except UnreadableRecordError:
            continue  # it is a dead letter already
        if connection in {None, event.connection_id} and employee in {None, event.employee_id}:
            events.append(event)
    return events


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as listed: where it stands, where its record stood, and why; never what is in it.

    ``emptied`` is one whose record the dead letters could not hold: it is only where it was.
    """

    id: str
    person: str
    letter: DeadLetter
    emptied: bool = False


async def dead_letters(settings: KafkaSettings, store: Store) -> tuple[Letter, ...]:
    """Those that have not been retried."""
    return tuple([each.letter async for each in _open_letters(settings, store)])


@dataclass(frozen=True, slots=True)
class Retried:
    """How many were sent again; by id, what cannot be sent and what is no open dead letter."""

    sent: int
    not_sendable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def retry_dead_letters(
    settings: KafkaSettings, store: Store, publisher: Publisher, clock: Clock, only: frozenset[str]
) -> Retried:
    """Publishes the original records to the topics they came from, all or the ones named by id.

    They arrive after newer events of their person; the writer supersedes them then.
    """
    sent, not_sendable, missing = 0, [], set(only)
    async for found in _open_letters(settings, store):
        letter = found.letter
        if only and letter.id not in only:
            continue
        missing.discard(letter.id)
        if letter.emptied or await publisher.publish([found.original]):
            not_sendable.append(letter.id)
            continue
        await store.dead_letters.mark_retried([found.mark], now=clock.now())
        sent += 1
    return Retried(sent, tuple(not_sendable), tuple(sorted(missing)))


@dataclass(frozen=True, slots=True)
class _Open:
    """``mark`` tells it from a letter that stood in the same place before Kafka's data was lost."""

    letter: Letter
    mark: str
    original: Record


async def _open_letters(settings: KafkaSettings, store: Store) -> AsyncIterator[_Open]:
    async for batch in recorded(settings, Topic.DEAD_LETTERS):
        marks = {f"{record.partition}/{record.offset}/{record.timestamp}": record for record in batch}
        retried = await store.dead_letters.retried(marks)
        for mark, record in marks.items():
            if mark not in retried and (letter := _read(record)) is not None:
                original = Record(letter.letter.topic, record.key, record.value, envelope_of(record.headers))
                yield _Open(letter, mark, original)


def _read(record: ConsumerRecord) -> Letter | None:
    """None for what was not written by this product."""
    try:
        letter = DeadLetter.from_headers(tuple(record.headers))
    except ValidationError:
        return None
    emptied = letter.reason in WITHOUT_CONTENT and not record.value
    return Letter(f"{record.partition}/{record.offset}", _person(record.key), letter, emptied)


def _person(key: bytes | None) -> str:
    try:
        return str(PersonKey.parse((key or b"").decode()))
    except ValueError:
        return "unknown"
