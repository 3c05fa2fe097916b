"""The brake: writers of all replicas count together, and a held change waits until it is allowed."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.brakes import Brake
from services.contracts.events import Version
from services.contracts.ids import EmployeeId
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person, make_snapshot

PATIENCE = timedelta(minutes=2)


def make_held(employee: str = "1", **changes: Any) -> LedgerEntry:
    """Returns the entry of an employee with a change that the brake holds."""
    waiting = Waiting(
        cause=WaitingCause.DISABLING_HELD, since=NOW, version=Version(2_000, 3), attempts=2, retry_at=NOW + PATIENCE
    )
    content: dict[str, Any] = {"waiting": waiting, "is_disabling_held": True, "account_id": f"a-{employee}"}
    return make_entry(employee, **content | {"enabled": True} | changes)


async def count_again(store: Store) -> bool:
    """Counts one more account, as a writer does. Returns whether no other writer was first."""
    brake = await store.brakes.read(CONNECTION)
    return await store.brakes.write(brake.add(NOW).model_copy(update={"seq": brake.seq + 1}))


# ------------------------------------------------------------ counts


async def test_connection_without_brake_has_an_empty_one(store: Store) -> None:
    """Nothing has to be stored when a connection is added."""
    assert await store.brakes.read(CONNECTION) == Brake(connection_id=CONNECTION)


async def test_brake_is_read_as_it_was_written(store: Store) -> None:
    """Another connection has its own."""
    brake = Brake(connection_id=CONNECTION, accounts=40, counted_at=NOW, seq=1).add(NOW)

    assert await store.brakes.write(brake)
    assert await store.brakes.read(CONNECTION) == brake
    assert await store.brakes.read(OTHER) == Brake(connection_id=OTHER)


@pytest.mark.parametrize("seq", [1, 3])
async def test_brake_without_its_predecessor_is_not_written(store: Store, seq: int) -> None:
    """Another writer has counted in between: what it has counted stays."""
    await count_again(store)

    assert not await store.brakes.write(Brake(connection_id=CONNECTION, seq=seq))
    assert (await store.brakes.read(CONNECTION)).count_recent(NOW) == 1


async def test_concurrent_writers_lose_no_account(store: Store) -> None:
    """Each count that was stored is in the sum."""
    stored = await asyncio.gather(*(count_again(store) for _ in range(8)))
    stored += [await count_again(store)]

    assert sum(stored) >= 2
    assert (await store.brakes.read(CONNECTION)).count_recent(NOW) == sum(stored)


async def test_reset_forgets_the_count(store: Store) -> None:
    """A writer that has read the brake before does not write its count back."""
    await count_again(store)
    before = await store.brakes.read(CONNECTION)

    await store.brakes.reset(CONNECTION)

    assert (await store.brakes.read(CONNECTION)).count_recent(NOW) == 0
    assert not await store.brakes.write(before.add(NOW).model_copy(update={"seq": before.seq + 1}))
    assert await count_again(store)


async def test_reset_stores_nothing_for_a_connection_without_brake(store: Store) -> None:
    """A connection that was removed in the meantime leaves no document."""
    await store.brakes.reset(CONNECTION)

    assert (await store.erasure.count_connection(CONNECTION))["brakes"] == 0


@pytest.mark.mongo
@pytest.mark.promise("P10")
@pytest.mark.parametrize("field", ["disabled", "seq", "accounts", "counted_at"])
async def test_damaged_brake_is_repaired_by_a_reset(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]], field: str
) -> None:
    """A damaged document concerns its own connection, and says so."""
    await count_again(mongodb_store)
    await raw["brakes"].update_one({"_id": CONNECTION}, {"$set": {field: [{"minute": "x"}]}})

    assert (await mongodb_store.brakes.read(CONNECTION)).is_damaged
    assert not (await mongodb_store.brakes.read(OTHER)).is_damaged

    await mongodb_store.brakes.reset(CONNECTION)

    assert not (await mongodb_store.brakes.read(CONNECTION)).is_damaged
    assert await count_again(mongodb_store)


@pytest.mark.mongo
@pytest.mark.promise("P10")
@pytest.mark.parametrize("seq", [None, 0, "1", True, 1.0, -1, (1 << 63) - 1])
async def test_brake_that_no_writer_can_replace_is_damaged(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]], seq: object
) -> None:
    """A writer would try to count for ever. After a reset it can."""
    await count_again(mongodb_store)
    await raw["brakes"].update_one({"_id": CONNECTION}, {"$set": {"seq": seq}})

    assert (await mongodb_store.brakes.read(CONNECTION)).is_damaged

    await mongodb_store.brakes.reset(CONNECTION)

    assert not (await mongodb_store.brakes.read(CONNECTION)).is_damaged
    assert await count_again(mongodb_store)


async def test_enabled_accounts_of_every_status_count(store: Store) -> None:
    """A mapping can disable employees that Personio lists as active, and those with any other status."""
    states: dict[str, dict[str, Any]] = {"1": {}, "2": {"status": "inactive"}, "3": {"status": "leave"}, "4": {}}
    await store.snapshots.save([(make_snapshot(name, **state), None) for name, state in states.items()])
    entries = [make_entry(name, account_id=f"a-{name}", enabled=name != "4") for name in states]
    await store.ledger.write([*entries, make_entry("5", account_id="a-5", enabled=True)])

    assert await store.counters.count_accounts(CONNECTION) == 3
    assert await store.counters.count_accounts(OTHER) == 0


# ------------------------------------------------------------ held changes


async def test_held_change_is_not_taken_to_be_retried(store: Store) -> None:
    """It waits for an administrator, however much time passes. The other kinds of waiting are taken."""
    other = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(2_000, 3))
    await store.ledger.write([make_held("1"), make_entry("2", waiting=other)])

    taken = await store.followups.take_due(CONNECTION, NOW + timedelta(days=9), 10, PATIENCE)

    assert taken == ("2",)


async def test_held_changes_are_found(store: Store) -> None:
    """By connection, in the order of the ids, and in the numbers. Those that wait for another cause are not among them."""
    other = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(2_000, 3))
    await store.ledger.write([make_held("2"), make_held("1"), make_entry("3", waiting=other)])

    pages = [page async for page in store.followups.page_held_disablings(CONNECTION)]

    assert pages == [("1", "2")]
    assert await store.followups.has_held_disabling(CONNECTION)
    assert not await store.followups.has_held_disabling(OTHER)
    assert (await store.counters.read([CONNECTION, OTHER]))[CONNECTION].held_disablings == 2
    assert (await store.counters.read_one(CONNECTION)).held_disablings == 2
    assert [page async for page in store.followups.page_waiting(CONNECTION)] == [("3",)]


async def test_allowed_change_is_taken_at_once(store: Store) -> None:
    """It is no longer held, and a concurrent write of the entry fails."""
    held = make_held()
    await store.ledger.write([held])

    await store.ledger.allow_disabling({held.person: 2_000, make_person("9"): 2_000})

    entry = await store.ledger.get(held.person)
    assert entry is not None
    assert entry.waiting is not None
    assert entry.waiting.cause is WaitingCause.BACKLOG
    assert entry.disabling_allowed_from == 2_000
    assert not entry.is_disabling_held
    assert await store.followups.take_due(CONNECTION, NOW, 10, PATIENCE) == ("1",)
    assert await store.ledger.get(make_person("9")) is None
    assert await store.ledger.write([held.model_copy(update={"seq": 2})]) == {held.person}


async def test_permission_changes_nothing_else_of_an_entry(store: Store) -> None:
    """The poller gives it before a departure is published: the entry may be settled, or wait for another cause."""
    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_500, 3), retry_at=NOW)
    entries = [make_entry("1", decided=make_outcome("1"), account_id="a-1"), make_entry("2", waiting=waiting)]
    await store.ledger.write(entries)

    await store.ledger.allow_disabling({entry.person: 2_000 for entry in entries})

    allowed = {"disabling_allowed_from": 2_000, "seq": 2}
    stored = await store.ledger.read(entry.person for entry in entries)
    assert stored == {entry.person: entry.model_copy(update=allowed) for entry in entries}
    assert await store.followups.take_due(CONNECTION, NOW, 10, PATIENCE) == ("2",)


async def test_surplus_keeps_the_mark_of_a_held_change(store: Store) -> None:
    """A newer change for which the lane has no room does not end what an administrator decides about."""
    held = make_held()
    await store.ledger.write([held])
    assert held.waiting is not None
    newer = held.waiting.model_copy(update={"cause": WaitingCause.BACKLOG, "version": Version(2_000, 4)})

    await store.ledger.note_waiting({held.person: newer})

    assert await store.followups.has_held_disabling(CONNECTION)


async def test_reset_employee_is_no_longer_held(store: Store) -> None:
    """``people reset`` forgets what was decided, and what was allowed."""
    await store.ledger.write([make_held("1"), make_entry("2", disabling_allowed_from=2_000)])

    for employee in ("1", "2"):
        await store.ledger.reset(make_person(employee))

    entries = await store.ledger.read([make_person("1"), make_person("2")])
    assert not any(entry.is_disabling_held for entry in entries.values())
    assert {entry.disabling_allowed_from for entry in entries.values()} == {None}
    assert EmployeeId("1") in await store.followups.take_due(CONNECTION, NOW, 10, PATIENCE)
