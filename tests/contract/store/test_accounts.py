"""The ledger on a real MongoDB: exact content, writes conditional on seq, who has to be sent again."""

import asyncio
from typing import Any

import pytest

from services.contracts.accounts import Manager, Waiting
from services.contracts.events import Attribute, Outcome, Version
from services.contracts.ids import AccountId, EmployeeId
from services.store.database import Store
from tests.stored import CONNECTION, NOW, OTHER, entry, outcome, person, snapshot

pytestmark = pytest.mark.mongo

WAITING = Waiting(cause="the target is down", since=NOW.replace(microsecond=123456), version=Version(2_000, 3))


def manager(employee: str, account: str | None = None) -> Manager:
    return Manager(employee_id=EmployeeId(employee), account_id=AccountId(account) if account else None)


async def test_an_entry_is_read_as_it_was_written(store: Store) -> None:
    full = entry(
        account_id="a-1", user_name="zoe@example.com", enabled=False, attempted="x1", decided=outcome(), applied="h",
        manager=manager("2", "a-2"), waiting=WAITING, blocked_by="a-3", verify=True,
    )  # fmt: skip
    bare = entry("2")
    await store.accounts.write([full, bare])
    stored = await store.accounts.read([full.person, bare.person, person("3")])
    assert stored == {full.person: full, bare.person: bare}
    decided = stored[full.person].decided
    assert decided is not None
    assert decided.model_dump_json() == outcome().model_dump_json()


async def test_an_entry_is_written_only_after_the_one_it_follows(store: Store) -> None:
    assert await store.accounts.write([entry("1"), entry("2")]) == frozenset()
    lost = await store.accounts.write([entry("1", 2, applied="h"), entry("2", 3), entry("3", 2), entry("4")])
    assert lost == {person("2"), person("3")}
    stored = await store.accounts.read(map(person, "1234"))
    assert {key.employee_id: account.seq for key, account in stored.items()} == {"1": 2, "2": 1, "4": 1}


async def test_a_first_entry_of_somebody_who_has_one_is_lost(store: Store) -> None:
    await store.accounts.write([entry(applied="first")])
    assert await store.accounts.write([entry(applied="second"), entry("2")]) == {person("1")}
    assert await store.accounts.get(person("1")) == entry(applied="first")
    assert await store.accounts.get(person("2")) == entry("2")


async def test_to_write_again_after_a_lost_answer_loses_nobody(store: Store) -> None:
    for _ in range(2):
        assert await store.accounts.write([entry("1"), entry("2")]) == frozenset()
    for _ in range(2):
        assert await store.accounts.write([entry("1", 2), entry("3")]) == frozenset()


async def test_of_many_concurrent_writers_one_wins_each_person(store: Store) -> None:
    people = [str(number) for number in range(20)]
    await store.accounts.write([entry(name) for name in people])
    rivals = [[entry(name, 2, applied=f"writer-{number}") for name in people] for number in range(6)]
    lost = await asyncio.gather(*(store.accounts.write(batch) for batch in rivals))
    stored = await store.accounts.read(map(person, people))
    winners = [
        (account.person, account.applied)
        for batch, losers in zip(rivals, lost, strict=True)
        for account in batch
        if account.person not in losers
    ]
    assert sorted(winners) == sorted((key, account.applied) for key, account in stored.items())


async def test_two_entries_of_one_person_in_a_batch_are_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="one entry a person"):
        await store.accounts.write([entry("1", 1), entry("1", 2)])


async def test_who_is_marked_to_verify_makes_the_holder_of_the_entry_lose(store: Store) -> None:
    await store.accounts.write([entry()])
    await store.accounts.mark_verify([person("1"), person("2")])
    assert await store.accounts.write([entry("1", 2)]) == {person("1")}
    assert await store.accounts.get(person("1")) == entry("1", 2, verify=True)
    assert await store.accounts.get(person("2")) == entry("2", 1, verify=True)


async def test_unsettled_is_who_waits_or_is_to_be_looked_at(store: Store) -> None:
    await store.accounts.write([entry("1", waiting=WAITING), entry("2"), entry("3"), entry("4", waiting=WAITING)])
    await store.accounts.mark_verify([person("3")])
    assert [batch async for batch in store.accounts.unsettled(CONNECTION)] == [("1", "3", "4")]
    assert [batch async for batch in store.accounts.waiting(CONNECTION)] == [("1", "4")]
    assert await store.accounts.waiting_connections() == {CONNECTION: 2}
    await store.accounts.write([entry("1", 2), entry("3", 3), entry("4", 2)])
    assert [batch async for batch in store.accounts.unsettled(CONNECTION)] == []
    assert await store.accounts.waiting_connections() == {}


async def test_pages_bring_more_people_than_fit_one(store: Store) -> None:
    await store.accounts.write([entry(f"{number:04}", waiting=WAITING) for number in range(1_100)])
    batches = [batch async for batch in store.accounts.waiting(CONNECTION)]
    assert [len(batch) for batch in batches] == [500, 500, 100]
    assert sorted({name for batch in batches for name in batch}) == [f"{number:04}" for number in range(1_100)]


async def test_outcomes_are_counted_and_the_rejected_listed(store: Store) -> None:
    hows = [Outcome.CREATED, Outcome.REJECTED, Outcome.CREATED]
    await store.accounts.write([entry(str(n), decided=outcome(str(n), how=how)) for n, how in enumerate(hows)])
    await store.accounts.write([entry("9"), entry("8", connection_id=OTHER, decided=outcome("8"))])
    assert await store.accounts.outcomes(CONNECTION) == {"created": 2, "rejected": 1}
    assert [batch async for batch in store.accounts.rejected(CONNECTION)] == [("1",)]


async def test_of_the_active_those_count_whose_account_is_confirmed_to_be_enabled(store: Store) -> None:
    """Not who is on leave and keeps an account, nor who is listed no more."""
    on_leave = {"status": Attribute(value="leave")}
    await store.snapshots.save([(snapshot(each), None) for each in ("1", "2", "3", "6", "7")])
    await store.snapshots.save([(snapshot("5", attributes=on_leave), None), (snapshot("4", connection_id=OTHER), None)])
    await store.snapshots.set_missing(CONNECTION, [EmployeeId("6")], NOW)
    await store.accounts.write(
        [
            entry("1", account_id="a-1", enabled=True),
            entry("2", account_id="a-2", enabled=False),
            entry("3", account_id="a-3"),
            entry("4", connection_id=OTHER, account_id="a-4", enabled=True),
            entry("5", account_id="a-5", enabled=True),
            entry("6", account_id="a-6", enabled=True),
            entry("8", account_id="a-8", enabled=True),
        ]
    )
    assert await store.accounts.active_count(CONNECTION) == 1
    assert await store.accounts.missing(CONNECTION) == ("6",)
    await store.snapshots.set_missing(CONNECTION, [EmployeeId("2")], NOW)
    assert await store.accounts.missing(CONNECTION) == ("6",), "who is disabled is nobody's concern any more"
    assert await store.snapshots.active_count(CONNECTION) == 3


async def test_reports_wait_for_a_manager_whose_account_they_do_not_have(store: Store) -> None:
    await store.accounts.write(
        [
            entry("1", manager=manager("9")),
            entry("2", manager=manager("9", "a-9")),
            entry("3", manager=manager("9", "old")),
            entry("4", manager=manager("8")),
            entry("5"),
            entry("6", connection_id=OTHER, manager=manager("9")),
        ]
    )
    waiting = await store.accounts.reports_waiting_for(CONNECTION, {EmployeeId("9"): AccountId("a-9")})
    assert waiting == ("1", "3")
    assert await store.accounts.get(person("3")) == entry("3", 2, manager=manager("9"))
    assert await store.accounts.get(person("2")) == entry("2", manager=manager("9", "a-9"))
    assert await store.accounts.reports_waiting_for(CONNECTION, {}) == ()


async def test_a_report_that_missed_its_manager_is_found_once_the_manager_has_an_account(store: Store) -> None:
    await store.accounts.write([entry("1", manager=manager("9")), entry("2", manager=manager("8")), entry("8")])
    assert await store.accounts.resolvable_reports(CONNECTION) == ()
    await store.accounts.write([entry("9", account_id="a-9")])
    assert await store.accounts.resolvable_reports(CONNECTION) == ("1",)


async def test_a_report_is_sent_for_its_manager_only_where_its_account_can_be_written_now(store: Store) -> None:
    """Who waits or is rejected is re-sent for that; whoever is out of scope has no account to write."""
    boss, left, none = manager("9"), manager("9", "old"), manager("9", "a-9")
    await store.accounts.write(
        [
            entry("1", manager=boss, decided=outcome("1")),
            entry("2", manager=left, decided=outcome("2", how=Outcome.UPDATED)),
            entry("3", manager=none, decided=outcome("3")),
            entry("4", manager=boss, waiting=WAITING),
            entry("5", manager=boss, decided=outcome("5", how=Outcome.REJECTED)),
            entry("6", manager=boss, decided=outcome("6", how=Outcome.OUT_OF_SCOPE)),
            entry("7", manager=boss),
            entry("8", connection_id=OTHER, manager=boss),
            entry("9", account_id="a-9"),
        ]
    )
    assert await store.accounts.resolvable_reports(CONNECTION) == ("1", "2", "7")
    assert await store.accounts.reports_waiting_for(CONNECTION, {EmployeeId("9"): AccountId("a-9")}) == ("1", "2", "7")


async def test_who_is_blocked_by_a_name_that_was_given_up_is_released(store: Store) -> None:
    await store.accounts.write(
        [
            entry("1", blocked_by="a-9", blocked_name="Zoe@example.com"),
            entry("2", blocked_by="a-8", blocked_name="ada@example.com"),
            entry("3", blocked_by="a-7", blocked_name="of nobody we know"),
            entry("4", connection_id=OTHER, blocked_by="a-9", blocked_name="zoe@example.com"),
            entry("7", connection_id=OTHER, account_id="a-7", user_name="another@example.com"),
            entry("8", account_id="a-8", user_name="ADA@example.com"),
            entry("9", account_id="a-9", user_name="zoe@example.com"),
        ]
    )
    assert await store.accounts.released(CONNECTION) == ()
    await store.accounts.write([entry("9", 2, account_id="a-9", user_name="zoe.new@example.com")])
    assert await store.accounts.released(CONNECTION) == ("1",)
    assert await store.accounts.released(CONNECTION, [EmployeeId("1"), EmployeeId("2")]) == ("1",)
    assert await store.accounts.released(CONNECTION, [EmployeeId("2")]) == ()
    assert await store.accounts.released(CONNECTION, []) == ()


async def test_the_holder_of_an_account_is_found_within_the_connection(store: Store) -> None:
    await store.accounts.write([entry("1", account_id="a-1"), entry("2", connection_id=OTHER, account_id="a-2")])
    assert await store.accounts.holder(CONNECTION, AccountId("a-1")) == "1"
    assert await store.accounts.holder(CONNECTION, AccountId("a-2")) is None


async def test_who_was_blocked_by_an_account_is_found(store: Store) -> None:
    await store.accounts.write(
        [entry("1", blocked_by="a-9"), entry("2", blocked_by="a-8"), entry("3", connection_id=OTHER, blocked_by="a-9")]
    )
    assert await store.accounts.blocked_by(CONNECTION, [AccountId("a-9"), AccountId("a-7")]) == ("1",)


async def test_behind_are_people_whose_snapshot_is_newer_than_what_was_decided(store: Store) -> None:
    snapshots: list[tuple[Any, None]] = [(snapshot(str(number)), None) for number in range(1, 6)]
    await store.snapshots.save([*snapshots, (snapshot("6", connection_id=OTHER), None)])
    await store.accounts.write(
        [
            entry("1", decided=outcome("1", 1_000)),
            entry("2", decided=outcome("2", 999)),
            entry("3", waiting=WAITING),
            entry("7", decided=outcome("7", 1_000)),
        ]
    )
    await store.snapshots.refuse(CONNECTION, [(EmployeeId("5"), 1_000)])
    assert await store.accounts.behind(CONNECTION) == 3  # 2 is older, 3 waits, 4 has no entry; 5 will never be sent
    await store.accounts.write([entry(name, 2 if name in "23" else 1, decided=outcome(name)) for name in "234"])
    assert await store.accounts.behind(CONNECTION) == 0


async def test_what_was_applied_can_be_forgotten_for_all(store: Store) -> None:
    await store.accounts.write([entry("1", applied="h"), entry("2", connection_id=OTHER, applied="h")])
    assert await store.accounts.forget_applied(CONNECTION) == 1
    assert await store.accounts.get(person("1")) == entry("1", 2)
    assert await store.accounts.get(person("2", OTHER)) == entry("2", connection_id=OTHER, applied="h")
