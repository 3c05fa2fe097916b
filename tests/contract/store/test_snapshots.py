"""Snapshots: exact content, conditional writes, and the outbox of changes that are not yet published."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from services.contracts.employees import EmploymentPhase
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.snapshots import Listing, NotedListing, Snapshot, SnapshotState
from services.store.collection import PAGE_SIZE
from services.store.database import Store
from tests.support.builders import (
    BERLIN,
    CONNECTION,
    NOW,
    OTHER,
    make_entry,
    make_outcome,
    make_person,
    make_snapshot,
)

ONE, TWO, THREE = EmployeeId("1"), EmployeeId("2"), EmployeeId("3")

AWKWARD: dict[str, Any] = {
    "office.name": "Zürich, „Mitte“ 🏔",
    "$set": "$revision",
    "": "an empty key",
    "a\x00b": "NUL in the key",
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


async def read(store: Store, employee: EmployeeId = ONE) -> Snapshot:
    """Returns the stored snapshot of an employee."""
    return (await store.snapshots.read(CONNECTION, [employee]))[employee]


async def list_pending(store: Store, limit: int = 9) -> list[EmployeeId]:
    """Returns the employees with a change that is not yet published."""
    return [item.employee_id for item in await store.snapshots.read_pending(CONNECTION, limit)]


async def count_absent(store: Store) -> int:
    """Returns the number of employees that a complete scan no longer lists."""
    pages = [page async for page in store.snapshots.stream(CONNECTION)]
    return sum(item.absent_since is not None for page in pages for item in page)


# ------------------------------------------------------------ content and conditional writes


async def test_event_of_a_stored_snapshot_is_byte_for_byte_equal(store: Store) -> None:
    """Attribute names and values survive that mean something to MongoDB, or that BSON cannot store."""
    attributes = dict(AWKWARD)
    written = make_snapshot(
        attributes=attributes, detected_at=NOW.replace(microsecond=123456), source_modified_at=NOW.astimezone(BERLIN)
    )
    await store.snapshots.save([(written, None)])

    stored = await read(store)

    assert written.to_record() == stored.to_record()
    assert written == stored


async def test_replaced_snapshot_keeps_the_order_of_attributes(store: Store) -> None:
    """A replacement takes another command than a first snapshot, and changes no attribute either."""
    attributes = dict(AWKWARD)
    first = make_snapshot(attributes=attributes)
    await store.snapshots.save([(first, None)])

    await store.snapshots.save([(first.model_copy(update={"revision": 2_000}), 1_000)])

    assert list((await read(store)).attributes) == list(AWKWARD)


async def test_snapshot_is_stored_over_the_paired_revision_only(store: Store) -> None:
    """A poller that has read an older revision overwrites nothing."""
    first = await store.snapshots.save([(make_snapshot(), None), (make_snapshot("2"), None)])

    lost = await store.snapshots.save([(make_snapshot("1", 2_000), 1_000), (make_snapshot("2", 2_000), 999)])

    assert first == frozenset()
    assert lost == {TWO}
    assert (await read(store)).revision == 2_000
    assert (await read(store, TWO)).revision == 1_000


async def test_second_first_snapshot_is_lost_and_others_are_stored(store: Store) -> None:
    """An employee with a snapshot keeps it, and an employee without one gets no replacement."""
    await store.snapshots.save([(make_snapshot(), None)])

    lost = await store.snapshots.save(
        [(make_snapshot("1", 2_000), None), (make_snapshot("2"), None), (make_snapshot("3", 2_000), 1_000)]
    )

    assert lost == {ONE, THREE}
    assert [employee async for employee in store.snapshots.stream_employee_ids(CONNECTION)] == [ONE, TWO]
    assert (await read(store)).revision == 1_000


async def test_save_after_a_lost_answer_can_be_repeated(store: Store) -> None:
    """The same snapshots are saved a second time without a loss."""
    for _ in range(2):
        assert await store.snapshots.save([(make_snapshot(), None)]) == frozenset()
    for _ in range(2):
        assert await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)]) == frozenset()


async def test_one_of_many_concurrent_writers_stores_its_snapshot(store: Store) -> None:
    """The stored snapshot is that of the one writer that did not lose."""
    await store.snapshots.save([(make_snapshot(), None)])
    rivals = [make_snapshot("1", 2_000, changed=(f"from-{number}",)) for number in range(8)]

    lost = await asyncio.gather(*(store.snapshots.save([(rival, 1_000)]) for rival in rivals))

    winners = [rival for rival, people in zip(rivals, lost, strict=True) if not people]
    assert winners == [await read(store)]


async def test_empty_work_is_done_without_an_error(store: Store) -> None:
    """MongoDB rejects empty bulks, so the store must not send them."""
    assert await store.snapshots.save([]) == frozenset()
    await store.snapshots.mark_emitted(CONNECTION, [])
    assert await store.snapshots.read(CONNECTION, []) == {}


# ------------------------------------------------------------ states


async def test_state_tells_what_decides_about_a_change(store: Store) -> None:
    """An employee without a snapshot has no state."""
    upcoming: dict[str, Any] = {"phase": EmploymentPhase.UPCOMING, "next_day": date(2026, 4, 1)}
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2", status=None, **upcoming), None)])

    states = await store.snapshots.read_states(CONNECTION, [ONE, TWO, THREE])

    assert states == {
        ONE: SnapshotState("hash-1-1000", EmploymentPhase.CURRENT, None, "active"),
        TWO: SnapshotState("hash-2-1000", EmploymentPhase.UPCOMING, date(2026, 4, 1), None),
    }
    assert await store.snapshots.read_states(CONNECTION, []) == {}


async def test_absent_or_oversized_employee_is_needed_whole(store: Store) -> None:
    """The hash alone does not decide about them. A listed employee has a state again."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2", oversized=("position",)), None)])
    await store.snapshots.mark_absent(CONNECTION, [ONE], NOW)

    assert await store.snapshots.read_states(CONNECTION, [ONE, TWO]) == {ONE: None, TWO: None}

    await store.snapshots.clear_absent(CONNECTION, [ONE])

    assert (await store.snapshots.read_states(CONNECTION, [ONE]))[ONE] is not None


async def test_listing_is_noted_with_the_content_it_was_compared_with(store: Store) -> None:
    """Another content needs a comparison of its own."""
    await store.snapshots.save(
        [(make_snapshot("1"), None), (make_snapshot("2", digest="old", unfilled=("email",)), None)]
    )
    listings = {ONE: Listing("new", ("office", "team")), TWO: Listing("new")}
    await store.snapshots.note_listings(
        CONNECTION, [NotedListing(ONE, "hash-1-1000", listings[ONE]), NotedListing(TWO, "other", listings[TWO])]
    )
    assert await read_listings(store) == {ONE: listings[ONE], TWO: Listing("old", ("email",))}

    await store.snapshots.note_listings(CONNECTION, [NotedListing(TWO, "hash-2-1000", listings[TWO])])

    assert await read_listings(store) == listings
    assert (await store.snapshots.read(CONNECTION, [ONE]))[ONE].digest == "new"


async def test_change_that_no_list_has_shown_has_no_listing(store: Store) -> None:
    """It replaces the listing of the former content."""
    listed: dict[str, Any] = {"digest": "digest", "unfilled": ("email",)}
    await store.snapshots.save([(make_snapshot(key, **listed), None) for key in "12"])

    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    assert await read_listings(store) == {ONE: Listing(), TWO: Listing("digest", ("email",))}


async def read_listings(store: Store) -> dict[EmployeeId, Listing | None]:
    """Returns how the two employees are listed."""
    states = await store.snapshots.read_states(CONNECTION, [ONE, TWO])
    return {key: state and state.listing for key, state in states.items()}


# ------------------------------------------------------------ the outbox


async def test_change_is_pending_until_it_is_marked_as_emitted(store: Store) -> None:
    """The outbox is read in the order of keys."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in (1, 2, 3)])
    first_page = await list_pending(store, 2)

    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000), (THREE, 1_000)])

    assert first_page == [ONE, TWO]
    assert await list_pending(store) == [TWO]
    assert not (await read(store)).is_pending


async def test_mark_of_an_older_event_leaves_the_newer_pending(store: Store) -> None:
    """A change between publishing and marking is still to be published."""
    await store.snapshots.save([(make_snapshot(), None)])
    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)])

    (pending,) = await store.snapshots.read_pending(CONNECTION, 9)
    assert pending.revision == 2_000
    assert pending.emitted_revision == 1_000


async def test_emitted_revision_is_never_decreased_by_a_mark(store: Store) -> None:
    """A late mark of an older event has no effect."""
    await store.snapshots.save([(make_snapshot(), None)])
    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 2_000)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)])

    assert (await read(store)).emitted_revision == 2_000


async def test_emitted_revision_is_never_decreased_by_a_save(store: Store) -> None:
    """The poller may have read the snapshot before the mark was stored."""
    await store.snapshots.save([(make_snapshot("1", 2_000), None)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 2_000)])

    await store.snapshots.save([(make_snapshot("1", 3_000, emitted_revision=0), 2_000)])

    (pending,) = await store.snapshots.read_pending(CONNECTION, 9)
    assert pending.revision == 3_000
    assert pending.emitted_revision == 2_000


async def test_oversized_event_is_listed_until_the_next_change(store: Store) -> None:
    """An oversized event is no longer pending, because Kafka would reject it every time."""
    await store.snapshots.save([(make_snapshot(), None), (make_snapshot("2"), None)])
    await store.snapshots.mark_oversized(CONNECTION, [(ONE, 1_000)])
    pending, oversized = await list_pending(store), await store.snapshots.find_oversized(CONNECTION)

    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    assert pending == [TWO]
    assert oversized == (ONE,)
    assert await store.snapshots.find_oversized(CONNECTION) == ()


async def test_employee_with_an_oversized_value_is_listed(store: Store) -> None:
    """Its event is published without the value, so that the change is pending and not marked."""
    await store.snapshots.save([(make_snapshot("1", oversized=("position",)), None), (make_snapshot("2"), None)])

    assert await store.snapshots.find_oversized(CONNECTION) == (ONE,)
    assert (await read(store)).oversized == ("position",)
    assert await list_pending(store) == [ONE, TWO]


@pytest.mark.promise("P11")
async def test_replaced_attributes_change_nothing_else(store: Store) -> None:
    """Values that are no longer wanted are removed while other writes go on. A newer snapshot stays as it is."""
    stored = make_snapshot("1", attributes={"status": "active", "iban": "DE1"}, oversized=("position",))
    newer = make_snapshot("2", 2_000)
    await store.snapshots.save([(stored, None), (newer, None)])
    await store.snapshots.mark_emitted(CONNECTION, [(ONE, 1_000)])
    await store.snapshots.mark_absent(CONNECTION, [ONE], NOW)
    reduced = make_snapshot("1", attributes={"status": "active"}, content_hash="other")

    await store.snapshots.replace_attributes([reduced, make_snapshot("2", attributes={})])

    changes = {"emitted_revision": 1_000, "absent_since": NOW}
    assert await read(store) == reduced.model_copy(update=changes)
    assert (await read(store)).attributes == {"status": "active"}
    assert await read(store, TWO) == newer
    assert await store.snapshots.find_oversized(CONNECTION) == ()


async def test_late_oversized_mark_hides_no_newer_event(store: Store) -> None:
    """A poller with a lost lease may send the mark of an older event late."""
    await store.snapshots.save([(make_snapshot(revision=2_000), None)])
    await store.snapshots.mark_oversized(CONNECTION, [(ONE, 2_000)])

    await store.snapshots.mark_oversized(CONNECTION, [(ONE, 1_000)])

    assert await store.snapshots.find_oversized(CONNECTION) == (ONE,)
    assert (await read(store)).emitted_revision == 2_000


# ------------------------------------------------------------ absent and active employees


async def test_absent_marks_exceed_the_size_of_one_command(store: Store) -> None:
    """More employees than a command may name are marked and cleared in several commands."""
    people = [EmployeeId(str(number)) for number in range(PAGE_SIZE + 7)]
    await store.snapshots.save([(make_snapshot(employee), None) for employee in people])

    await store.snapshots.mark_absent(CONNECTION, people, NOW)
    marked = await count_absent(store)
    await store.snapshots.clear_absent(CONNECTION, people)

    assert marked == len(people)
    assert await count_absent(store) == 0


async def test_absent_employee_keeps_the_time_of_the_first_scan(store: Store) -> None:
    """Later scans without the employee do not move the time."""
    await store.snapshots.save([(make_snapshot(), None), (make_snapshot("2"), None)])

    await store.snapshots.mark_absent(CONNECTION, [ONE], NOW)
    await store.snapshots.mark_absent(CONNECTION, [ONE, TWO], NOW + timedelta(days=1))

    assert (await read(store)).absent_since == NOW
    assert (await read(store, TWO)).absent_since == NOW + timedelta(days=1)


async def test_absent_employees_of_these_people_are_found(store: Store) -> None:
    """Only the named people are returned, and only those that are absent."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in range(1, 4)])
    await store.snapshots.mark_absent(CONNECTION, [ONE, THREE], NOW)

    absent = await store.snapshots.find_absent([make_person("1"), make_person("2"), make_person("9")])

    assert absent == {make_person("1")}
    assert await store.snapshots.find_absent([]) == frozenset()


async def test_employee_listed_again_is_not_absent(store: Store) -> None:
    """The other absent employees stay absent."""
    await store.snapshots.save([(make_snapshot(), None), (make_snapshot("2"), None)])
    await store.snapshots.mark_absent(CONNECTION, [ONE, TWO], NOW)

    await store.snapshots.clear_absent(CONNECTION, [ONE])

    assert (await read(store)).absent_since is None
    assert await count_absent(store) == 1


async def test_active_employees_of_the_connection_are_counted(store: Store) -> None:
    """Another status, a status that is not a string, absent employees and other connections are left out."""
    await store.snapshots.save(
        [
            (make_snapshot("1"), None),
            (make_snapshot("2", attributes={"status": "inactive"}), None),
            (make_snapshot("3"), None),
            (make_snapshot("4", attributes={}), None),
            (make_snapshot("5", attributes={"status": ("active",)}), None),
            (make_snapshot("6", connection_id=OTHER), None),
        ]
    )

    await store.snapshots.mark_absent(CONNECTION, [THREE], NOW)

    assert (await store.counters.read([CONNECTION]))[CONNECTION].active == 1
    assert await store.snapshots.count(CONNECTION) == 5


async def test_employee_with_a_new_status_is_no_longer_active(store: Store) -> None:
    """The count follows the newest snapshot."""
    await store.snapshots.save([(make_snapshot(), None)])
    inactive = {"status": "inactive"}

    await store.snapshots.save([(make_snapshot("1", 2_000, attributes=inactive, kind=ChangeKind.CHANGED), 1_000)])

    assert (await store.counters.read([CONNECTION]))[CONNECTION].active == 0


async def test_active_employee_without_an_outcome_is_unsettled(store: Store) -> None:
    """An entry may exist already: the change waits, or the account is to be verified. Only named people are returned."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in range(1, 9)])
    inactive = make_snapshot("9", attributes={"status": "inactive"})
    await store.snapshots.save([(inactive, None), (make_snapshot("1", connection_id=OTHER), None)])
    await store.snapshots.mark_absent(CONNECTION, [THREE], NOW)
    await store.ledger.write([make_entry("4", decided=make_outcome("4")), make_entry("5", account_id="a-5")])
    await store.ledger.mark_verify([make_person("6")])
    people = [make_person("1", OTHER), *map(make_person, ("1", "2", "3", "4", "5", "6", "9", "10", "1"))]

    unsettled = await store.snapshots.find_unsettled(people)

    assert unsettled == {make_person("1", OTHER), *map(make_person, "1256")}
    assert await store.snapshots.find_unsettled([]) == frozenset()


# ------------------------------------------------------------ streams


async def test_stream_yields_each_snapshot_of_the_connection_once(store: Store) -> None:
    """The snapshots come in the order of their keys, in batches."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in range(7)])
    await store.snapshots.save([(make_snapshot("7", connection_id=OTHER), None)])

    batches = [batch async for batch in store.snapshots.stream(CONNECTION, batch=3)]

    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [item.employee_id for batch in batches for item in batch] == [str(number) for number in range(7)]


async def test_stream_of_named_employees_leaves_out_unknown_ones(store: Store) -> None:
    """Each named employee comes once, even if it is named twice."""
    await store.snapshots.save([(make_snapshot(str(number)), None) for number in range(7)])
    named = [EmployeeId(str(number)) for number in (9, 6, 0, 3, 2, 6, 1)]

    several = [batch async for batch in store.snapshots.stream(CONNECTION, employees=named, batch=2)]
    one = [batch async for batch in store.snapshots.stream(CONNECTION, employees=[TWO, EmployeeId("9")], batch=3)]

    assert [[item.employee_id for item in batch] for batch in several] == [["0", "1"], ["2", "3"], ["6"]]
    assert [[item.employee_id for item in batch] for batch in one] == [[TWO]]


async def test_stream_of_more_names_than_a_page_is_complete(store: Store) -> None:
    """The named employees come in the order of their keys, over several batches."""
    await store.snapshots.save([(make_snapshot(f"{number:04}"), None) for number in range(900)])
    named = [EmployeeId(f"{number:04}") for number in range(600)]

    employees = [item.employee_id async for batch in store.snapshots.stream(CONNECTION, named) for item in batch]

    assert employees == named


# ---------------------------------------------------------------- dates


async def test_employees_are_due_on_their_next_day(store: Store) -> None:
    """The longest due first. An absent employee, a later day, and another connection do not count."""
    today = NOW.date()
    days = {"1": today, "2": today - timedelta(days=3), "3": today + timedelta(days=1), "4": today, "5": None}
    await store.snapshots.save([(make_snapshot(key, next_day=day), None) for key, day in days.items()])
    await store.snapshots.save([(make_snapshot("6", connection_id=OTHER, next_day=today), None)])
    await store.snapshots.mark_absent(CONNECTION, [EmployeeId("4")], NOW)

    assert await store.snapshots.find_due(CONNECTION, today, 9) == (TWO, ONE)
    assert await store.snapshots.find_due(CONNECTION, today, 1) == (TWO,)
    tomorrow = today + timedelta(days=1)
    upcoming = [seen.employee_id async for page in store.snapshots.page_upcoming(CONNECTION, tomorrow) for seen in page]
    assert sorted(upcoming) == [ONE, TWO, THREE]


async def test_day_that_has_come_is_due_once(store: Store) -> None:
    """The next change of the employee has another day, or none."""
    today = NOW.date()
    await store.snapshots.save([(make_snapshot(next_day=today), None)])

    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    assert await store.snapshots.find_due(CONNECTION, today, 9) == ()


async def test_present_employees_are_counted(store: Store) -> None:
    """Those that are inactive or absent do not count, also not twice."""
    await store.snapshots.save([(make_snapshot(key), None) for key in "123"])
    await store.snapshots.save([(make_snapshot(key, attributes={"status": "inactive"}), None) for key in "45"])
    await store.snapshots.save([(make_snapshot("6", connection_id=OTHER), None)])
    await store.snapshots.mark_absent(CONNECTION, [ONE, EmployeeId("4")], NOW)

    assert await store.snapshots.count_present(CONNECTION) == 2
