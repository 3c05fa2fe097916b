"""What Kafka has recorded about one employee: the changes, and how each of them was settled.

It contains personal data: it is read for the person that asks, and not stored.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from services.contracts.cloudevents import find_event
from services.contracts.events import AccountSynced, EmployeeChanged, Version
from services.contracts.ids import PersonKey
from services.contracts.topics import Topic
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings

MAX_RECORDS = 1_000
"""Maximum number of changes, and of outcomes, that a history has: the newest ones."""
MAX_BYTES = 32_000_000
"""Maximum size of the records of these changes, and of these outcomes, in bytes. Python needs about twice as much memory for them."""
CLOCK_DIFFERENCE = timedelta(minutes=10)
"""How much earlier than the time of detection Kafka may have recorded a change, because the clocks differ."""

Progress: TypeAlias = Callable[[str, int], None]
"""Receives the name of a topic and the number of the employee's records that were read from it."""

E = TypeVar("E", EmployeeChanged, AccountSynced)
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """Where a record is in Kafka."""

    topic: str
    """Name of the topic, with its prefix."""
    partition: int
    """The partition."""
    offset: int
    """The offset in the partition."""
    recorded_at: datetime | None
    """Kafka's time of the record; None if it cannot be a date: a producer can send any number."""


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change of the employee."""

    change: EmployeeChanged
    """The event."""
    position: RecordPosition
    """The first record of it that Kafka still has: resends and replays repeat it."""


@dataclass(frozen=True, slots=True)
class SettledChange:
    """How the writer settled a change with one version of the mapping."""

    outcome: AccountSynced
    """The outcome."""
    position: RecordPosition
    """The first record of the outcome that Kafka still has."""
    change: RecordedChange | None
    """The change; None if Kafka no longer has it."""


class _Newest(Generic[K, V]):
    """The first value of each key, for the newest keys only: those that ``MAX_RECORDS`` and ``MAX_BYTES`` allow."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0

    def add(self, key: K, value: V, size: int) -> None:
        if key in self._kept:
            return
        self._kept[key] = value, size
        self._size += size
        while len(self._kept) > MAX_RECORDS or self._size > MAX_BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= dropped

    def get(self, key: K) -> V | None:
        return self._kept[key][0] if key in self._kept else None

    def get_all(self) -> list[V]:
        return [value for value, _ in self._kept.values()]

    def clear(self) -> None:
        self._kept.clear()
        self._size = 0


class EmployeeHistory:
    """The recorded changes and outcomes of one employee."""

    def __init__(self, person: PersonKey, now: datetime) -> None:
        """Starts empty. An event with a revision far after ``now`` is left out."""
        self._person = person
        self._now = now
        self._changes: _Newest[int, RecordedChange] = _Newest()
        self._outcomes: _Newest[tuple[Version, datetime], tuple[AccountSynced, RecordPosition]] = _Newest()

    @property
    def settled(self) -> tuple[SettledChange, ...]:
        """The settled changes, the newest outcome first."""
        found = [
            SettledChange(outcome, position, self._changes.get(outcome.revision))
            for outcome, position in self._outcomes.get_all()
        ]
        return tuple(sorted(found, key=lambda one: one.outcome.settled_at, reverse=True))

    def find_change(self, revision: int) -> RecordedChange | None:
        """Returns a change; None if Kafka no longer has it."""
        return self._changes.get(revision)

    def add_changes(self, topic: str, records: Iterable[RecordedRecord]) -> None:
        """Adds records of changes, in their order. A tombstone erases those before it."""
        for record in records:
            if record.value is None:
                self._changes.clear()
            elif (change := self._read(EmployeeChanged, record)) is not None:
                self._changes.add(
                    change.revision, RecordedChange(change, _read_position(topic, record)), len(record.value)
                )

    def add_outcomes(self, topic: str, records: Iterable[RecordedRecord]) -> None:
        """Adds records of outcomes, in their order. A tombstone erases those before it."""
        for record in records:
            if record.value is None:
                self._outcomes.clear()
            elif (outcome := self._read(AccountSynced, record)) is not None:
                key = outcome.version, outcome.settled_at
                self._outcomes.add(key, (outcome, _read_position(topic, record)), len(record.value))

    def _read(self, model: type[E], record: RecordedRecord) -> E | None:
        """Returns the event of a record; None for a record that cannot be read, and for one of another employee."""
        event = find_event(model, record.value, self._now)
        return event if event is not None and event.person == self._person else None


async def read_history(
    settings: KafkaSettings, person: PersonKey, now: datetime, progress: Progress
) -> EmployeeHistory:
    """Reads the whole partition of the employee in both topics. Raises ``KafkaUnavailableError``."""
    history, key = EmployeeHistory(person, now), bytes(person)
    for topic, add in ((Topic.EMPLOYEES_CHANGED, history.add_changes), (Topic.ACCOUNT_OUTCOMES, history.add_outcomes)):
        name, number = settings.topic(topic), 0
        async for batch in read_topic(settings, topic, key=key):
            number += len(batch)
            add(name, batch)
            progress(name, number)
    return history


async def find_position(settings: KafkaSettings, change: EmployeeChanged, now: datetime) -> RecordPosition | None:
    """Returns the first record of a change, from the time of its detection on; None if Kafka no longer has it.

    Raises ``KafkaUnavailableError``.
    """
    history, name = EmployeeHistory(change.person, now), settings.topic(change.topic)
    since_ms = max(int((change.detected_at.timestamp() - CLOCK_DIFFERENCE.total_seconds()) * 1000), 0)
    async with aclosing(read_topic(settings, change.topic, since_ms, key=bytes(change.person))) as batches:
        async for batch in batches:
            history.add_changes(name, batch)
            if (found := history.find_change(change.revision)) is not None:
                return found.position  # the partition also has the later changes of all companies
    return None


def _read_position(topic: str, record: RecordedRecord) -> RecordPosition:
    at: datetime | None = None
    with suppress(ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    return RecordPosition(topic, record.partition, record.offset, at)
