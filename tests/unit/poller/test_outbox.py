"""The snapshot is the outbox: whatever ends the process wherever, every change is sent, in order, byte for byte."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.contracts.envelope import Cause, cause_of, read_event
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Value
from services.contracts.runs import Run, RunState
from services.poller.outbox import LeaseLostError, Outbox
from services.poller.work import Work
from services.runtime.metrics import Metrics
from services.runtime.producer import KafkaUnavailableError
from services.store.database import Store
from tests.fakes import CrashError, Crashes, FakeClock, FakePersonio, FakePublisher, by_person
from tests.stored import CONNECTION, NOW, person, snapshot

pytestmark = pytest.mark.mongo

ONE, TWO = EmployeeId("1"), EmployeeId("2")
PEOPLE: dict[str, dict[str, Value]] = {key: {"email": f"e{key}@x.example"} for key in "123"}


def outbox(store: Store, publisher: FakePublisher) -> Outbox:
    return Outbox(store.snapshots, publisher, lambda: None)


def held() -> None:
    raise LeaseLostError("another replica goes on")


async def pending(store: Store, connection: ConnectionId = CONNECTION) -> list[EmployeeId]:
    return [found.employee_id for found in await store.snapshots.pending(connection, 99)]


# ---------------------------------------------------------------- one step at a time


async def test_what_an_earlier_run_stored_and_did_not_send_is_sent_byte_for_byte(store: Store) -> None:
    change = snapshot("1", detected_at=NOW, source_modified_at=NOW)
    await store.snapshots.save([(change, None)])
    publisher = FakePublisher()
    assert await outbox(store, publisher).emit_pending(CONNECTION) == 1
    assert publisher.log == [change.record()]
    assert await pending(store) == []


async def test_what_was_sent_and_not_marked_is_sent_again_as_the_same_bytes(store: Store) -> None:
    change = snapshot("1")
    await store.snapshots.save([(change, None)])
    publisher, crashes = FakePublisher(), Crashes(at=0)
    dying = Outbox(crashes.around(store.snapshots, ["mark_emitted"]), publisher, lambda: None)
    with pytest.raises(CrashError):
        await dying.emit(CONNECTION, [change], Cause.DETECTED)
    assert await outbox(store, publisher).emit_pending(CONNECTION) == 1
    assert publisher.log == [change.record()] * 2


async def test_more_than_a_batch_of_pending_changes_is_sent_completely(store: Store) -> None:
    await store.snapshots.save([(snapshot(str(number)), None) for number in range(1_100)])
    publisher = FakePublisher()
    assert await outbox(store, publisher).emit_pending(CONNECTION) == 1_100
    assert len(by_person(publisher.log)) == 1_100
    assert await pending(store) == []


async def test_a_change_that_kafka_did_not_acknowledge_stays_pending(store: Store) -> None:
    await store.snapshots.save([(snapshot("1"), None)])

    def away(_: str) -> None:
        raise KafkaUnavailableError("no acknowledgement")

    with pytest.raises(KafkaUnavailableError):
        await outbox(store, FakePublisher(effect=away)).emit_pending(CONNECTION)
    assert await pending(store) == [ONE]


async def test_too_large_an_event_is_refused_alone_and_holds_nobody(store: Store) -> None:
    await store.snapshots.save([(snapshot("1"), None), (snapshot("2"), None)])
    publisher = FakePublisher(too_large={bytes(person("1"))})
    assert await outbox(store, publisher).emit_pending(CONNECTION) == 1
    assert [record.key for record in publisher.log] == [bytes(person("2"))]
    assert await pending(store) == []
    assert await store.snapshots.refused(CONNECTION) == (ONE,)


async def test_nothing_but_too_large_events_does_not_go_on_for_ever(store: Store) -> None:
    await store.snapshots.save([(snapshot("1"), None)])
    assert await outbox(store, FakePublisher(too_large={bytes(person("1"))})).emit_pending(CONNECTION) == 0


async def test_who_has_lost_the_lease_sends_nothing(store: Store) -> None:
    await store.snapshots.save([(snapshot("1"), None)])
    publisher = FakePublisher()
    with pytest.raises(LeaseLostError):
        await Outbox(store.snapshots, publisher, held).emit_pending(CONNECTION)
    assert publisher.log == []
    assert await pending(store) == [ONE]


async def test_nothing_to_send_needs_neither_lease_nor_kafka(store: Store) -> None:
    publisher = FakePublisher()
    assert await Outbox(store.snapshots, publisher, held).emit(CONNECTION, [], Cause.DETECTED) == (0, 0)


async def test_to_send_again_is_the_same_event_with_another_cause_and_marks_what_was_still_pending(
    store: Store,
) -> None:
    old, new = snapshot("1", emitted_revision=1_000), snapshot("2")
    await store.snapshots.save([(old, None), (new, None)])
    publisher = FakePublisher()
    assert await outbox(store, publisher).emit(CONNECTION, [old, new], Cause.RESENT) == (2, 0)
    assert publisher.log == [each.record(Cause.RESENT) for each in (old, new)]
    assert {cause_of(record.headers) for record in publisher.log} == {Cause.RESENT}
    assert await pending(store) == []


# ---------------------------------------------------------------- a crash anywhere


def a_run(store: Store, personio: FakePersonio, publisher: FakePublisher, crashes: Crashes, clock: FakeClock) -> Work:
    """A poller whose every effect on MongoDB and Kafka may be its last."""
    publisher.effect = crashes.effect
    dying = SimpleNamespace(
        snapshots=crashes.around(store.snapshots, ["save", "mark_emitted", "refuse", "set_missing", "clear_missing"]),
        runs=crashes.around(store.runs, ["begin", "save"]),
        accounts=store.accounts,
    )
    inner = Outbox(dying.snapshots, publisher, lambda: None)
    return Work(cast("Any", dying), personio.source, clock, Metrics(), inner)


@dataclass
class Attempt:
    """A run that ends before its ``at``-th effect, and what the next one finds: a connection of its own each time."""

    store: Store
    at: int
    publisher: FakePublisher = field(default_factory=FakePublisher)
    clock: FakeClock = field(default_factory=FakeClock)
    personio: FakePersonio = field(default_factory=lambda: FakePersonio(PEOPLE))

    @property
    def connection(self) -> ConnectionId:
        return ConnectionId(f"c{self.at}")

    async def crash(self) -> list[str]:
        """The effects up to the crash; raises ``AssertionError`` if the run came through."""
        crashes = Crashes(self.at)
        with pytest.raises(CrashError):
            await a_run(self.store, self.personio, self.publisher, crashes, self.clock).poll(self.connection)
        return crashes.effects

    async def recover(self) -> Run:
        return await a_run(self.store, self.personio, self.publisher, Crashes(), self.clock).poll(self.connection)


async def test_a_crash_before_any_effect_of_a_run_loses_nothing_and_sends_everybody_in_order(store: Store) -> None:
    """For each effect of a run: it ends there, somebody changes, and the next run has to make everything good."""
    crashes = Crashes()
    await a_run(store, FakePersonio(PEOPLE), FakePublisher(), crashes, FakeClock()).poll(ConnectionId("c"))
    assert {"begin", "save", "publish", "mark_emitted"} <= set(crashes.effects)
    for at in range(len(crashes.effects)):
        attempt = Attempt(store, at)
        where = f"ended before the last of {await attempt.crash()}"
        attempt.personio.people["2"]["first_name"] = "Eva"
        attempt.clock.seconds += 60
        run = await attempt.recover()

        assert run.state is RunState.SUCCEEDED, run.error
        assert await pending(store, attempt.connection) == [], where
        sent = by_person(attempt.publisher.log)
        assert set(sent) == {bytes(PersonKey(attempt.connection, EmployeeId(key))) for key in PEOPLE}, where
        for records in sent.values():
            revisions = [read_event(EmployeeChanged, record.value).revision for record in records]
            assert revisions == sorted(revisions), where
            assert len(set(records)) == len(set(revisions)), f"one revision, one content: {where}"
        (last,) = (records[-1] for key, records in sent.items() if key.endswith(b"/2"))
        assert read_event(EmployeeChanged, last.value).attributes["first_name"].value == "Eva", where
