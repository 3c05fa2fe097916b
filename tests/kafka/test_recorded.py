"""What commands read from the records of a real Kafka: the history of one employee, and previews over recorded changes."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.admin.mapping.history import find_position, read_history
from services.admin.preview.recorded import preview_recorded
from services.contracts.cloudevents import to_record
from services.contracts.events import Event
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.mappings import ConstantSource, Rule, default_mapping
from services.contracts.topics import Topic
from services.runtime.clock import SystemClock
from services.runtime.kafka.publisher import Publisher
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.kafka.group import SOURCE, KafkaGroup
from tests.support.builders import DECLAREE, NOW, PERSONIO, make_change, make_outcome, make_person
from tests.support.fakes import open_store
from tests.support.servers import MongoServers

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """An empty store."""
    async with open_store(mongo, prepared_database) as store:
        yield store


async def publish_all(settings: KafkaSettings, *events: Event) -> None:
    """Publishes events, and waits until Kafka has them."""
    publisher = Publisher(settings, "test")
    await publisher.start()
    await publisher.publish([to_record(event) for event in events])
    await publisher.stop()


async def test_preview_of_recorded_changes_leaves_forgotten_out(group: KafkaGroup, store: Store) -> None:
    """Kafka still has the changes of an employee that was forgotten, and changes of other connections."""
    connection = (await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)).id
    mapping = default_mapping()
    await store.mappings.publish(connection, mapping, now=NOW, expected_version=None)
    changes = [
        make_change(employee=employee).model_copy(update={"connection_id": connection}) for employee in ("7", "8")
    ]
    await publish_all(group.settings, *changes, make_change(employee="9"))
    await store.forgotten.mark([PersonKey(connection, EmployeeId("8"))], now=NOW, until=NOW + timedelta(days=1))
    draft = mapping.model_copy(
        update={"rules": (*mapping.rules, Rule(target="title", source=ConstantSource(value="x")))}
    )

    found = await preview_recorded(store, group.settings, SystemClock(), connection, draft, 0, lambda _: None)

    assert found.employees == 1
    assert found.fields == {"title": 1}


async def test_history_of_an_employee_is_read_from_both_topics(wide_group: KafkaGroup) -> None:
    """Of one partition of each topic, and of this employee only."""
    people = [make_person(str(number)) for number in range(12)]
    changes = [make_change(employee=person.employee_id) for person in people]
    outcomes = [make_outcome(person.employee_id) for person in people]
    await publish_all(wide_group.settings, *changes, *outcomes)
    read: list[tuple[str, int]] = []

    for person, change in zip(people, changes, strict=True):
        history = await read_history(wide_group.settings, person, SystemClock().now(), lambda *step: read.append(step))
        (settled,) = history.settled
        assert settled.change is not None
        assert settled.change.change == change
        assert settled.change.position == await find_position(wide_group.settings, change, SystemClock().now())
    assert set(read) == {(wide_group.settings.topic(topic), 1) for topic in (SOURCE, Topic.ACCOUNT_OUTCOMES)}
