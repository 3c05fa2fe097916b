"""Claims: one owner for each account and each external id of a server, across all connections."""

import asyncio
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.claims import ClaimKind
from services.contracts.ids import AccountId, PersonKey
from services.store.database import Store
from tests.support.builders import OTHER, make_person

SERVER, ELSEWHERE = "https://app.declaree.com/SCIM/v2", "https://app.declaree.de/SCIM/v2"
ONE, TWO, STRANGER = make_person("1"), make_person("2"), make_person("1", OTHER)
ACCOUNT = AccountId("a-1")
AWKWARD = [
    "x" * 1024,
    "ü" * 512,
    "a\x00b",
    'a"],["b',
    "$set",
    "a.b/c d",
    "A-1",
    "a-1 ",
    "\u0061\u0308",
    "\u00e4",
    "\ud800",
    "",
    "🏔",
]
"""Ids that mean something to MongoDB, cannot be stored as they are, or differ from another one by little."""


async def claim(store: Store, owner: PersonKey, account: AccountId = ACCOUNT, server: str = SERVER) -> bool:
    """Returns whether the account is the employee's after a claim."""
    return account not in await store.claims.claim_accounts(server, {account: owner})


async def test_account_belongs_to_its_first_claimant(store: Store) -> None:
    """An employee of the same connection and one of another connection are refused."""
    assert await store.claims.find_owner(SERVER, ACCOUNT) is None

    is_claimed = [await claim(store, person) for person in (ONE, TWO, STRANGER)]

    assert is_claimed == [True, False, False]
    assert await store.claims.find_owner(SERVER, ACCOUNT) == ONE


async def test_batch_claims_all_accounts_without_another_owner(store: Store) -> None:
    """An account that is refused keeps no other account of the batch back, and no claim changes its owner."""
    accounts = [AccountId(f"a-{number}") for number in range(40)]
    taken = accounts[::7]
    await store.claims.claim_accounts(SERVER, dict.fromkeys(taken, STRANGER))

    refused = await store.claims.claim_accounts(SERVER, {account: make_person(account) for account in accounts})

    owners = [await store.claims.find_owner(SERVER, account) for account in accounts]
    assert refused == frozenset(taken)
    assert owners == [STRANGER if account in taken else make_person(account) for account in accounts]


async def test_owner_of_external_id_is_found(store: Store) -> None:
    """An external id and an account with the same text are two things, and so are those of two servers."""
    await store.claims.claim_external_ids(SERVER, {"a-1": TWO})
    await claim(store, ONE)

    assert await store.claims.find_external_id_owner(SERVER, "a-1") == TWO
    assert await store.claims.find_external_id_owner(ELSEWHERE, "a-1") is None


async def test_accounts_are_released_by_their_owner_only(store: Store) -> None:
    """An account that has passed to another employee stays that one's, and each other claim stays."""
    await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE, AccountId("a-2"): TWO, AccountId("a-3"): ONE})

    assert await store.claims.release_accounts(SERVER, {ACCOUNT: ONE, AccountId("a-2"): ONE}) == 1
    assert await store.claims.release_accounts(SERVER, {}) == 0

    owners = await store.claims.find_owners(SERVER, [ACCOUNT, AccountId("a-2"), AccountId("a-3")])
    assert owners == {AccountId("a-2"): TWO, AccountId("a-3"): ONE}


async def test_external_ids_are_released_by_their_owner_only(store: Store) -> None:
    """An external id of another employee stays that one's, and so does an account with the same text."""
    await store.claims.claim_external_ids(SERVER, {"a-1": ONE, "a-2": TWO})
    await claim(store, ONE)

    assert await store.claims.release_external_ids(SERVER, {"a-1": ONE, "a-2": ONE}) == 1

    assert await store.claims.find_external_id_owner(SERVER, "a-1") is None
    assert await store.claims.find_external_id_owner(SERVER, "a-2") == TWO
    assert await store.claims.find_owner(SERVER, ACCOUNT) == ONE


async def test_owners_of_many_accounts_are_found_at_once(store: Store) -> None:
    """Accounts without an owner and accounts of another server are left out."""
    await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE, AccountId("a-2"): STRANGER, AccountId("a-3"): TWO})
    await claim(store, TWO, AccountId("a-4"), ELSEWHERE)

    owners = await store.claims.find_owners(SERVER, [ACCOUNT, AccountId("a-2"), AccountId("a-4"), AccountId("a-5")])

    assert owners == {ACCOUNT: ONE, AccountId("a-2"): STRANGER}
    assert await store.claims.find_owners(SERVER, []) == {}


async def test_owners_of_accounts_and_external_ids_are_read(store: Store) -> None:
    """What has no owner is known to have none. The same text as an account and as an external id is two claims."""
    await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE})
    await store.claims.claim_external_ids(SERVER, {ACCOUNT: TWO, "1001": STRANGER})
    await claim(store, TWO, AccountId("a-4"), ELSEWHERE)

    owners = await store.claims.read_owners(SERVER, [ACCOUNT, AccountId("a-4")], [ACCOUNT, "1001", "1002"])

    assert owners == {
        (ClaimKind.ACCOUNT, ACCOUNT): ONE,
        (ClaimKind.ACCOUNT, "a-4"): None,
        (ClaimKind.EXTERNAL_ID, ACCOUNT): TWO,
        (ClaimKind.EXTERNAL_ID, "1001"): STRANGER,
        (ClaimKind.EXTERNAL_ID, "1002"): None,
    }
    assert await store.claims.read_owners(SERVER, [], []) == {}


async def test_claim_after_a_lost_answer_can_be_repeated(store: Store) -> None:
    """The owner claims its own account and external id again without a refusal."""
    for _ in range(2):
        assert await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE}) == frozenset()
        assert await store.claims.claim_external_ids(SERVER, {"e-1": ONE}) == frozenset()


async def test_empty_claim_refuses_nothing(store: Store) -> None:
    """A batch without accounts is possible."""
    assert await store.claims.claim_accounts(SERVER, {}) == frozenset()
    assert await store.claims.claim_external_ids(SERVER, {}) == frozenset()


async def test_accounts_and_external_ids_are_claimed_apart(store: Store) -> None:
    """The same text as an account and as an external id is two claims, and so it is on two servers."""
    await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE})

    external = await store.claims.claim_external_ids(SERVER, {ACCOUNT: TWO})
    elsewhere = await claim(store, STRANGER, server=ELSEWHERE)

    assert external == frozenset()
    assert elsewhere is True
    assert await store.claims.find_owner(SERVER, ACCOUNT) == ONE
    assert await store.claims.find_owner(ELSEWHERE, ACCOUNT) == STRANGER


async def test_external_id_of_another_connection_is_refused(store: Store) -> None:
    """Employee 1001 of one company must not become account 1001 of another."""
    await store.claims.claim_external_ids(SERVER, {"1001": ONE})

    refused = await store.claims.claim_external_ids(SERVER, {"1001": STRANGER, "1002": STRANGER})

    assert refused == {"1001"}


async def test_ids_with_any_character_are_claimed_apart(store: Store) -> None:
    """Ids are compared exactly: neither length, case, spelling nor special characters make two of them one."""
    owners = {AccountId(text): make_person(str(number)) for number, text in enumerate(AWKWARD)}

    refused = await store.claims.claim_accounts(SERVER, owners)

    found = [await store.claims.find_owner(SERVER, account) for account in owners]
    assert refused == frozenset()
    assert found == list(owners.values())
    assert await store.claims.claim_accounts(SERVER, dict.fromkeys(owners, STRANGER)) == owners.keys()


async def test_server_and_id_are_not_confused(store: Store) -> None:
    """An id that continues the address of a server is not an id of another server."""
    await claim(store, ONE, AccountId("v2/a"), "https://s.example")

    assert await store.claims.find_owner("https://s.example/v2", AccountId("a")) is None


async def test_one_of_many_concurrent_claimants_wins(store: Store) -> None:
    """Each account has one owner, and its other claimants were refused."""
    accounts = [AccountId(f"a-{number}") for number in range(20)]
    rivals = [make_person(str(number), OTHER) for number in range(6)]

    refused = await asyncio.gather(
        *(store.claims.claim_accounts(SERVER, dict.fromkeys(accounts, rival)) for rival in rivals)
    )

    for account in accounts:
        winners = [rival for rival, lost in zip(rivals, refused, strict=True) if account not in lost]
        assert winners == [await store.claims.find_owner(SERVER, account)]


async def test_concurrent_claims_of_one_owner_all_succeed(store: Store) -> None:
    """Two writers may have the same employee in progress; both learn that the account is the employee's."""
    accounts = {AccountId(f"a-{number}"): ONE for number in range(20)}

    refused = await asyncio.gather(*(store.claims.claim_accounts(SERVER, accounts) for _ in range(6)))

    assert set(refused) == {frozenset()}


# ------------------------------------------------------------ transfer and release


async def test_account_passes_to_another_employee(store: Store) -> None:
    """The former owner cannot claim it again, and a repetition after a lost answer succeeds."""
    await claim(store, ONE)

    passed = [await store.claims.transfer(SERVER, ACCOUNT, ONE, TWO) for _ in range(2)]

    assert passed == [True, True]
    assert await store.claims.find_owner(SERVER, ACCOUNT) == TWO
    assert await claim(store, ONE) is False


async def test_account_of_another_owner_is_not_transferred(store: Store) -> None:
    """Neither a third employee's account nor one without an owner can be passed on."""
    await claim(store, STRANGER)

    assert await store.claims.transfer(SERVER, ACCOUNT, ONE, TWO) is False
    assert await store.claims.transfer(SERVER, AccountId("a-2"), ONE, TWO) is False
    assert await store.claims.transfer(ELSEWHERE, ACCOUNT, STRANGER, TWO) is False
    assert await store.claims.find_owner(SERVER, ACCOUNT) == STRANGER
    assert await store.claims.find_owner(SERVER, AccountId("a-2")) is None


async def test_one_of_many_concurrent_transfers_wins(store: Store) -> None:
    """An account that two administrators hand over at the same time has one new owner."""
    await claim(store, ONE)
    heirs = [make_person(str(number)) for number in range(2, 8)]

    passed = await asyncio.gather(*(store.claims.transfer(SERVER, ACCOUNT, ONE, heir) for heir in heirs))

    assert sum(passed) == 1
    assert await store.claims.find_owner(SERVER, ACCOUNT) == heirs[passed.index(True)]


async def test_released_claims_are_free_again(store: Store) -> None:
    """All claims of the employee on all servers are released, and those of others stay."""
    await store.claims.claim_accounts(SERVER, {ACCOUNT: ONE, AccountId("a-2"): TWO})
    await store.claims.claim_external_ids(ELSEWHERE, {"e-1": ONE, "e-2": STRANGER})

    released = [await store.claims.release(ONE) for _ in range(2)]

    assert released == [2, 0]
    assert await claim(store, STRANGER)
    assert await store.claims.claim_external_ids(ELSEWHERE, {"e-1": TWO}) == frozenset()
    assert await store.claims.find_owner(SERVER, AccountId("a-2")) == TWO
    assert await store.claims.claim_external_ids(ELSEWHERE, {"e-2": ONE}) == {"e-2"}


@pytest.mark.mongo
async def test_claim_of_two_writers_is_stored_once(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    """The document tells what is claimed and by which employee, in text that every tool can show."""
    await asyncio.gather(*(claim(mongodb_store, rival, AccountId("a-ü")) for rival in (ONE, ONE)))

    (document,) = await raw["claims"].find({}, {"_id": False}).to_list(None)

    assert document == {"owner": str(ONE), "claimed": f'["account", "{SERVER}", "a-\\u00fc"]'}
