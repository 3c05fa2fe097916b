"""Looks at accounts that are due later, and fields that a server refused."""

import asyncio
from datetime import timedelta, timezone
from typing import Any

import pytest

from services.contracts.ids import EmployeeId
from services.contracts.ledger import RefusedField
from services.store.database import Store
from services.store.followups import MAX_LOOKS
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_person

SECOND = timedelta(seconds=1)
AHEAD = timezone(timedelta(hours=9))


def refuse(path: str = "title", **changes: Any) -> RefusedField:
    """Returns a refused field with these values."""
    content = {"path": path, "code": "400 invalidValue", "value": "h", "mapping_version": 3, "tried_at": NOW}
    return RefusedField.model_validate(content | changes)


async def collect_incomplete(store: Store, after: timedelta = SECOND) -> list[EmployeeId]:
    """Returns the employees with a field that was last tried before ``NOW`` plus ``after``."""
    return [name async for page in store.followups.page_incomplete(CONNECTION, NOW + after) for name in page]


# ------------------------------------------------------------ due looks


async def test_due_look_becomes_a_verification(store: Store) -> None:
    """The entry keeps everything else, a look that is due later stays, and a second call takes nothing."""
    await store.ledger.write(
        [
            make_entry("1", look_at=NOW - SECOND, applied="h"),
            make_entry("2", look_at=NOW),
            make_entry("3", look_at=NOW + SECOND),
            make_entry("4"),
            make_entry("5", connection_id=OTHER, look_at=NOW - 2 * SECOND),
        ]
    )

    taken = await store.followups.take_due_looks(NOW)

    assert taken == {CONNECTION: ("1", "2"), OTHER: ("5",)}
    assert await store.ledger.get(make_person("1")) == make_entry("1", 2, verify=True, applied="h")
    assert await store.ledger.get(make_person("3")) == make_entry("3", look_at=NOW + SECOND)
    assert sorted(await store.followups.take_due(CONNECTION, NOW, 9, SECOND)) == ["1", "2"]
    assert await store.followups.take_due_looks(NOW) == {}


async def test_times_are_compared_across_zones_and_fractions(store: Store) -> None:
    """A text of a time has another order than the time: in another zone, or without a fraction of a second."""
    whole = NOW.replace(microsecond=0)
    await store.ledger.write(
        [
            make_entry("1", look_at=whole.astimezone(AHEAD)),
            make_entry("2", look_at=whole + timedelta(milliseconds=500)),
            make_entry("3", look_at=whole),
        ]
    )

    assert await store.followups.take_due_looks(whole) == {CONNECTION: ("1", "3")}


async def test_writer_of_an_entry_with_a_taken_look_loses(store: Store) -> None:
    """A writer that has read the entry before the mark cannot overwrite the mark."""
    await store.ledger.write([make_entry(look_at=NOW)])

    await store.followups.take_due_looks(NOW)

    assert await store.ledger.write([make_entry("1", 2)]) == {make_person("1")}


async def test_look_that_was_written_again_stays(store: Store) -> None:
    """The next entry replaces the look or removes it."""
    await store.ledger.write([make_entry("1", look_at=NOW), make_entry("2", look_at=NOW)])

    await store.ledger.write([make_entry("1", 2, look_at=NOW + SECOND), make_entry("2", 2)])

    assert await store.followups.take_due_looks(NOW) == {}
    assert await store.followups.take_due_looks(NOW + SECOND) == {CONNECTION: ("1",)}


async def test_concurrent_writers_mark_each_entry_once(store: Store) -> None:
    """Each entry is changed once, and the employees of all entries are returned to some writer."""
    people = [str(number) for number in range(100)]
    await store.ledger.write([make_entry(name, look_at=NOW) for name in people])

    taken = await asyncio.gather(*(store.followups.take_due_looks(NOW) for _ in range(4)))

    stored = await store.ledger.read(map(make_person, people))
    assert {name for looks in taken for name in looks.get(CONNECTION, ())} == set(people)
    assert set(stored.values()) == {make_entry(name, 2, verify=True) for name in people}


async def test_one_call_takes_a_bounded_number_of_looks(store: Store) -> None:
    """The longest due come first."""
    people = range(MAX_LOOKS + 3)
    await store.ledger.write([make_entry(str(number), look_at=NOW - number * SECOND) for number in people])

    first = await store.followups.take_due_looks(NOW)
    second = await store.followups.take_due_looks(NOW)

    assert len(first[CONNECTION]) == MAX_LOOKS
    assert second == {CONNECTION: ("0", "1", "2")}


async def test_looks_of_the_connection_are_counted(store: Store) -> None:
    """Looks count whether they are due or not, and no longer once they are taken."""
    await store.ledger.write(
        [make_entry("1", look_at=NOW), make_entry("2", look_at=NOW + SECOND), make_entry("3", verify=True)]
    )
    await store.ledger.write([make_entry("4", connection_id=OTHER, look_at=NOW)])
    before = await store.counters.count_looks(CONNECTION)

    await store.followups.take_due_looks(NOW)

    assert before == 2
    assert await store.counters.count_looks(CONNECTION) == 1


# ------------------------------------------------------------ refused fields


async def test_employees_with_a_refusal_of_long_ago_are_found(store: Store) -> None:
    """The field that was tried longest ago counts. Other connections and complete accounts are left out."""
    long_ago = NOW - timedelta(days=7)
    await store.ledger.write(
        [
            make_entry("1", refused=(refuse(tried_at=long_ago), refuse("nickName"))),
            make_entry("2", refused=(refuse(), refuse("nickName", tried_at=long_ago.astimezone(AHEAD)))),
            make_entry("3", refused=(refuse(),)),
            make_entry("4"),
            make_entry("5", connection_id=OTHER, refused=(refuse(tried_at=long_ago),)),
        ]
    )

    assert await collect_incomplete(store, after=timedelta(0)) == ["1", "2"]
    assert await collect_incomplete(store) == ["1", "2", "3"]
    assert await collect_incomplete(store, after=timedelta(days=-7)) == []


@pytest.mark.parametrize("refused", [(), (refuse(tried_at=NOW + 2 * SECOND),)], ids=["complete", "tried again"])
async def test_next_entry_ends_an_old_refusal(store: Store, refused: tuple[RefusedField, ...]) -> None:
    """The server has taken the field, or refused it once more."""
    await store.ledger.write([make_entry(refused=(refuse(),))])
    before = await collect_incomplete(store)

    await store.ledger.write([make_entry("1", 2, refused=refused)])

    assert before == ["1"]
    assert await collect_incomplete(store) == []
