"""A replay does not bring back the events of an erased person."""

from datetime import timedelta
from typing import cast

import pytest

from services.admin.replay import Replayed, replay
from services.contracts.cloudevents import to_record
from services.contracts.events import EmployeeChanged
from services.contracts.records import Record
from services.contracts.tombstones import build_tombstone
from services.contracts.topics import Topic
from services.runtime.kafka.publisher import Publisher
from services.store.database import Store
from tests.kafka.group import KafkaGroup
from tests.support.builders import NOW, make_change, make_person
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakeClock

pytestmark = pytest.mark.kafka


def erase(employee: str) -> Record:
    """Returns the tombstone of an employee."""
    return build_tombstone(Topic.EMPLOYEES_CHANGED, make_person(employee))


def change(employee: str, revision: int) -> Record:
    """Returns a change of an employee."""
    return to_record(make_change(employee=employee, revision=revision))


async def replay_all(group: KafkaGroup, store: FakeStore, *, everything: bool) -> tuple[Replayed, list[Record]]:
    """Replays all recorded changes. Returns the result and the records that were published."""
    published: list[Record] = []

    class Recorder:
        async def publish(self, records: list[Record]) -> tuple[Record, ...]:
            published.extend(records)
            return ()

    result = await replay(
        group.settings,
        cast("Store", store),
        cast("Publisher", Recorder()),
        FakeClock(),
        connection=None,
        employee=None,
        everything=everything,
        since_ms=None,
        dry_run=False,
        progress=lambda *_: None,
    )
    return result, published


async def publish(group: KafkaGroup, *records: Record) -> None:
    """Publishes records to their topics."""
    publisher = Publisher(group.settings, "test")
    await publisher.start()
    await publisher.publish(records)
    await publisher.stop()


def summarize(records: list[Record]) -> list[tuple[str, int]]:
    """Returns employee and revision of each change."""
    events = [EmployeeChanged.model_validate_json(record.value or b"") for record in records]
    return [(event.employee_id, event.revision) for event in events]


async def test_replay_passes_over_an_erased_person(group: KafkaGroup) -> None:
    """The newest record of employee 7 is a tombstone. Employee 8 has returned, with a lower revision than before the erasure."""
    await publish(group, change("7", 1), change("8", 5), erase("7"), erase("8"), change("8", 2), change("9", 1))

    result, published = await replay_all(group, FakeStore(), everything=False)

    assert summarize(published) == [("8", 2), ("9", 1)]
    assert result == Replayed(read=6, published=2)


async def test_replay_of_everything_passes_over_erased_changes(group: KafkaGroup) -> None:
    """Every change before the tombstone belongs to the erased person."""
    await publish(group, change("7", 1), change("8", 1), change("7", 2), erase("7"), erase("8"), change("8", 2))

    _, published = await replay_all(group, FakeStore(), everything=True)

    assert summarize(published) == [("8", 2)]


async def test_replay_passes_over_a_person_that_is_being_erased(group: KafkaGroup) -> None:
    """The mark is written before the tombstone, and read right before the changes are published."""
    store = FakeStore()
    await publish(group, change("7", 1), change("8", 1))
    await store.forgotten.mark([make_person("7")], now=NOW, until=NOW + timedelta(days=1))

    _, published = await replay_all(group, store, everything=False)

    assert summarize(published) == [("8", 1)]
