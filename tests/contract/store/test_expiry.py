"""The data of leavers is removed from their snapshots when their accounts are confirmed as disabled."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.events import Version
from services.contracts.ids import EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.snapshots import Snapshot
from services.store.database import Store
from services.store.examples import StoredExamples
from services.store.expiry import reduce_attributes
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_pinned, make_snapshot

YEAR = timedelta(days=365)
OLD = NOW - YEAR - timedelta(seconds=1)
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
DISABLED: dict[str, Any] = {"account_id": "a", "enabled": False, "decided": make_outcome("1", how=Outcome.DISABLED)}


async def store_leaver(
    store: Store, employee: str = "1", *, entry: dict[str, Any] | None = None, **changes: Any
) -> None:
    """Stores an inactive employee that has not changed for more than a year, and the ledger entry unless it is empty."""
    content: dict[str, Any] = {"status": "inactive", "detected_at": OLD, "emitted_revision": 1_000}
    await store.snapshots.save([(make_snapshot(employee, **content | changes), None)])
    if entry is None or entry:
        await store.ledger.write([make_entry(employee, **DISABLED | (entry or {}))])


async def read(store: Store, employee: str = "1") -> Snapshot | None:
    """Returns the snapshot of an employee."""
    return (await store.snapshots.read(CONNECTION, [EmployeeId(employee)])).get(EmployeeId(employee))


async def test_missing_employee_expires_after_the_time(store: Store) -> None:
    """The other one is missing for exactly a year."""
    await store_leaver(store, "1", absent_since=OLD)
    await store_leaver(store, "2", absent_since=NOW - YEAR)

    assert await store.expiry.remove_missing(CONNECTION, NOW - YEAR, 10) == 1
    assert await read(store, "1") is None
    assert await read(store, "2") is not None


async def test_listed_leaver_keeps_the_status_only(store: Store) -> None:
    """With the same content hash, the next scan finds no change and stores nothing again."""
    await store_leaver(store)
    before = await read(store)

    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10) == 1
    after = await read(store)

    assert before is not None
    assert after is not None
    assert set(after.attributes) == {"status"}
    assert after.attributes["status"] == before.attributes["status"]
    assert after.content_hash == before.content_hash
    assert after.revision == before.revision
    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10) == 0


async def test_reduced_leaver_with_new_data_expires_again(store: Store) -> None:
    """A change in Personio stores the data again, and its time begins again."""
    await store_leaver(store)
    await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10)
    changed = make_snapshot("1", 2_000, status="inactive", detected_at=NOW, emitted_revision=2_000)
    assert await store.snapshots.save([(changed, 1_000)]) == frozenset()
    entry = make_entry("1", 2, **DISABLED | {"decided": make_outcome("1", 2_000, how=Outcome.DISABLED)})
    assert await store.ledger.write([entry]) == frozenset()

    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10) == 0
    assert await store.expiry.reduce_leavers(CONNECTION, NOW + timedelta(seconds=1), 10) == 1


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    "entry",
    [
        {"enabled": True},
        {"enabled": None},
        {"verify": True},
        {"look_at": NOW},
        {"waiting": WAITING},
        {"account_id": None, "enabled": None, "attempted": "1"},
        {"suspected_since": NOW},
        {"decided": make_outcome("1", 999)},
        {"decided": None},
        {},
    ],
)
async def test_leaver_without_a_confirmed_account_stays(store: Store, entry: dict[str, Any]) -> None:
    """The account must be disabled first, and a change that is not settled needs the data."""
    if entry:
        await store_leaver(store, entry=entry, absent_since=OLD)
    else:
        await store_leaver(store, entry={}, absent_since=OLD)

    assert await store.expiry.remove_missing(CONNECTION, NOW, 10) == 0
    assert await store.expiry.reduce_leavers(CONNECTION, NOW, 10) == 0
    assert len((await read(store) or make_snapshot()).attributes) > 1


async def test_leaver_without_an_account_expires(store: Store) -> None:
    """An employee out of scope never had one."""
    await store_leaver(store, "1", entry={"account_id": None, "enabled": None}, absent_since=OLD)
    await store_leaver(store, "2", entry={"account_id": None, "enabled": None})

    assert await store.expiry.remove_missing(CONNECTION, NOW - YEAR, 10) == 1
    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10) == 1


async def test_others_than_leavers_stay(store: Store) -> None:
    """An active employee may stay unchanged for years. Another connection has its own days."""
    await store_leaver(store, "1", status="active")
    await store_leaver(store, "2", status="leave")
    await store_leaver(store, "3", connection_id=OTHER, absent_since=OLD)

    assert await store.expiry.remove_missing(CONNECTION, NOW, 10) == 0
    assert await store.expiry.reduce_leavers(CONNECTION, NOW, 10) == 0


async def test_one_call_is_limited_to_the_oldest(store: Store) -> None:
    """An installation with many leavers is worked on over several days."""
    for number in range(5):
        await store_leaver(store, str(number), absent_since=OLD - timedelta(days=number))

    assert await store.expiry.remove_missing(CONNECTION, NOW - YEAR, 2) == 2
    assert [number for number in range(5) if await read(store, str(number)) is None] == [3, 4]
    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 2) == 2
    assert await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 2) == 1


async def list_names(store: Store) -> list[str]:
    """Returns the names of the examples that are left."""
    return [pinned.example.name for pinned in (await store.examples.list_all(CONNECTION)).examples]


async def test_example_of_a_leaver_expires_with_the_snapshot(store: Store) -> None:
    """Employee 1 is missing, and 2 is reduced. Made-up data stays, and so does that of an employee that is there."""
    await store_leaver(store, "1", absent_since=OLD)
    await store_leaver(store, "2", attributes={"status": "inactive", "first_name": "Zoë"})
    await store.snapshots.save([(make_snapshot("3"), None)])
    for employee in "123":
        await store.examples.save(make_pinned(employee, employee, pinned_at=OLD))
        await store.examples.save(make_pinned(employee, f"{employee} made up", pinned_at=OLD, is_made_up=True))
    await store.examples.save(make_pinned("3", "reports to 2", manager="2", pinned_at=OLD))
    await store.examples.save(make_pinned("3", "reports to 3", manager="3", pinned_at=OLD))
    before = await store.expiry.remove_examples(CONNECTION, NOW - YEAR)
    await store.expiry.remove_missing(CONNECTION, NOW - YEAR, 10)
    await store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10)

    after = await store.expiry.remove_examples(CONNECTION, NOW - YEAR)

    assert before == 0
    assert after == 3
    assert await list_names(store) == ["1 made up", "2 made up", "3", "3 made up", "reports to 3"]


async def test_new_example_of_an_unknown_employee_stays(store: Store) -> None:
    """Before the first poll, no employee has a snapshot. Another connection is not affected."""
    await store.examples.save(make_pinned("1", "new", pinned_at=NOW - YEAR))
    await store.examples.save(make_pinned("1", "old", pinned_at=OLD))
    await store.examples.save(make_pinned("1", "other", pinned_at=OLD, connection_id=OTHER))

    assert await store.expiry.remove_examples(CONNECTION, NOW - YEAR) == 1
    assert await list_names(store) == ["new"]
    assert len((await store.examples.list_all(OTHER)).examples) == 1


@pytest.mark.mongo
async def test_damaged_example_stops_no_expiry(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """What it is about is unknown: an administrator removes it."""
    for name in ("damaged", "odd", "sound"):
        await mongodb_store.examples.save(make_pinned("1", name, pinned_at=OLD))
    await raw["mapping_examples"].update_one({"_id": f"{CONNECTION}/damaged"}, {"$set": {"people": 7}})
    await raw["mapping_examples"].update_one({"_id": f"{CONNECTION}/odd"}, {"$set": {"people": [None, {}]}})

    assert await mongodb_store.expiry.remove_examples(CONNECTION, NOW) == 1
    assert await mongodb_store.examples.list_all(CONNECTION) == StoredExamples((), ("damaged", "odd"))


@pytest.mark.mongo
async def test_removed_attributes_are_in_no_document(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    """The stored text has the status and nothing else."""
    await store_leaver(mongodb_store)

    await mongodb_store.expiry.reduce_leavers(CONNECTION, NOW - YEAR, 10)
    document = await raw["snapshots"].find_one()

    assert document is not None
    assert "Zoë" not in str(document)


@pytest.mark.parametrize("attributes", ["not JSON", "[]", "{}", '{"last_name":"Lovelace"}'])
def test_attributes_without_a_status_are_removed(attributes: str) -> None:
    """Damaged attributes may contain anything."""
    assert reduce_attributes(attributes) == "{}"
