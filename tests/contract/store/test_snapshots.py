"""Snapshots on a real MongoDB: exact content, conditional writes, the outbox."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.events import Attribute, Kind
from services.contracts.ids import EmployeeId
from services.contracts.snapshots import Snapshot
from services.store.collection import PAGE
from services.store.database import Store
from tests.stored import BERLIN, CONNECTION, NOW, OTHER, snapshot

pytestmark = pytest.mark.mongo

ONE, TWO, THREE = EmployeeId("1"), EmployeeId("2"), EmployeeId("3")


async def read(store: Store, employee: EmployeeId = ONE) -> Snapshot:
    return (await store.snapshots.read(CONNECTION, [employee]))[employee]


AWKWARD: dict[str, Any] = {
    "office.name": "Zürich, „Mitte“ 🏔",
    "$set": "$revision",
    "": "a key of no letters",
    "a\x00b": "a zero in the key",
    "beyond 64 bits": 2**70,
    "beyond 32 bits": 2**40,
    "one": 1,
    "one point zero": 1.0,
    "a tenth": 0.1,
    "yes": True,
    "a list": ("a", 1, 1.0, False, None),
    "an empty list": (),
    "a list of one": ("a",),
    "looks like a date": "2026-03-09",
    "nothing": None,
}


async def test_the_event_of_a_stored_snapshot_is_the_same_bytes(store: Store) -> None:
    attributes = {key: Attribute(value=value, label=key, type="multi.select") for key, value in AWKWARD.items()}
    written = snapshot(
        attributes=attributes, detected_at=NOW.replace(microsecond=123456), source_modified_at=NOW.astimezone(BERLIN)
    )
    await store.snapshots.save([(written, None)])
    stored = await read(store)
    assert written.record() == stored.record()
    assert written == stored
    await store.snapshots.save([(written.model_copy(update={"revision": 2_000}), 1_000)])
    assert list((await read(store)).attributes) == list(AWKWARD)


async def test_a_snapshot_is_stored_over_the_revision_that_was_read_alone(store: Store) -> None:
    assert await store.snapshots.save([(snapshot(), None), (snapshot("2"), None)]) == frozenset()
    lost = await store.snapshots.save([(snapshot("1", 2_000), 1_000), (snapshot("2", 2_000), 999)])
    assert lost == {TWO}
    assert ((await read(store)).revision, (await read(store, TWO)).revision) == (2_000, 1_000)


async def test_a_second_first_snapshot_of_somebody_is_lost_and_the_others_are_stored(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None)])
    lost = await store.snapshots.save(
        [(snapshot("1", 2_000), None), (snapshot("2"), None), (snapshot("3", 2_000), 1_000)]
    )
    assert lost == {ONE, THREE}
    assert [item async for item in store.snapshots.employee_ids(CONNECTION)] == [ONE, TWO]
    assert (await read(store)).revision == 1_000


async def test_to_save_again_after_a_lost_answer_loses_nobody(store: Store) -> None:
    for _ in range(2):
        assert await store.snapshots.save([(snapshot(), None)]) == frozenset()
    for _ in range(2):
        assert await store.snapshots.save([(snapshot("1", 2_000), 1_000)]) == frozenset()


async def test_of_many_concurrent_writers_one_stores_its_snapshot(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None)])
    rivals = [snapshot("1", 2_000, changed=(f"from-{number}",)) for number in range(8)]
    lost = await asyncio.gather(*(store.snapshots.save([(rival, 1_000)]) for rival in rivals))
    won = [rival for rival, people in zip(rivals, lost, strict=True) if not people]
    assert won == [await read(store)]


async def test_what_is_not_known_to_be_sent_is_pending_until_it_is_marked(store: Store) -> None:
    await store.snapshots.save([(snapshot(str(number)), None) for number in (1, 2, 3)])
    assert [item.employee_id for item in await store.snapshots.pending(CONNECTION, 2)] == [ONE, TWO]
    assert [item.employee_id for item in await store.snapshots.pending(CONNECTION, 2, after=TWO)] == [THREE]
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000), (THREE, 1_000)])
    assert [item.employee_id for item in await store.snapshots.pending(CONNECTION, 9)] == [TWO]
    assert not (await read(store)).pending


async def test_the_mark_of_an_older_event_leaves_the_newer_change_pending(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None)])
    await store.snapshots.save([(snapshot("1", 2_000), 1_000)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)])
    (pending,) = await store.snapshots.pending(CONNECTION, 9)
    assert (pending.revision, pending.emitted_revision) == (2_000, 1_000)


async def test_the_emitted_revision_never_shrinks(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None)])
    await store.snapshots.save([(snapshot("1", 2_000), 1_000)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 2_000)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)])
    assert (await read(store)).emitted_revision == 2_000
    await store.snapshots.save([(snapshot("1", 3_000, emitted_revision=0), 2_000)])
    assert (await read(store)).emitted_revision == 2_000
    assert [item.revision for item in await store.snapshots.pending(CONNECTION, 9)] == [3_000]


async def test_a_refused_event_is_no_longer_pending_and_listed_until_the_next_change(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None), (snapshot("2"), None)])
    await store.snapshots.refuse(CONNECTION, [(ONE, 1_000)])
    assert [item.employee_id for item in await store.snapshots.pending(CONNECTION, 9)] == [TWO]
    assert await store.snapshots.refused(CONNECTION) == (ONE,)
    await store.snapshots.save([(snapshot("1", 2_000), 1_000)])
    assert await store.snapshots.refused(CONNECTION) == ()


async def test_a_late_note_that_an_older_event_was_refused_hides_nothing_of_the_newer(store: Store) -> None:
    """By a poller that had lost its lease meanwhile."""
    await store.snapshots.save([(snapshot(revision=2_000), None)])
    await store.snapshots.refuse(CONNECTION, [(ONE, 2_000)])
    await store.snapshots.refuse(CONNECTION, [(ONE, 1_000)])
    assert await store.snapshots.refused(CONNECTION) == (ONE,)
    assert (await read(store)).emitted_revision == 2_000


async def missing_count(store: Store) -> int:
    return sum(
        [len([each for each in page if each.missing_since]) async for page in store.snapshots.stream(CONNECTION)]
    )


async def test_more_people_than_go_into_a_command_are_noted_as_missing_and_as_back(store: Store) -> None:
    people = [EmployeeId(str(number)) for number in range(PAGE + 7)]
    await store.snapshots.save([(snapshot(each), None) for each in people])
    await store.snapshots.set_missing(CONNECTION, people, NOW)
    assert await missing_count(store) == len(people)
    await store.snapshots.clear_missing(CONNECTION, people)
    assert await missing_count(store) == 0


async def test_the_missing_keep_the_time_of_the_first_scan_without_them(store: Store) -> None:
    await store.snapshots.save([(snapshot(), None), (snapshot("2"), None)])
    await store.snapshots.set_missing(CONNECTION, [ONE], NOW)
    await store.snapshots.set_missing(CONNECTION, [ONE, TWO], NOW + timedelta(days=1))
    assert (await read(store)).missing_since == NOW
    assert (await read(store, TWO)).missing_since == NOW + timedelta(days=1)
    await store.snapshots.clear_missing(CONNECTION, [ONE])
    assert (await read(store)).missing_since is None
    assert await missing_count(store) == 1


async def test_active_are_those_of_this_connection_with_the_status_who_are_not_missing(store: Store) -> None:
    inactive = {"status": Attribute(value="inactive")}
    await store.snapshots.save(
        [
            (snapshot("1"), None),
            (snapshot("2", attributes=inactive), None),
            (snapshot("3"), None),
            (snapshot("4", attributes={}), None),
            (snapshot("5", attributes={"status": Attribute(value=("active",))}), None),
            (snapshot("6", connection_id=OTHER), None),
        ]
    )
    await store.snapshots.set_missing(CONNECTION, [THREE], NOW)
    assert (await store.snapshots.active_count(CONNECTION), await store.snapshots.count(CONNECTION)) == (1, 5)
    await store.snapshots.save([(snapshot("1", 2_000, attributes=inactive, kind=Kind.CHANGED), 1_000)])
    assert await store.snapshots.active_count(CONNECTION) == 0


async def test_a_stream_brings_every_snapshot_once_in_batches(store: Store) -> None:
    await store.snapshots.save([(snapshot(str(number)), None) for number in range(7)])
    await store.snapshots.save([(snapshot("7", connection_id=OTHER), None)])
    batches = [batch async for batch in store.snapshots.stream(CONNECTION, batch=3)]
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [item.employee_id for batch in batches for item in batch] == [str(number) for number in range(7)]
    named = [EmployeeId(str(number)) for number in (9, 6, 0, 3, 2, 6, 1)]
    several = [batch async for batch in store.snapshots.stream(CONNECTION, employees=named, batch=2)]
    assert [[item.employee_id for item in batch] for batch in several] == [["0", "1"], ["2", "3"], ["6"]]
    some = [batch async for batch in store.snapshots.stream(CONNECTION, employees=[TWO, EmployeeId("9")], batch=3)]
    assert [[item.employee_id for item in batch] for batch in some] == [[TWO]]


async def test_nothing_to_do_asks_the_database_nothing(store: Store) -> None:
    assert await store.snapshots.save([]) == frozenset()
    await store.snapshots.mark_emitted(CONNECTION, [])
    assert await store.snapshots.read(CONNECTION, []) == {}
