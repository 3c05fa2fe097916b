"""The database of a rehearsal: what is read ahead is not asked for again, and gives the same answers."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from services.accounts.rehearsed import RehearsedClaims, RehearsedLinks, RehearsedPeople
from services.contracts.claims import LinkDecision
from services.contracts.ids import AccountId, PersonKey
from services.store.errors import StoreFailedError
from tests.support.builders import CONNECTION, make_person
from tests.support.fake_store.claims import FakeClaims, FakeLinks

SERVER = "https://app.declaree.com/SCIM/v2"
ACCOUNT, FREE, UNREAD = AccountId("a-1"), AccountId("a-2"), AccountId("a-3")
ONE, TWO = make_person("1"), make_person("2")
DECISION = LinkDecision(
    connection_id=CONNECTION,
    employee_id=ONE.employee_id,
    account_id=ACCOUNT,
    account_hash="h",
    asked_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class CountedLinks(FakeLinks):
    """Counts the reads. A read of several people fails while ``is_damaged`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_damaged = False

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions."""
        self.reads += 1
        wanted = list(people)
        if self.is_damaged and len(wanted) > 1:
            raise StoreFailedError("a decision is damaged")
        return await super().read(wanted)


@pytest.fixture
async def stored() -> FakeClaims:
    """Claims of an account and of an external id."""
    claims = FakeClaims()
    await claims.claim_accounts(SERVER, {ACCOUNT: ONE, UNREAD: TWO})
    await claims.claim_external_ids(SERVER, {"1": ONE})
    return claims


@pytest.fixture
def people() -> RehearsedPeople:
    """The employees of the rehearsal."""
    return RehearsedPeople(CONNECTION)


@pytest.fixture
async def claims(stored: FakeClaims, people: RehearsedPeople) -> RehearsedClaims:
    """Claims that were read ahead, and have another owner in the database since."""
    rehearsed = RehearsedClaims(stored, people)
    await rehearsed.read_ahead(SERVER, [ACCOUNT, FREE], ["1", "2"])
    stored.content = dict.fromkeys(stored.content, TWO)
    await stored.claim_accounts(SERVER, {FREE: TWO})
    return rehearsed


async def test_claims_that_were_read_ahead_are_not_asked_for(claims: RehearsedClaims) -> None:
    """An account without an owner is known as well."""
    assert await claims.find_owner(SERVER, ACCOUNT) == ONE
    assert await claims.find_owner(SERVER, FREE) is None
    assert await claims.find_external_id_owner(SERVER, "1") == ONE
    assert await claims.find_external_id_owner(SERVER, "2") is None
    assert await claims.find_owner(SERVER, UNREAD) == TWO


async def test_owner_in_the_rehearsal_has_precedence(claims: RehearsedClaims, people: RehearsedPeople) -> None:
    """What was read ahead is the state before the rehearsal."""
    people.note_account(SERVER, FREE, TWO)

    assert await claims.find_owner(SERVER, FREE) == TWO
    assert await claims.claim_external_id(SERVER, "2", TWO) is True
    assert await claims.find_external_id_owner(SERVER, "2") == TWO
    assert await claims.claim_external_id(SERVER, "1", TWO) is False


async def test_decisions_are_read_once_for_many_employees() -> None:
    """Other employees are asked for."""
    stored = CountedLinks()
    await stored.ask([DECISION])
    links = RehearsedLinks(stored)

    await links.read_ahead([ONE, TWO])
    found = [await links.read([ONE]), await links.read([TWO])]

    assert found == [{(ONE, ACCOUNT): DECISION}, {}]
    assert stored.reads == 1
    assert await links.read([make_person("3")]) == {}
    assert stored.reads == 2


async def test_damaged_decision_concerns_its_employee_alone() -> None:
    """All employees of the chunk are asked for one after the other."""
    stored = CountedLinks()
    await stored.ask([DECISION])
    stored.is_damaged = True
    links = RehearsedLinks(stored)

    await links.read_ahead([ONE, TWO])

    assert await links.read([ONE]) == {(ONE, ACCOUNT): DECISION}
    assert await links.read([TWO]) == {}
