"""The ledger: exact content, and writes that are conditional on ``seq``."""

import asyncio
from datetime import timedelta

import pytest

from services.contracts.events import Version
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import ManagerLink, RefusedField, Waiting
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.support.builders import BERLIN, CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person

WAITING = Waiting(
    cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW.replace(microsecond=123456), version=Version(2_000, 3)
)
REFUSED = RefusedField(
    path="title", code="400 invalidValue", value="h", mapping_version=3, schema_hash="s", tried_at=WAITING.since
)
MANAGER = ManagerLink(employee_id=EmployeeId("2"), account_id=AccountId("a-2"))


async def test_entry_with_every_field_is_read_as_written(store: Store) -> None:
    """The store changes no value of an entry, and reads only the entries that exist."""
    full = make_entry(
        account_id="a-1", external_id="x1", user_name="zoe@example.com", enabled=False, attempted="x1",
        attempted_names=("zoe@example.com", "zo@example.com"), decided=make_outcome(), applied="h", manager=MANAGER,
        waiting=WAITING, blocked_by="a-3", blocked_name="zoe@example.com", refused=(REFUSED,),
        look_at=WAITING.since.astimezone(BERLIN), verify=True,
    )  # fmt: skip
    bare = make_entry("2")
    await store.ledger.write([full, bare])

    stored = await store.ledger.read([full.person, bare.person, make_person("3")])

    assert stored == {full.person: full, bare.person: bare}


async def test_decided_outcome_is_stored_byte_for_byte(store: Store) -> None:
    """The stored outcome is published again after a crash, as the same bytes."""
    await store.ledger.write([make_entry(decided=make_outcome())])

    stored = await store.ledger.get(make_person("1"))

    assert stored is not None
    assert stored.decided is not None
    assert stored.decided.model_dump_json() == make_outcome().model_dump_json()


async def test_entry_without_its_predecessor_is_not_written(store: Store) -> None:
    """An entry is written over the previous ``seq`` only, or as the first one; others of the batch are written."""
    first = await store.ledger.write([make_entry("1"), make_entry("2")])

    lost = await store.ledger.write(
        [make_entry("1", 2, applied="h"), make_entry("2", 3), make_entry("3", 2), make_entry("4")]
    )

    stored = await store.ledger.read(map(make_person, "1234"))
    assert first == frozenset()
    assert lost == {make_person("2"), make_person("3")}
    assert {key.employee_id: account.seq for key, account in stored.items()} == {"1": 2, "2": 1, "4": 1}


async def test_second_first_entry_of_a_person_is_lost(store: Store) -> None:
    """An employee with an entry keeps it, and the other employees of the batch get theirs."""
    await store.ledger.write([make_entry(applied="first")])

    lost = await store.ledger.write([make_entry(applied="second"), make_entry("2")])

    assert lost == {make_person("1")}
    assert await store.ledger.get(make_person("1")) == make_entry(applied="first")
    assert await store.ledger.get(make_person("2")) == make_entry("2")


async def test_write_after_a_lost_answer_can_be_repeated(store: Store) -> None:
    """The same entries are written a second time without a loss."""
    for _ in range(2):
        assert await store.ledger.write([make_entry("1"), make_entry("2")]) == frozenset()
    for _ in range(2):
        assert await store.ledger.write([make_entry("1", 2), make_entry("3")]) == frozenset()


async def test_one_of_many_concurrent_writers_wins_each_person(store: Store) -> None:
    """The stored entry of each employee is that of the writer that did not lose it."""
    people = [str(number) for number in range(20)]
    await store.ledger.write([make_entry(name) for name in people])
    rivals = [[make_entry(name, 2, applied=f"writer-{number}") for name in people] for number in range(6)]

    lost = await asyncio.gather(*(store.ledger.write(batch) for batch in rivals))

    stored = await store.ledger.read(map(make_person, people))
    winners = [
        (account.person, account.applied)
        for batch, losers in zip(rivals, lost, strict=True)
        for account in batch
        if account.person not in losers
    ]
    assert sorted(winners) == sorted((key, account.applied) for key, account in stored.items())


async def test_two_entries_of_one_person_in_a_batch_are_an_error(store: Store) -> None:
    """A bulk has no order, so one of them would be lost by chance."""
    with pytest.raises(ValueError, match="one entry per person"):
        await store.ledger.write([make_entry("1", 1), make_entry("1", 2)])


async def test_verify_mark_makes_a_concurrent_write_lose(store: Store) -> None:
    """A writer that has read the entry before the mark cannot overwrite the mark."""
    await store.ledger.write([make_entry()])

    await store.ledger.mark_verify([make_person("1"), make_person("2")])

    assert await store.ledger.write([make_entry("1", 2)]) == {make_person("1")}
    assert await store.ledger.get(make_person("1")) == make_entry("1", 2, verify=True)
    assert await store.ledger.get(make_person("2")) == make_entry("2", 1, verify=True)


async def test_lost_entry_leaves_its_doubts_behind(store: Store) -> None:
    """Unanswered writes of the writer that lost are kept with the entry of the other one, which is verified."""
    stored = make_entry("1", account_id="a-1", applied="h", attempted="x0", attempted_names=("a@x.example",))
    lost = make_entry(
        "1", attempted="x1", attempted_names=("b@x.example", "a@x.example"), look_at=NOW, account_id="a-2"
    )
    await store.ledger.write([stored, make_entry("2", look_at=NOW, attempted="x2")])

    await store.ledger.mark_lost([lost, make_entry("2"), make_entry("3", look_at=NOW)])

    names = ("a@x.example", "b@x.example")
    marked = {"seq": 2, "verify": True}
    kept = {"attempted": "x1", "attempted_names": names, "look_at": NOW}
    assert await store.ledger.read(map(make_person, "123")) == {
        make_person("1"): stored.model_copy(update=marked | kept),
        make_person("2"): make_entry("2", look_at=NOW, attempted="x2").model_copy(update=marked),
    }
    assert await store.followups.take_due_looks(NOW) == {CONNECTION: ("1", "2")}
    assert sorted(await store.followups.take_due(CONNECTION, NOW, 9, timedelta(minutes=1))) == ["1", "2"]


@pytest.mark.promise("P2")
@pytest.mark.parametrize("order", [1, -1], ids=["the lost one is later", "the stored one is later"])
async def test_later_look_of_two_writers_counts(store: Store, order: int) -> None:
    """A look before the last late write would see the account before that write lands."""
    looks = [NOW, NOW + timedelta(milliseconds=500)][::order]
    await store.ledger.write([make_entry(look_at=looks[0])])

    await store.ledger.mark_lost([make_entry(look_at=looks[1])])

    assert await store.ledger.get(make_person("1")) == make_entry("1", 2, look_at=max(looks), verify=True)
    assert await store.followups.take_due_looks(min(looks)) == {}
    assert await store.followups.take_due_looks(max(looks)) == {CONNECTION: ("1",)}


async def test_released_account_is_removed_from_its_entry(store: Store) -> None:
    """What was known of the account goes with it, and a writer that has read the entry before loses."""
    await store.ledger.write([make_entry(account_id="a-1", applied="h", enabled=True, user_name="zoe@example.com")])

    for _ in range(2):
        await store.ledger.release_account(make_person("1"), AccountId("a-1"))

    assert await store.ledger.get(make_person("1")) == make_entry("1", 2, user_name="zoe@example.com")
    assert await store.ledger.write([make_entry("1", 2, account_id="a-1")]) == {make_person("1")}


async def test_account_is_released_from_no_other_entry(store: Store) -> None:
    """An entry that has another account by now keeps it, and a missing entry is not made."""
    await store.ledger.write([make_entry("1", account_id="a-2"), make_entry("2", account_id="a-1")])

    await store.ledger.release_account(make_person("1"), AccountId("a-1"))
    await store.ledger.release_account(make_person("3"), AccountId("a-1"))

    assert await store.ledger.read(map(make_person, "123")) == {
        make_person("1"): make_entry("1", account_id="a-2"),
        make_person("2"): make_entry("2", account_id="a-1"),
    }


async def test_applied_hash_is_forgotten_for_one_connection(store: Store) -> None:
    """The next change of each employee of the connection compares the live account."""
    await store.ledger.write([make_entry("1", applied="h"), make_entry("2", connection_id=OTHER, applied="h")])

    changed = await store.ledger.forget_applied(CONNECTION)

    assert changed == 1
    assert await store.ledger.get(make_person("1")) == make_entry("1", 2)
    assert await store.ledger.get(make_person("2", OTHER)) == make_entry("2", connection_id=OTHER, applied="h")
