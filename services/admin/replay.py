"""Publishes recorded changes again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.cloudevents import SendReason, find_event, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tombstones import is_tombstone
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of a replay."""

    read: int
    """Number of records that were read."""
    published: int
    """Number of changes that were published again; in a dry run, of the changes that would be published."""


async def replay(
    settings: KafkaSettings,
    store: Store,
    publisher: Publisher,
    clock: Clock,
    *,
    connection: ConnectionId | None,
    employee: EmployeeId | None,
    everything: bool,
    since_ms: int | None,
    dry_run: bool,
    progress: Callable[[str, int], None],
) -> Replayed:
    """Publishes the newest recorded change of each person again; with ``everything``, all changes in their order.

    A person that was erased after a change is passed over. The writer supersedes a replayed change that is older than the
    decided one. Memory holds the key and the newest revision of each person, not the events. ``progress`` receives the
    current step and the number of records that were read for it. Raises ``UnknownConnectionError``.
    """
    if connection is not None:
        await store.connections.ensure_exists(connection)
    now = clock.now()
    newest: dict[bytes, int] = {}
    erased: dict[bytes, int] = {}
    scanned = 0
    async for batch in read_topic(settings, Topic.EMPLOYEES_CHANGED, since_ms):
        scanned += len(batch)
        _find_newest(batch, newest, erased, now)
        progress("looking for the newest", scanned)
    read = published = 0
    async for batch in read_topic(settings, Topic.EMPLOYEES_CHANGED, since_ms):
        read += len(batch)
        lasting = [record for record in batch if record.offset > erased.get(record.key or b"", -1)]
        events = [
            event
            for event in _read_events(lasting, now)
            if connection in {None, event.connection_id}
            and employee in {None, event.employee_id}
            and (everything or newest.get(bytes(event.person)) == event.revision)
        ]
        if not everything:
            events = list({event.person: event for event in events if newest.pop(bytes(event.person), 0)}.values())
        # read right before the records are published, because a person may be forgotten during the replay
        forgotten = await store.forgotten.find(event.person for event in events)
        events = [event for event in events if event.detected_at > forgotten.get(event.person, _NEVER)]
        if not dry_run:
            await publisher.publish([to_record(event, SendReason.REPLAYED) for event in events])
        published += len(events)
        progress("counting" if dry_run else "publishing", read)
    return Replayed(read, published)


def _find_newest(
    batch: Sequence[RecordedRecord], newest: dict[bytes, int], erased: dict[bytes, int], now: datetime
) -> None:
    """Adds the newest revision of each person, and the offset of the last tombstone of each erased person.

    The records of a key are in one partition, so that their offsets tell their order.
    """
    for record in batch:
        if record.key is not None and is_tombstone(record.key, record.value):
            newest.pop(record.key, None)
            erased[record.key] = record.offset
        for event in _read_events([record], now):
            key = bytes(event.person)
            newest[key] = max(newest.get(key, 0), event.revision)


def _read_events(records: Sequence[RecordedRecord], now: datetime) -> list[EmployeeChanged]:
    found = [find_event(EmployeeChanged, record.value, now) for record in records]
    return [event for event in found if event is not None]
