"""The snapshots as the outbox: each stored change is sent, and sent again as the same bytes after a crash."""

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest

from services.contracts.cloudevents import SendReason, parse_send_reason
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot
from services.poller.lease import LeaseLostError
from services.poller.outbox import Outbox
from services.poller.snapshot_ports import Snapshots
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, make_person, make_snapshot
from tests.support.fakes import CrashError, Crashes, FakePublisher, group_by_person

ONE = EmployeeId("1")


def build_outbox(store: Store, publisher: FakePublisher) -> Outbox:
    """Returns an outbox with a lease that is held."""
    return Outbox(store.snapshots, publisher, lambda: None)


def fail_lease() -> None:
    """Reports a lost lease."""
    raise LeaseLostError("another replica continues")


async def list_pending(store: Store) -> list[EmployeeId]:
    """Returns the employees with a change that is not marked as emitted."""
    return [pending.employee_id for pending in await store.snapshots.read_pending(CONNECTION, 99)]


async def test_pending_change_is_sent_as_the_same_bytes(store: Store) -> None:
    """An earlier run stored the change and did not send it."""
    change = make_snapshot("1", detected_at=NOW, source_modified_at=NOW)
    await store.snapshots.save([(change, None)])
    publisher = FakePublisher()

    assert await build_outbox(store, publisher).emit_pending(CONNECTION, asyncio.Semaphore(1)) == 1
    assert publisher.log == [change.to_record()]
    assert await list_pending(store) == []


async def test_change_sent_but_not_marked_is_sent_again(store: Store) -> None:
    """The second record has the same bytes, so that readers recognize the repetition."""
    change = make_snapshot("1")
    await store.snapshots.save([(change, None)])
    publisher, crashes = FakePublisher(), Crashes(at=0)
    crashing = Outbox(crashes.wrap(store.snapshots, ["mark_emitted"]), publisher, lambda: None)
    with pytest.raises(CrashError):
        await crashing.emit(CONNECTION, [change], SendReason.DETECTED)

    assert await build_outbox(store, publisher).emit_pending(CONNECTION, asyncio.Semaphore(1)) == 1
    assert publisher.log == [change.to_record()] * 2


async def test_more_pending_changes_than_a_batch_are_all_sent(store: Store) -> None:
    """The outbox continues until no pending change is left."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in range(1_100)])
    publisher = FakePublisher()

    assert await build_outbox(store, publisher).emit_pending(CONNECTION, asyncio.Semaphore(1)) == 1_100
    assert len(group_by_person(publisher.log)) == 1_100
    assert await list_pending(store) == []


async def test_change_without_acknowledgement_stays_pending(store: Store) -> None:
    """A change is marked only after Kafka has acknowledged it."""
    await store.snapshots.save([(make_snapshot("1"), None)])

    def fail(_: str) -> None:
        raise KafkaUnavailableError("no acknowledgement")

    with pytest.raises(KafkaUnavailableError):
        await build_outbox(store, FakePublisher(effect=fail)).emit_pending(CONNECTION, asyncio.Semaphore(1))

    assert await list_pending(store) == [ONE]


async def test_oversized_event_does_not_block_the_others(store: Store) -> None:
    """The employee with the oversized event is listed, and all others are sent."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    publisher = FakePublisher(too_large={bytes(make_person("1"))})

    assert await build_outbox(store, publisher).emit_pending(CONNECTION, asyncio.Semaphore(1)) == 1
    assert [record.key for record in publisher.log] == [bytes(make_person("2"))]
    assert await list_pending(store) == []
    assert await store.snapshots.find_oversized(CONNECTION) == (ONE,)


async def test_oversized_events_alone_end_the_loop(store: Store) -> None:
    """A batch of which nothing was sent must not be tried forever."""
    await store.snapshots.save([(make_snapshot("1"), None)])
    publisher = FakePublisher(too_large={bytes(make_person("1"))})

    assert await build_outbox(store, publisher).emit_pending(CONNECTION, asyncio.Semaphore(1)) == 0


async def test_lost_lease_sends_nothing(store: Store) -> None:
    """Another replica sends the change instead."""
    await store.snapshots.save([(make_snapshot("1"), None)])
    publisher = FakePublisher()

    with pytest.raises(LeaseLostError):
        await Outbox(store.snapshots, publisher, fail_lease).emit_pending(CONNECTION, asyncio.Semaphore(1))

    assert publisher.log == []
    assert await list_pending(store) == [ONE]


async def test_empty_outbox_needs_neither_lease_nor_kafka(store: Store) -> None:
    """A run without changes ends without a check."""
    outbox = Outbox(store.snapshots, FakePublisher(), fail_lease)

    assert await outbox.emit(CONNECTION, [], SendReason.DETECTED) == (0, 0)


async def test_resent_event_differs_only_in_its_reason(store: Store) -> None:
    """A resend also counts as the first sending of a pending change."""
    emitted, pending = make_snapshot("1", emitted_revision=1_000), make_snapshot("2")
    await store.snapshots.save([(emitted, None), (pending, None)])
    publisher = FakePublisher()

    assert await build_outbox(store, publisher).emit(CONNECTION, [emitted, pending], SendReason.RESENT) == (2, 0)
    assert publisher.log == [change.to_record(SendReason.RESENT) for change in (emitted, pending)]
    assert {parse_send_reason(record.headers) for record in publisher.log} == {SendReason.RESENT}
    assert await list_pending(store) == []


class DamagedSnapshots:
    """Snapshots of which one is stored as pending, although its revision is known to be published."""

    def __init__(self) -> None:
        self.pending = [make_snapshot("1", revision=1_000, emitted_revision=1_000)]

    async def read_pending(self, _connection: ConnectionId, _limit: int) -> tuple[Snapshot, ...]:
        """Returns what is stored as pending."""
        return tuple(self.pending)

    async def mark_emitted(self, _connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has these revisions."""
        marked = set(revisions)
        self.pending = [one for one in self.pending if (one.employee_id, one.revision) not in marked]


@pytest.mark.promise("P10")
async def test_change_that_is_pending_by_damage_is_sent_once() -> None:
    """It would fill the topic otherwise, as fast as Kafka takes it."""
    publisher = FakePublisher()

    def limit(_: str) -> None:
        assert len(publisher.log) < 3

    publisher.effect = limit
    outbox = Outbox(cast("Snapshots", DamagedSnapshots()), publisher, lambda: None)

    assert await outbox.emit_pending(CONNECTION, asyncio.Semaphore(1)) == 1
    assert len(publisher.log) == 1
