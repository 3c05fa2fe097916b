"""The marks on snapshots follow the ledger, and a repair corrects those that a crash or a loss left behind."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.events import Version
from services.contracts.ids import EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person, make_snapshot

WAITING = Waiting(cause=WaitingCause.BACKLOG, since=NOW, version=Version(2_000, 3))
Raw = AsyncIOMotorDatabase[dict[str, Any]]


async def count(store: Store) -> tuple[int, int]:
    """Returns the balance and the number of active employees with an account."""
    numbers = (await store.counters.read([CONNECTION]))[CONNECTION]
    assert numbers == await store.counters.read_one(CONNECTION)
    return numbers.balance, numbers.accounts


def build_settled(employee: str, seq: int = 1, revision: int = 1_000, **changes: Any) -> Any:
    """Returns an entry with an enabled account and a decision."""
    content: dict[str, Any] = {"account_id": f"a-{employee}", "enabled": True}
    return make_entry(employee, seq, decided=make_outcome(employee, revision), **content | changes)


async def test_change_is_unsettled_until_its_decision(store: Store) -> None:
    """A decision about an older revision settles nothing."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await store.ledger.write([build_settled("1"), build_settled("2")])
    settled = await count(store)

    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])
    changed = await count(store)
    await store.ledger.write([build_settled("1", 2, 1_500)])
    older = await count(store)
    await store.ledger.write([build_settled("1", 3, 2_000)])

    assert settled == (0, 2)
    assert changed == (1, 2)
    assert older == (1, 2)
    assert await count(store) == (0, 2)


async def test_held_change_settles_nothing(store: Store) -> None:
    """Neither a hold nor a pull says anything about an account. The decision settles the change, however long it has waited."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await store.ledger.write([build_settled("1")])
    await store.snapshots.save([(make_snapshot("1", 2_000), 1_000)])

    await store.ledger.note_waiting({make_person("1"): WAITING, make_person("2"): WAITING})
    held = await count(store)
    pulled = await store.followups.take_due(CONNECTION, NOW, 9, timedelta(minutes=1))
    waiting = await count(store)
    await store.ledger.write([build_settled("1", 3, 2_000), build_settled("2", 2, 2_000)])

    assert held == (2, 1)
    assert sorted(pulled) == ["1", "2"]
    assert waiting == (2, 1)
    assert await count(store) == (0, 2)


async def test_decision_about_a_newer_revision_settles_the_change(store: Store) -> None:
    """A restored database can have older snapshots than the ledger knows."""
    await store.snapshots.save([(make_snapshot("1"), None)])

    await store.ledger.write([build_settled("1", revision=2_000)])

    assert await count(store) == (0, 1)


async def test_disabled_and_released_accounts_are_no_longer_counted(store: Store) -> None:
    """The last confirmed state of the account counts."""
    await store.snapshots.save([(make_snapshot(employee), None) for employee in ("1", "2", "3")])
    await store.ledger.write([build_settled("1"), build_settled("2"), build_settled("3")])

    await store.ledger.write([build_settled("1", 2, enabled=False)])
    entry = await store.ledger.get(make_person("2"))
    assert entry is not None
    assert entry.account_id is not None
    await store.ledger.release_account(make_person("2"), entry.account_id)

    assert await count(store) == (0, 1)


async def test_lost_write_leaves_the_marks(store: Store) -> None:
    """Only the entry that is stored tells what is settled."""
    await store.snapshots.save([(make_snapshot("1", 2_000), None)])
    await store.ledger.write([build_settled("1", revision=1_000)])

    lost = await store.ledger.write([build_settled("1", 5, 2_000, enabled=False)])

    assert lost == {make_person("1")}
    assert await count(store) == (1, 1)


async def test_reset_makes_the_newest_change_unsettled(store: Store) -> None:
    """The employee is sent again, and an oversized change is not."""
    await store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await store.ledger.write([build_settled("1"), build_settled("2")])
    await store.snapshots.mark_oversized(CONNECTION, [(EmployeeId("2"), 1_000)])

    await store.ledger.reset(make_person("1"))
    await store.ledger.reset(make_person("2"))

    assert await count(store) == (1, 2)


async def test_numbers_of_several_connections_are_read_together(store: Store) -> None:
    """A connection without employees has zeros."""
    await store.snapshots.save([(make_snapshot("1"), None)])
    await store.snapshots.save([(make_snapshot("2", connection_id=OTHER), None)])

    numbers = await store.counters.read([CONNECTION, OTHER])

    assert {name: one.balance for name, one in numbers.items()} == {CONNECTION: 1, OTHER: 1}
    assert await store.counters.count_all_behind() == 2
    assert await store.counters.read([]) == {}


@pytest.mark.mongo
async def test_repair_corrects_marks_that_a_crash_left_behind(mongodb_store: Store, raw: Raw) -> None:
    """A writer died between the ledger and the marks."""
    await mongodb_store.snapshots.save([(make_snapshot(employee), None) for employee in ("1", "2")])
    await mongodb_store.ledger.write([build_settled("1")])
    await raw["snapshots"].update_many({}, {"$set": {"unsettled": True}, "$unset": {"account_enabled": True}})

    number = await mongodb_store.marks.repair_unsettled(CONNECTION)

    assert number == 2
    assert await count(mongodb_store) == (1, 1)
    assert await mongodb_store.marks.repair_unsettled(CONNECTION) == 1


@pytest.mark.mongo
async def test_repair_of_all_finds_a_lost_ledger(mongodb_store: Store, raw: Raw) -> None:
    """No query about the unsettled employees can find those: nothing marks them. An oversized change stays settled."""
    await mongodb_store.snapshots.save([(make_snapshot(employee), None) for employee in ("1", "2", "3")])
    await mongodb_store.ledger.write([build_settled(employee) for employee in ("1", "2", "3")])
    await mongodb_store.snapshots.mark_oversized(CONNECTION, [(EmployeeId("3"), 1_000)])
    await raw["ledger"].delete_many({"_id": {"$ne": str(make_person("2"))}})

    number = await mongodb_store.marks.repair_all(CONNECTION)

    assert number == 3
    assert await count(mongodb_store) == (1, 1)


@pytest.mark.mongo
async def test_damaged_entry_makes_its_change_unsettled(mongodb_store: Store, raw: Raw) -> None:
    """It concerns its own employee, and stops no repair."""
    await mongodb_store.snapshots.save([(make_snapshot(employee), None) for employee in ("1", "2")])
    await mongodb_store.ledger.write([build_settled("1"), build_settled("2")])
    await raw["ledger"].update_one({"_id": str(make_person("1"))}, {"$set": {"decided": "x", "enabled": "yes"}})

    await mongodb_store.marks.repair_all(CONNECTION)

    assert await count(mongodb_store) == (1, 1)
