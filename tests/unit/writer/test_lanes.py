"""The lanes of the connections: none waits for another one, and each person's records stay in order."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.contracts.cloudevents import Record
from services.contracts.events import AccountRequested, Version
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.contracts.topics import Topic
from services.errors import TransientError
from services.runtime.kafka.decoding import Batch, Incoming
from services.runtime.kafka.failures import MAX_UNEXPECTED_ERRORS, Failures
from services.runtime.kafka.ownership import Ownership
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from services.writer.handler import Results
from services.writer.lane import MAX_BATCHES, RECORD_BYTES
from services.writer.lanes import MAX_ARRIVED, MIN_ROOM, Lanes
from services.writer.takeover import Takeover
from tests.support.builders import CONNECTION, OTHER, make_incoming, make_person, make_request
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

ROOM = 40
"""Number of records that one lane may hold."""


class CollectingPublisher(Publisher):
    """Keeps what is published."""

    def __init__(self) -> None:
        super().__init__(KafkaSettings(kafka_bootstrap_servers="kafka:1"), "test")
        self.published: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        self.published += records
        return ()


class GatedWriter:
    """Handles batches, those of ``slow`` connections only after ``gate`` opens, and raises ``errors`` first."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.slow: set[ConnectionId] = {CONNECTION}
        self.errors: list[Exception] = []
        self.begun: list[list[tuple[str, int]]] = []
        self.suspects: list[list[bool]] = []
        self.done: list[str] = []

    async def handle(self, batch: Batch[AccountRequested], takeover: Takeover) -> Results:
        """Notes the batch and what is suspect in it, and publishes a record for each request."""
        events = [record.event for record in batch.records]
        self.begun.append([(event.employee_id, event.revision) for event in events])
        self.suspects.append([takeover.is_suspect(record) for record in batch.records])
        if self.errors:
            raise self.errors.pop(0)
        skipped = frozenset(event.person for event in events if batch.ownership.is_ending)
        if events[0].connection_id in self.slow:
            await self.gate.wait()
        self.done += [event.employee_id for event in events if event.person not in skipped]
        return Results([Record(Topic.ACCOUNT_OUTCOMES, bytes(event.person), b"done") for event in events], skipped)


class Stage:
    """Lanes over a fake store, with records of one partition."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.clock = FakeClock()
        self.writer: Any = GatedWriter()
        self.publisher = CollectingPublisher()
        self.metrics = Metrics()
        self.fatal_reasons: list[str] = []
        self.ownership = Ownership(lambda: True)
        self.lanes = self.make_lanes()
        self.next_offset = 0

    def make_lanes(self) -> Lanes:
        """Returns lanes that know nothing of earlier ones."""
        topic = Topic.ACCOUNTS_REQUESTED
        return Lanes(
            writer=self.writer,
            ledger=self.store.ledger,
            work_ranges=self.store.work_ranges,
            results=ResultPublisher("writer", topic, self.publisher, self.clock, self.metrics),
            make_failures=lambda: Failures(topic, self.metrics, self.fatal_reasons.append),
            clock=self.clock,
            metrics=self.metrics,
            fatal=self.fatal_reasons.append,
            lane_records=ROOM,
            all_records=10_000,
            batch_records=10,
        )

    def receive(self, *requests: AccountRequested) -> list[Incoming[AccountRequested]]:
        """Hands these requests over, as the consumer does."""
        records = [make_incoming(request, self.next_offset + index) for index, request in enumerate(requests)]
        self.next_offset += len(records)
        self.ownership.hand_out(0, [record.offset for record in records])
        self.lanes.receive(Batch(tuple(records), self.ownership))
        return records

    def get_position(self) -> int:
        """Returns the offset up to which everything is settled."""
        return self.ownership.get_positions()[0]

    async def wait_until_settled(self) -> None:
        """Returns once every record is settled."""
        await wait_until(lambda: not self.ownership.open)


@pytest.fixture
async def stage() -> Any:
    """Lanes that have started."""
    stage = Stage()
    await stage.lanes.start()
    yield stage
    stage.writer.gate.set()
    await stage.lanes.stop()


def make_requests(first: int, last: int, **changes: Any) -> list[AccountRequested]:
    return [make_request(str(number), **changes) for number in range(first, last)]


def receive_large(stage: Stage, people: int, size: int) -> None:
    """Hands over one record of this size in bytes for each employee."""
    records = [
        make_incoming(request, offset)._replace(value=b"x" * size)
        for offset, request in enumerate(make_requests(0, people))
    ]
    stage.ownership.hand_out(0, [record.offset for record in records])
    stage.lanes.receive(Batch(tuple(records), stage.ownership))


@pytest.mark.promise("P10")
async def test_large_records_take_the_room_of_several(stage: Stage) -> None:
    """The memory of a lane is bounded in bytes: a company with large texts must not end the writer of all."""
    receive_large(stage, ROOM, 4 * RECORD_BYTES)

    await wait_until(lambda: stage.ownership.open == ROOM // 5)

    waiting = await stage.store.ledger.read([make_person(str(number)) for number in range(ROOM)])
    assert {entry.waiting.cause for entry in waiting.values() if entry.waiting} == {WaitingCause.BACKLOG}
    assert len(waiting) == ROOM - ROOM // 5
    stage.writer.gate.set()
    await stage.wait_until_settled()
    assert stage.lanes.find_room(CONNECTION) == ROOM


async def test_record_above_the_room_of_a_lane_is_worked_on(stage: Stage) -> None:
    """It is the only one in its lane, and does not wait forever."""
    stage.writer.gate.set()
    receive_large(stage, 2, 2 * ROOM * RECORD_BYTES)

    await stage.wait_until_settled()

    assert stage.writer.done == ["0"]


async def test_no_record_is_fetched_while_many_bytes_wait() -> None:
    """Records that are not in a lane yet are in memory, too."""
    stage = Stage()

    receive_large(stage, 10, RECORD_BYTES * MAX_ARRIVED // 10)

    assert not stage.lanes.has_room


@pytest.mark.promise("P10")
async def test_connection_does_not_wait_for_a_hanging_one(stage: Stage) -> None:
    """The hanging one fills its lane, and what does not fit waits in the ledger."""
    stage.receive(*make_requests(0, 3 * ROOM))
    stage.receive(make_request("1", connection=OTHER))

    await wait_until(lambda: stage.writer.done)

    assert stage.writer.done == ["1"]
    assert len(stage.writer.begun) == MAX_BATCHES + 1
    held = [entry for entry in stage.store.ledger.content.values() if entry.waiting is not None]
    assert {entry.waiting.cause for entry in held if entry.waiting} == {WaitingCause.BACKLOG}
    assert len(held) == 2 * ROOM
    assert stage.get_position() == 0
    assert stage.ownership.open == ROOM


@pytest.mark.promise("P1")
async def test_surplus_is_settled_when_its_waiting_is_stored(stage: Stage) -> None:
    """The partition waits for MongoDB alone."""
    stage.receive(*make_requests(0, ROOM + 5))
    await wait_until(lambda: stage.ownership.open == ROOM)
    assert len(stage.store.ledger.content) == 5

    stage.writer.gate.set()
    await stage.wait_until_settled()

    assert stage.get_position() == ROOM + 5
    assert len(stage.publisher.published) == ROOM


@pytest.mark.promise("P1")
async def test_surplus_that_cannot_be_stored_is_not_settled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted again when MongoDB answers. A crash until then must not lose it."""
    note_waiting, positions = stage.store.ledger.note_waiting, list[int]()

    async def fail_first(waiting: Any) -> None:
        positions.append(stage.ownership.open)
        if len(positions) == 1:
            raise TransientError("MongoDB does not answer")
        await note_waiting(waiting)

    monkeypatch.setattr(stage.store.ledger, "note_waiting", fail_first)
    stage.receive(*make_requests(0, ROOM + 5))
    await wait_until(lambda: stage.ownership.open == ROOM)

    assert positions == [ROOM + 5, ROOM + 5]


@pytest.mark.promise("P2")
async def test_newest_change_of_the_surplus_waits(stage: Stage) -> None:
    """Of several changes of one employee that do not fit, the newest is noted, in any order."""
    stage.receive(*make_requests(0, ROOM), make_request("x", 3_000), make_request("x", 2_000))

    await wait_until(lambda: stage.store.ledger.content)

    waiting = stage.store.ledger.content[make_person("x")].waiting
    assert waiting is not None
    assert waiting.version == Version(3_000, 3)


@pytest.mark.promise("P2")
async def test_person_is_in_one_batch_at_a_time(stage: Stage) -> None:
    """The next record of a person waits until the batch with the earlier one has ended."""
    stage.receive(make_request("7", 1_000))
    await wait_until(lambda: stage.writer.begun)
    stage.receive(make_request("7", 2_000), make_request("8", 1_000), make_request("7", 3_000))
    await wait_until(lambda: len(stage.writer.begun) == 2)

    assert stage.writer.begun == [[("7", 1_000)], [("8", 1_000)]]

    stage.writer.gate.set()
    await stage.wait_until_settled()

    assert stage.writer.begun[2:] == [[("7", 2_000), ("7", 3_000)]]


async def test_slow_batch_holds_no_other_of_its_connection(stage: Stage) -> None:
    """One slow account must not stop the import of its company."""
    stage.writer.slow = set()
    gate = asyncio.Event()
    handle = stage.writer.handle

    async def hang_for_first(batch: Batch[AccountRequested], takeover: Takeover) -> Results:
        if batch.records[0].event.employee_id == "0":
            await gate.wait()
        results: Results = await handle(batch, takeover)
        return results

    stage.writer.handle = hang_for_first
    stage.receive(*make_requests(0, ROOM))

    await wait_until(lambda: len(stage.writer.done) == ROOM - 10)

    assert stage.get_position() == 0
    gate.set()
    await stage.wait_until_settled()


async def test_failed_batch_is_repeated_as_suspect(stage: Stage) -> None:
    """Requests may have been sent for its records, which MongoDB could not note."""
    stage.writer.errors = [TransientError("MongoDB does not answer")]
    stage.writer.slow = set()
    stage.receive(make_request("7"), make_request("8"))

    await stage.wait_until_settled()

    assert stage.writer.suspects == [[False, False], [True, True]]
    assert stage.clock.slept == [0.25]


@pytest.mark.expects_errors
@pytest.mark.promise("P10")
async def test_batch_with_a_defect_waits_and_stops_no_other(stage: Stage) -> None:
    """Its people wait after a number of attempts. The process goes on for the other connections."""
    stage.writer.errors = [KeyError("a defect")] * MAX_UNEXPECTED_ERRORS
    stage.writer.slow = set()
    stage.receive(make_request("7"))
    await stage.wait_until_settled()

    waiting = stage.store.ledger.content[make_person("7")].waiting
    assert waiting is not None
    assert waiting.cause is WaitingCause.UNEXPECTED

    stage.receive(make_request("1", connection=OTHER))
    await stage.wait_until_settled()

    assert stage.writer.done == ["1"]
    assert stage.fatal_reasons == []


async def test_finish_forgets_what_has_not_begun(stage: Stage) -> None:
    """The next owner of the partitions reads it. What is in progress is finished."""
    stage.receive(*make_requests(0, ROOM))
    await wait_until(lambda: len(stage.writer.begun) == MAX_BATCHES)
    stage.ownership.is_ending = True

    finishing = asyncio.create_task(stage.lanes.finish())
    await asyncio.sleep(0)
    stage.writer.gate.set()
    await finishing

    assert len(stage.writer.begun) == MAX_BATCHES
    assert stage.get_position() == MAX_BATCHES * 10
    assert stage.ownership.open == ROOM - MAX_BATCHES * 10
    assert stage.lanes.find_room(CONNECTION) == ROOM


async def test_skipped_people_are_not_settled(stage: Stage) -> None:
    """A batch that begins when the partitions are about to move leaves its people to their next owner."""
    stage.ownership.is_ending = True
    stage.writer.slow = set()

    stage.receive(make_request("7"))
    await wait_until(lambda: stage.writer.begun)
    await stage.lanes.finish()

    assert stage.ownership.open == 1


@pytest.mark.promise("P2")
async def test_outcomes_of_moved_records_are_not_published(stage: Stage) -> None:
    """Their new owner may have published newer ones."""
    stage.receive(make_request("7"))
    await wait_until(lambda: stage.writer.begun)
    stage.ownership.end()

    stage.writer.gate.set()
    await stage.lanes.finish()

    assert stage.writer.done == ["7"]
    assert stage.publisher.published == []


@pytest.mark.promise("P3")
async def test_records_of_an_earlier_writer_are_suspect(stage: Stage) -> None:
    """It had them in progress, and may have sent requests for them."""
    stage.receive(make_request("7"), make_request("8"))
    await wait_until(lambda: stage.writer.begun)
    successor = Stage()
    successor.store, successor.writer.slow = stage.store, set()
    successor.lanes = successor.make_lanes()
    await successor.lanes.start()

    successor.receive(make_request("7"), make_request("8"), make_request("9"))
    await successor.wait_until_settled()
    successor.receive(make_request("9", 2_000))
    await successor.wait_until_settled()
    await successor.lanes.stop()

    assert successor.writer.suspects == [[True, True, False], [False]]


async def test_all_connections_share_the_memory(stage: Stage) -> None:
    """With many connections in work, each may hold less, but never nothing."""
    stage.writer.slow = {ConnectionId(f"c{number}") for number in range(1_000)}
    stage.receive(*(make_request("1", connection=name) for name in sorted(stage.writer.slow)))
    await wait_until(lambda: len(stage.writer.begun) == 1_000)

    assert stage.lanes.find_room(CONNECTION) == MIN_ROOM
    assert stage.lanes.find_room(ConnectionId("c1")) == MIN_ROOM - 1


async def test_room_for_waiting_employees_is_half_a_lane(stage: Stage) -> None:
    """New changes find the other half."""
    assert stage.lanes.find_room_for_waiting(CONNECTION) == ROOM // 2

    stage.lanes.backlog.note_resent(CONNECTION, [make_person("1").employee_id], are_all=False)
    assert stage.lanes.find_room_for_waiting(CONNECTION) == ROOM // 2 - 1

    stage.receive(make_request("1"), make_request("2"))
    await wait_until(lambda: stage.writer.begun)
    assert stage.lanes.find_room_for_waiting(CONNECTION) == ROOM // 2 - 2

    stage.writer.gate.set()
    await stage.wait_until_settled()
    await wait_until(stage.lanes.backlog.room_appeared.is_set)
    assert stage.lanes.backlog.take_with_room() == {CONNECTION}
