"""Publishes recorded changes again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.contracts.cloudevents import (
    SendReason,
    UnreadableRecordError,
    ensure_possible_revision,
    read_event,
    to_record,
)
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.topics import Topic
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.replay import RecordedRecord, read_topic
from services.runtime.settings import KafkaSettings
from services.store.database import Store


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

    The writer supersedes a replayed change that is older than the decided one. Memory holds the key and the newest
    revision of each person, not the events. ``progress`` receives the current step and the number of records that were
    read for it. Raises ``UnknownConnectionError``.
    """
    if connection is not None:
        await store.connections.ensure_exists(connection)
    now = clock.now()
    newest: dict[bytes, int] = {}
    scanned = 0
    if not everything:
        async for batch in read_topic(settings, Topic.EMPLOYEES_CHANGED, since_ms):
            scanned += len(batch)
            for event in _select(batch, connection, employee, now):
                newest[bytes(event.person)] = max(newest.get(bytes(event.person), 0), event.revision)
            progress("looking for the newest", scanned)
    read = published = 0
    async for batch in read_topic(settings, Topic.EMPLOYEES_CHANGED, since_ms):
        read += len(batch)
        events = [
            event
            for event in _select(batch, connection, employee, now)
            if everything or newest.get(bytes(event.person)) == event.revision
        ]
        if not everything:
            events = list({event.person: event for event in events if newest.pop(bytes(event.person), 0)}.values())
        if not dry_run:
            await publisher.publish([to_record(event, SendReason.REPLAYED) for event in events])
        published += len(events)
        progress("counting" if dry_run else "publishing", read)
    return Replayed(read, published)


def _select(
    batch: Sequence[RecordedRecord], connection: ConnectionId | None, employee: EmployeeId | None, now: datetime
) -> list[EmployeeChanged]:
    events: list[EmployeeChanged] = []
    for record in batch:
        try:
            event = read_event(EmployeeChanged, record.value)
            ensure_possible_revision(event, now)
        except UnreadableRecordError:
            continue  # its reader has already made it a dead letter
        if connection in {None, event.connection_id} and employee in {None, event.employee_id}:
            events.append(event)
    return events
