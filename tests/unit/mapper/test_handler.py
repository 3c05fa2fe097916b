"""The mapper returns one request for each change of a batch, by the newest mappings at the time of the fetch."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from services.contracts.cloudevents import SendReason, parse_send_reason, read_event, to_record
from services.contracts.dead_letters import DeadLetter
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping, UnreadableMapping
from services.contracts.outcomes import Intent
from services.contracts.topics import Topic
from services.mapper.handler import Mapper
from services.mapping.engine import NO_MAPPING, Engine
from services.runtime.kafka.decoding import Batch
from tests.support.builders import (
    CONNECTION,
    OTHER,
    make_change,
    make_connection,
    make_incoming,
    make_person,
    make_published_mapping,
    make_rule,
)
from tests.support.fakes import FakeClock, KnownConnections, OwnedPartitions


@dataclass
class RecordingMappings:
    """Published mappings that record each query."""

    published: dict[ConnectionId, PublishedMapping | UnreadableMapping] = field(default_factory=dict)
    queries: list[set[ConnectionId]] = field(default_factory=list)

    async def get_all_published(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, PublishedMapping | UnreadableMapping]:
        """Returns the mappings of the connections that have one."""
        query = set(connections)
        self.queries.append(query)
        return {connection: self.published[connection] for connection in query if connection in self.published}


class MapperStage:
    """A mapper with two connections, one of which has a mapping."""

    def __init__(self) -> None:
        self.mappings = RecordingMappings({CONNECTION: make_published_mapping()})
        self.connections = KnownConnections({CONNECTION: make_connection(), OTHER: make_connection(OTHER)})
        self.mapper = Mapper(self.mappings, self.connections, FakeClock())

    async def handle(self, *events: EmployeeChanged) -> list[AccountRequested]:
        """Returns the requests of a batch of its own."""
        batch = Batch(tuple(make_incoming(event, number) for number, event in enumerate(events)), OwnedPartitions())
        records = await self.mapper.handle(batch)
        assert {record.topic for record in records} == {Topic.ACCOUNTS_REQUESTED}
        return [read_event(AccountRequested, record.value) for record in records]


def build_change(connection_id: ConnectionId, employee: str = "7") -> EmployeeChanged:
    """Returns a change of an employee of this connection."""
    return make_change(employee=employee).model_copy(update={"connection_id": connection_id})


async def test_changes_become_requests_in_order() -> None:
    """Every change has exactly one request."""
    events = [make_change(employee=str(number % 3), revision=number) for number in range(1, 20)]

    requests = await MapperStage().handle(*events)

    assert [(request.employee_id, request.revision) for request in requests] == [
        (event.employee_id, event.revision) for event in events
    ]


async def test_mappings_are_read_once_per_batch() -> None:
    """One query serves all employees of the connections in the batch."""
    stage = MapperStage()

    await stage.handle(*[make_change(employee=str(number)) for number in range(30)])
    await stage.handle(build_change(CONNECTION), build_change(OTHER))

    assert stage.mappings.queries == [{CONNECTION}, {CONNECTION, OTHER}]


async def test_parts_of_one_batch_share_the_mappings() -> None:
    """Reading for each small part would be slow."""
    stage, ownership, whole = MapperStage(), OwnedPartitions(), object()
    parts = (
        [build_change(CONNECTION)],
        [build_change(CONNECTION), build_change(OTHER)],
        [build_change(OTHER)],
    )

    for events in parts:
        stage.mappings.published[CONNECTION] = make_published_mapping(version=3 + len(stage.mappings.queries))
        records = await stage.mapper.handle(Batch(tuple(map(make_incoming, events)), ownership, whole))
        requests = [read_event(AccountRequested, record.value) for record in records]
        versions = {request.mapping_version for request in requests if request.connection_id == CONNECTION}
        assert versions <= {3}

    assert stage.mappings.queries == [{CONNECTION}, {OTHER}]


async def test_next_batch_gets_a_newly_published_mapping() -> None:
    """The ownership of the partitions stays the same for hours: a resend that follows a publication needs the new version."""
    stage, ownership = MapperStage(), OwnedPartitions()
    versions: list[int] = []

    for whole in (object(), object(), None, None):
        stage.mappings.published[CONNECTION] = make_published_mapping(version=3 + len(stage.mappings.queries))
        (record,) = await stage.mapper.handle(Batch((make_incoming(build_change(CONNECTION)),), ownership, whole))
        versions.append(read_event(AccountRequested, record.value).mapping_version)

    assert versions == [3, 4, 5, 6]


async def test_new_mapping_is_used_by_the_next_batch() -> None:
    """The resend after a publication must meet the new version."""
    stage = MapperStage()

    (before,) = await stage.handle(make_change())
    stage.mappings.published[CONNECTION] = make_published_mapping(make_rule("title", "position"), version=4)
    (after,) = await stage.handle(make_change({"position": "Countess"}))

    assert before.mapping_version == 3
    assert after.mapping_version == 4
    assert after.desired is not None
    assert after.desired.fields == {"title": "Countess"}


async def test_connections_have_separate_mappings() -> None:
    """One company's mapping must not affect another company."""
    stage = MapperStage()
    stage.mappings.published[OTHER] = make_published_mapping(make_rule("title", "position"), version=8)

    first, second = await stage.handle(build_change(CONNECTION), build_change(OTHER))

    assert first.mapping_version == 3
    assert second.mapping_version == 8


async def test_unreadable_mapping_rejects_its_own_company_alone() -> None:
    """The reason says what to do, and no version is named. The repaired mapping is used at once."""
    stage = MapperStage()
    stage.mappings.published[OTHER] = UnreadableMapping(connection_id=OTHER, problem="cannot be read: upgrade")

    other, own = await stage.handle(build_change(OTHER), build_change(CONNECTION))
    stage.mappings.published[OTHER] = make_published_mapping(version=8)
    (repaired,) = await stage.handle(build_change(OTHER))

    assert other.intent is Intent.REJECT
    assert other.reason == "cannot be read: upgrade"
    assert other.mapping_version == 0
    assert own.intent is Intent.PROVISION
    assert repaired.intent is Intent.PROVISION
    assert repaired.mapping_version == 8


@pytest.mark.expects_errors
async def test_defect_of_the_mapping_stops_one_employee_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The employee is rejected, and the changes of the others are mapped."""
    map_well = Engine.map

    def map_badly(engine: Engine, event: EmployeeChanged) -> AccountRequested:
        if event.employee_id == "7" and engine.version:
            raise ZeroDivisionError
        return map_well(engine, event)

    monkeypatch.setattr(Engine, "map", map_badly)

    first, second = await MapperStage().handle(make_change(employee="7"), make_change(employee="8"))

    assert first.intent is Intent.REJECT
    assert first.reason == "the mapping cannot be applied (ZeroDivisionError): see the mapper's log"
    assert second.intent is Intent.PROVISION


async def test_missing_mapping_rejects_until_one_is_published() -> None:
    """The first published mapping is used at once."""
    stage = MapperStage()
    stage.mappings.published.clear()

    (before,) = await stage.handle(make_change())
    stage.mappings.published[CONNECTION] = make_published_mapping(version=1)
    (after,) = await stage.handle(make_change())

    assert before.intent is Intent.REJECT
    assert before.reason == NO_MAPPING
    assert before.mapping_version == 0
    assert after.intent is Intent.PROVISION


async def test_unknown_connection_gives_a_dead_letter() -> None:
    """The record is kept byte for byte, and the rest of the batch is mapped."""
    stage = MapperStage()
    unknown = make_incoming(build_change(ConnectionId("unknown")), 5)

    record, request = await stage.mapper.handle(Batch((unknown, make_incoming(make_change())), OwnedPartitions()))
    letter = DeadLetter.from_headers(record.headers)

    assert record.topic is Topic.DEAD_LETTERS
    assert record.key == unknown.key
    assert record.value == unknown.value
    assert letter.service == "mapper"
    assert letter.reason == "unknown-connection"
    assert letter.offset == 5
    assert request.topic is Topic.ACCOUNTS_REQUESTED
    assert request.key == bytes(make_person("7"))


async def test_connection_with_unreadable_secrets_is_mapped() -> None:
    """The mapper needs no secrets."""
    stage = MapperStage()
    stage.connections.unreadable.add(CONNECTION)

    requests = await stage.handle(make_change())

    assert [request.intent for request in requests] == [Intent.PROVISION]


async def test_request_keeps_the_send_reason() -> None:
    """The writer treats a resend differently."""
    stage = MapperStage()

    for reason in SendReason:
        (record,) = await stage.mapper.handle(Batch((make_incoming(make_change(), 0, reason),), OwnedPartitions()))
        assert parse_send_reason(record.headers) is reason


async def test_request_equals_that_of_the_engine() -> None:
    """The mapper adds nothing to the engine's result."""
    stage = MapperStage()

    (record,) = await stage.mapper.handle(Batch((make_incoming(make_change()),), OwnedPartitions()))

    assert record == to_record(Engine(make_published_mapping()).map(make_change()))
