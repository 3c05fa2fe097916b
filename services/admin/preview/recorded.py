"""Previews a mapping over the changes that Kafka has recorded: what the mapper would have asked for, beside what it would ask for now.

Nothing is read from Personio or Declaree, and nothing is written. The result has ids and numbers only.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from services.admin.mapping.versions import get_published
from services.contracts.cloudevents import find_event
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey, build_sort_key
from services.contracts.mappings import MANAGER, MappingDocument, PublishedMapping
from services.contracts.outcomes import Intent
from services.contracts.targets import identify_field
from services.contracts.topics import Topic
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.readers import USER_NAME
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import Clock
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store

FORGOTTEN_AT_ONCE = 1_000
"""Number of employees that are looked up together among the forgotten ones."""
EXTERNAL_ID = "externalId"
"""The field that the prefix of a mapping decides."""

Progress: TypeAlias = Callable[[int], None]
"""Receives the number of records that were read."""
K = TypeVar("K")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IntentChange:
    """Changes for which the two mappings ask the writer for something else."""

    published: Intent
    """What the published mapping asks for."""
    draft: Intent
    """What the previewed mapping asks for."""
    changes: int
    """Number of changes."""
    employees: tuple[EmployeeId, ...]
    """The employees, in the order of their ids."""


@dataclass(frozen=True, slots=True)
class RecordedRejection:
    """Changes that the previewed mapping rejects, for one reason."""

    reason: str
    """The reason, for an administrator."""
    field: str | None
    """The field or attribute that the reason is about; None if it is about none."""
    changes: int
    """Number of changes."""
    employees: tuple[EmployeeId, ...]
    """The employees, in the order of their ids."""


@dataclass(frozen=True, slots=True)
class RecordedPreview:
    """What a mapping would have asked for, over the recorded changes of a connection."""

    changes: int
    """Number of recorded changes. A change that was sent several times counts once."""
    employees: int
    """Number of employees with a recorded change."""
    differing: int
    """Number of changes for which the two mappings ask for something else."""
    intents: tuple[IntentChange, ...]
    """What is asked for instead, the most frequent first."""
    fields: Mapping[str, int]
    """Number of changes by the field that gets another value, of those for which both mappings ask for an account."""
    rejected: tuple[RecordedRejection, ...]
    """What the previewed mapping rejects, the most frequent reason first."""
    unrecorded: tuple[str, ...]
    """Attributes that the previewed mapping reads, and that no recorded change has: their fields cannot be judged."""


@dataclass(slots=True)
class _Employee:
    """What is counted of one employee."""

    detected_at: datetime
    revisions: set[int] = field(default_factory=set)
    differing: int = 0
    intents: Counter[tuple[Intent, Intent]] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str | None]] = field(default_factory=Counter)


class RecordedTally:
    """Compares two mappings over recorded changes. Memory holds numbers for each employee, never a value."""

    def __init__(
        self, connection: ConnectionId, published: PublishedMapping, mapping: MappingDocument, now: datetime
    ) -> None:
        """``mapping`` is previewed, as the version after ``published``. A revision far after ``now`` is left out."""
        self._connection = connection
        self._now = now
        self._before = Engine(published)
        draft = published.model_copy(update={"version": published.version + 1, "mapping": mapping})
        self._after = Engine(draft)
        self._unrecorded = set(find_wanted_attributes(mapping) - find_wanted_attributes(None))
        self._employees: dict[EmployeeId, _Employee] = {}

    @property
    def people(self) -> Mapping[PersonKey, datetime]:
        """The employees, with the time of their newest change."""
        return {PersonKey(self._connection, key): one.detected_at for key, one in self._employees.items()}

    def add(self, records: Iterable[RecordedRecord]) -> None:
        """Adds records, in their order. A tombstone erases what was counted of its employee."""
        for record in records:
            person = _parse_key(record.key)
            if person is None or person.connection_id != self._connection:
                continue
            if record.value is None:
                self.forget(person.employee_id)
                continue
            change = find_event(EmployeeChanged, record.value, self._now)
            if change is not None and change.person == person:
                self._add_change(change)

    def forget(self, employee: EmployeeId) -> None:
        """Removes what was counted of an employee."""
        self._employees.pop(employee, None)

    def _add_change(self, change: EmployeeChanged) -> None:
        one = self._employees.setdefault(change.employee_id, _Employee(change.detected_at))
        if change.revision in one.revisions:
            return  # a resend or a replay
        one.revisions.add(change.revision)
        one.detected_at = max(one.detected_at, change.detected_at)
        self._unrecorded -= change.attributes.keys()
        before, after = self._before.map(change), self._after.map(change)
        if after.intent is Intent.REJECT and after.reason is not None:
            one.rejected[after.reason, after.field] += 1
        if before.intent is not after.intent:
            one.differing += 1
            one.intents[before.intent, after.intent] += 1
            return
        fields = list(_find_differing(before, after))
        one.differing += bool(fields)
        one.fields.update(fields)

    def build(self) -> RecordedPreview:
        """Returns the preview."""
        fields: Counter[str] = Counter()
        intents: dict[tuple[Intent, Intent], Counter[EmployeeId]] = defaultdict(Counter)
        rejected: dict[tuple[str, str | None], Counter[EmployeeId]] = defaultdict(Counter)
        for employee, one in self._employees.items():
            fields.update(one.fields)
            for pair, number in one.intents.items():
                intents[pair][employee] += number
            for reason, number in one.rejected.items():
                rejected[reason][employee] += number
        return RecordedPreview(
            changes=sum(len(one.revisions) for one in self._employees.values()),
            employees=len(self._employees),
            differing=sum(one.differing for one in self._employees.values()),
            intents=tuple(
                IntentChange(published, draft, people.total(), tuple(sorted(people, key=build_sort_key)))
                for (published, draft), people in _order_by_number(intents)
            ),
            fields=dict(fields.most_common()),
            rejected=tuple(
                RecordedRejection(reason, about, people.total(), tuple(sorted(people, key=build_sort_key)))
                for (reason, about), people in _order_by_number(rejected)
            ),
            unrecorded=tuple(sorted(self._unrecorded)) if self._employees else (),
        )


async def preview_recorded(
    store: Store,
    settings: KafkaSettings,
    clock: Clock,
    connection: ConnectionId,
    mapping: MappingDocument,
    since_ms: int,
    progress: Progress,
) -> RecordedPreview:
    """Returns what a mapping would have asked for, over the changes recorded since ``since_ms``, beside the published mapping.

    Employees that were erased are left out. Raises ``UnknownConnectionError``, ``InvalidMappingError`` if no mapping is published,
    ``KafkaUnavailableError`` and ``StoreFailedError``.
    """
    published = await get_published(store, connection)
    tally = RecordedTally(connection, published, mapping, clock.now())
    read = 0
    async for batch in read_topic(settings, Topic.EMPLOYEES_CHANGED, since_ms):
        read += len(batch)
        tally.add(batch)
        progress(read)
    people = tally.people
    for chunk in _split(list(people)):
        forgotten = await store.forgotten.find(chunk)
        for person in chunk:
            if people[person] <= forgotten.get(person, _NEVER):
                tally.forget(person.employee_id)
    return tally.build()


def _find_differing(before: AccountRequested, after: AccountRequested) -> Iterator[str]:
    """Yields the fields that two requests for an account ask for with other values. A field that is left as it is counts as well."""
    if before.desired is None or after.desired is None:
        return
    earlier, later = _list_values(before), _list_values(after)
    for key in dict.fromkeys((*earlier, *later)):
        first, second = earlier.get(key), later.get(key)
        if (first and first[1]) != (second and second[1]):
            yield (second or earlier[key])[0]


def _list_values(request: AccountRequested) -> dict[tuple[str, ...], tuple[str, str]]:
    """Returns path and value of each field, by what identifies the field in any spelling.

    A value is a text here, because in Python true and 1 are equal.
    """
    desired = request.desired
    if desired is None:
        return {}
    values: dict[str, Value] = {USER_NAME: desired.user_name, EXTERNAL_ID: desired.external_id, **desired.fields}
    if desired.manager is not None:
        values[MANAGER] = desired.manager.employee_id
    texts = {path: repr(value) for path, value in values.items()}
    texts |= {path: f"withdrawn: {value!r}" for path, value in desired.withdrawn.items()}
    return {identify_field(path): (path, text) for path, text in texts.items()}


def _parse_key(key: bytes | None) -> PersonKey | None:
    try:
        return PersonKey.parse((key or b"").decode())
    except ValueError:
        return None


def _order_by_number(groups: Mapping[K, Counter[EmployeeId]]) -> list[tuple[K, Counter[EmployeeId]]]:
    return sorted(groups.items(), key=lambda item: (-item[1].total(), str(item[0])))


def _split(people: Sequence[PersonKey]) -> Iterator[Sequence[PersonKey]]:
    return (people[start : start + FORGOTTEN_AT_ONCE] for start in range(0, len(people), FORGOTTEN_AT_ONCE))
