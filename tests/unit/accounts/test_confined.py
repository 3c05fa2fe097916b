"""An employee that is settled apart gets an answer to what was read before, and to nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.accounts.confined import ConfinedDatabase, ConfinedLookups, ConfinedServer, NotGivenError, Surroundings
from services.contracts.brakes import Brake
from services.contracts.claims import ClaimKind
from services.contracts.ids import AccountId
from services.provisioning.calls import FindAccounts, Found, ReadAccount, Resource
from tests.support.builders import CONNECTION, make_person

SERVER = "https://app.declaree.com/SCIM/v2"
ADA, OTHER = make_person("1"), make_person("2")
ACCOUNT = Resource(AccountId("a-1"), {"userName": "Ada@x.example"})
GIVEN = Surroundings(
    accounts={ACCOUNT.id: ACCOUNT},
    found={FindAccounts("userName", "ada@x.example"): (ACCOUNT.id,), FindAccounts("externalId", "1"): ()},
    owners={(ClaimKind.ACCOUNT, ACCOUNT.id): ADA, (ClaimKind.EXTERNAL_ID, "1"): None},
)
DATABASE, LOOKUPS = ConfinedDatabase(GIVEN), ConfinedLookups(GIVEN)


async def find(attribute: Any, value: str, **options: Any) -> object:
    """Returns the answer to a lookup."""
    return await LOOKUPS.find(FindAccounts(attribute, value, **options), ConfinedServer().perform)


async def test_given_lookups_are_answered() -> None:
    """User names are compared without case."""
    assert await find("userName", "ADA@x.example") == Found((ACCOUNT,))
    assert await find("externalId", "1") == Found()
    assert LOOKUPS.get_content(ACCOUNT.id) == ACCOUNT


async def test_given_owners_are_known() -> None:
    """One without an owner is free."""
    assert await DATABASE.claims.find_owner(SERVER, ACCOUNT.id) == ADA
    assert await DATABASE.claims.find_external_id_owner(SERVER, "1") is None


ASKED: list[Callable[[], Awaitable[object]]] = [
    lambda: find("externalId", "2"),
    lambda: find("emails.value", "ada@x.example"),
    lambda: find("externalId", "1", is_fresh=True),
    lambda: ConfinedServer().perform(ReadAccount(AccountId("a-2"))),
    ConfinedServer().discover,
    lambda: DATABASE.claims.find_owner(SERVER, AccountId("a-2")),
    lambda: DATABASE.claims.find_external_id_owner(SERVER, "2"),
    lambda: DATABASE.claims.read_owners(SERVER, [], []),
    lambda: DATABASE.claims.claim_accounts(SERVER, {ACCOUNT.id: ADA}),
    lambda: DATABASE.claims.transfer(SERVER, ACCOUNT.id, ADA, OTHER),
    lambda: DATABASE.ledger.read([OTHER]),
    lambda: DATABASE.ledger.release_account(OTHER, ACCOUNT.id),
    lambda: DATABASE.brakes.read(CONNECTION),
    lambda: DATABASE.brakes.write(Brake(connection_id=CONNECTION)),
    lambda: DATABASE.followups.has_held_disabling(CONNECTION),
    lambda: DATABASE.counters.count_accounts(CONNECTION),
]
"""Everything else that a settlement can ask for."""


@pytest.mark.parametrize("ask", ASKED)
async def test_anything_else_ends_the_settlement(ask: Callable[[], Awaitable[object]]) -> None:
    """The employee is then settled with all others, where the answer is known."""
    with pytest.raises(NotGivenError):
        await ask()
