"""A batch is mapped with the mappings that were in force when it was fetched: one request for every change."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.contracts.envelope import Cause, DeadLetter, cause_of, read_event, to_record
from services.contracts.events import AccountRequested, EmployeeChanged, Intent
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.contracts.topics import Topic
from services.mapper.handler import Mapper
from services.mapping.engine import NO_MAPPING, Engine
from services.runtime.consumer import Batch
from tests.builders import changed, connection, incoming, published, rule
from tests.fakes import FakeClock, KnownConnections, Owned
from tests.stored import CONNECTION, OTHER, person


@dataclass
class Mappings:
    """Notes for whom it was asked, each time."""

    newest_ones: dict[ConnectionId, PublishedMapping] = field(default_factory=dict)
    asked: list[set[ConnectionId]] = field(default_factory=list)

    async def newest(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        self.asked.append(set(connections))
        return {each: self.newest_ones[each] for each in self.asked[-1] if each in self.newest_ones}


class Stage:
    def __init__(self) -> None:
        self.mappings = Mappings({CONNECTION: published()})
        self.connections = KnownConnections({CONNECTION: connection(), OTHER: connection(OTHER)})
        self.mapper = Mapper(self.mappings, self.connections, FakeClock())

    async def handle(self, *events: EmployeeChanged, cause: Cause = Cause.DETECTED) -> list[AccountRequested]:
        batch = Batch(tuple(incoming(event, number, cause) for number, event in enumerate(events)), Owned())
        records = await self.mapper.handle(batch)
        assert {record.topic for record in records} == {Topic.ACCOUNTS_REQUESTED}
        return [read_event(AccountRequested, record.value) for record in records]


def of(connection_id: ConnectionId, employee: str = "7") -> EmployeeChanged:
    return changed(employee=employee).model_copy(update={"connection_id": connection_id})


async def test_every_change_becomes_one_request_in_its_order() -> None:
    events = [changed(employee=str(number % 3), revision=number) for number in range(1, 20)]
    requests = await Stage().handle(*events)
    assert [(request.employee_id, request.revision) for request in requests] == [
        (event.employee_id, event.revision) for event in events
    ]


async def test_the_mappings_are_read_once_a_batch_for_the_connections_in_it() -> None:
    stage = Stage()
    await stage.handle(*[changed(employee=str(number)) for number in range(30)])
    await stage.handle(of(CONNECTION), of(OTHER))
    assert stage.mappings.asked == [{CONNECTION}, {CONNECTION, OTHER}]


async def test_the_batches_of_one_fetch_are_mapped_with_what_was_read_first() -> None:
    stage, fetch = Stage(), Owned()
    for events in ([of(CONNECTION)], [of(CONNECTION), of(OTHER)], [of(OTHER)]):
        stage.mappings.newest_ones[CONNECTION] = published(version=3 + len(stage.mappings.asked))
        records = await stage.mapper.handle(Batch(tuple(map(incoming, events)), fetch))
        requests = [read_event(AccountRequested, record.value) for record in records]
        assert {r.mapping_version for r in requests if r.connection_id == CONNECTION} <= {3}
    assert stage.mappings.asked == [{CONNECTION}, {OTHER}]


async def test_what_is_published_between_two_batches_counts_for_the_second() -> None:
    stage = Stage()
    (before,) = await stage.handle(changed())
    stage.mappings.newest_ones[CONNECTION] = published(rule("title", "position"), version=4)
    (after,) = await stage.handle(changed({"position": "Countess"}))
    assert (before.mapping_version, after.mapping_version) == (3, 4)
    assert after.desired is not None
    assert after.desired.fields == {"title": "Countess"}


async def test_each_connection_has_its_own_mapping() -> None:
    stage = Stage()
    stage.mappings.newest_ones[OTHER] = published(rule("title", "position"), version=8)
    first, second = await stage.handle(of(CONNECTION), of(OTHER))
    assert (first.mapping_version, second.mapping_version) == (3, 8)


async def test_without_a_mapping_everybody_is_rejected_until_one_is_published() -> None:
    stage = Stage()
    stage.mappings.newest_ones.clear()
    (request,) = await stage.handle(changed())
    assert (request.intent, request.reason, request.mapping_version) == (Intent.REJECT, NO_MAPPING, 0)
    stage.mappings.newest_ones[CONNECTION] = published(version=1)
    assert [request.intent for request in await stage.handle(changed())] == [Intent.PROVISION]


async def test_an_unknown_connection_makes_a_dead_letter_of_the_original_bytes_and_holds_nobody() -> None:
    stage = Stage()
    stranger = incoming(of(ConnectionId("nobody")), 5)
    letter, request = await stage.mapper.handle(Batch((stranger, incoming(changed())), Owned()))
    assert (letter.topic, letter.key, letter.value) == (Topic.DEAD_LETTERS, stranger.key, stranger.value)
    found = DeadLetter.from_headers(letter.headers)
    assert (found.service, found.reason, found.offset) == ("mapper", "unknown-connection", 5)
    assert (request.topic, request.key) == (Topic.ACCOUNTS_REQUESTED, bytes(person("7")))


async def test_a_connection_whose_secrets_cannot_be_read_is_mapped_all_the_same() -> None:
    stage = Stage()
    stage.connections.unreadable.add(CONNECTION)
    assert [request.intent for request in await stage.handle(changed())] == [Intent.PROVISION]


async def test_why_a_change_was_sent_goes_with_the_request() -> None:
    stage = Stage()
    for cause in Cause:
        (record,) = await stage.mapper.handle(Batch((incoming(changed(), cause=cause),), Owned()))
        assert cause_of(record.headers) is cause


async def test_the_same_change_gives_the_same_bytes_as_the_engine_alone() -> None:
    stage = Stage()
    (record,) = await stage.mapper.handle(Batch((incoming(changed()),), Owned()))
    assert record == to_record(Engine(published()).map(changed()))
