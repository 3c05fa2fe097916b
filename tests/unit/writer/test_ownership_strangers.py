"""Accounts made by hand: an e-mail address alone never gives the sync an account that an administrator made."""

from typing import Any

import pytest

from services.contracts.claims import Decision
from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Outcome
from tests.support.builders import CONNECTION, make_request
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver

BOSS = "boss@nordlicht.example"
ADMIN: dict[str, Any] = {
    "active": False,
    "roles": [{"value": "admin"}],
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
}


def read_account(stage: WriterStage, account: str) -> dict[str, Any]:
    """Returns the content of an account."""
    return stage.declaree.directory.users[account].resource


@pytest.mark.promise("P5")
async def test_hand_made_account_of_new_hire_is_asked_about(company: Company) -> None:
    """A disabled account with the e-mail address of a new employee stays as it is, and a decision is asked for."""
    stage = company.stage
    account = stage.add_account(BOSS, **ADMIN)
    before = read_account(stage, account)

    (outcome,) = await company.settle_all(make_request(user_name=BOSS))

    (asked,) = await company.list_open_decisions()
    assert outcome.outcome is Outcome.REJECTED
    assert "links accept" in (outcome.reason or "")
    assert asked.account_id == account
    assert asked.is_held_by_leaver is False
    assert read_account(stage, account) == before
    assert (await stage.get_entry()).account_id is None


@pytest.mark.promise("P5")
async def test_hand_made_account_survives_leaving(company: Company) -> None:
    """The employee of an account that was asked about leaves, and the account stays as it is."""
    stage = company.stage
    account = stage.add_account(BOSS, active=True)
    await company.settle(make_request(user_name=BOSS))
    before = read_account(stage, account)

    assert await company.settle(make_leaver(user_name=BOSS)) == {"7": Outcome.OUT_OF_SCOPE}
    assert read_account(stage, account) == before


async def test_accepted_account_is_linked_and_kept_in_step(company: Company) -> None:
    """After the decision to link, a resend links the account, and later changes and the end of employment reach it."""
    stage = company.stage
    account = stage.add_account(BOSS, **ADMIN)
    await company.settle(make_request(user_name=BOSS))
    await company.decide("7", account, Decision.LINK)

    assert await company.resend("7") == {"7": Outcome.LINKED}
    assert stage.get_account()["id"] == account
    assert stage.get_account()["active"] is True
    assert await company.list_open_decisions() == []

    await company.settle(make_request("7", 2_000, user_name=BOSS, **EVA))
    await company.settle(make_leaver(revision=3_000))

    assert stage.get_account()["name"]["givenName"] == "Eva"
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P5")
async def test_refused_account_is_left_alone_with_reason(company: Company) -> None:
    """After the decision to leave the account alone, every resend says so, and asks nothing."""
    stage = company.stage
    account = stage.add_account(BOSS, **ADMIN)
    before = read_account(stage, account)
    await company.settle(make_request(user_name=BOSS))
    await company.decide("7", account, Decision.LEAVE)

    (outcome,) = (await company.resend("7")).items()

    decided = (await stage.get_entry()).decided
    assert outcome == ("7", Outcome.REJECTED)
    assert decided is not None
    assert "decided to leave it alone" in (decided.reason or "")
    assert read_account(stage, account) == before
    assert await company.list_open_decisions() == []


@pytest.mark.promise("P5")
async def test_link_decision_counts_for_its_account_only(company: Company) -> None:
    """Another account that gets the address after the decision is asked about again."""
    stage = company.stage
    account = stage.add_account(BOSS, **ADMIN)
    await company.settle(make_request(user_name=BOSS))
    await company.decide("7", account, Decision.LINK)
    stage.declaree.directory.delete(stage.declaree.directory.users[account])
    other = stage.add_account(BOSS, **ADMIN)

    assert await company.resend("7") == {"7": Outcome.REJECTED}
    assert [asked.account_id for asked in await company.list_open_decisions()] == [other]
    assert read_account(stage, other)["active"] is False


@pytest.mark.promise("P5")
async def test_stranger_in_place_of_deleted_account_is_asked_about(company: Company) -> None:
    """An account made by hand is not adopted after the employee's own account was deleted."""
    stage = company.stage
    await company.settle(make_request(user_name=BOSS))
    stage.declaree.directory.delete(stage.declaree.directory.users[stage.get_account()["id"]])
    account = stage.add_account(BOSS, **ADMIN)
    before = read_account(stage, account)
    stage.clock.seconds += 3_600

    outcomes = await company.settle(make_request("7", 2_000, user_name=BOSS, **EVA))

    assert outcomes == {"7": Outcome.REJECTED}
    assert read_account(stage, account) == before
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]


@pytest.mark.promise("P5")
async def test_colleague_in_place_of_deleted_account_keeps_it(company: Company) -> None:
    """A colleague's account is not adopted by an employee with a deleted account."""
    stage = company.stage
    await company.settle(make_request("7", user_name=BOSS), make_request("8"))
    stage.declaree.directory.delete(stage.declaree.directory.users[stage.get_account("7")["id"]])
    await company.settle(make_request("8", 2_000, user_name=BOSS))
    before = stage.get_account("8")
    stage.clock.seconds += 3_600

    assert await company.settle(make_request("7", 3_000, user_name=BOSS, **EVA)) == {"7": Outcome.REJECTED}
    assert stage.get_account("8") == before
    assert await company.list_open_decisions() == []


@pytest.mark.promise("P5")
@pytest.mark.parametrize("policy", LinkPolicy)
@pytest.mark.parametrize("address", ["boſs@nordlicht.example", "BOSS@nordlicht.example"])
async def test_look_alike_address_takes_nothing_over(company: Company, address: str, policy: LinkPolicy) -> None:
    """An address that the server folds to that of a privileged account does not lead to this account."""
    stage = company.stage
    connections = stage.connections.connections
    connections[CONNECTION] = connections[CONNECTION].model_copy(update={"link_policy": policy})
    account = stage.add_account(BOSS, **ADMIN | {"active": True})
    before = read_account(stage, account)

    assert await company.settle(make_request(user_name=address)) == {"7": Outcome.REJECTED}
    assert await company.settle(make_leaver(user_name=address)) == {"7": Outcome.OUT_OF_SCOPE}
    assert read_account(stage, account) == before


@pytest.mark.promise("P5")
@pytest.mark.parametrize("policy", LinkPolicy)
async def test_changed_address_never_changes_the_account(company: Company, policy: LinkPolicy) -> None:
    """An employee with an account that enters the address of another account keeps the own one, with any policy."""
    stage = company.stage
    connections = stage.connections.connections
    connections[CONNECTION] = connections[CONNECTION].model_copy(update={"link_policy": policy})
    account = stage.add_account(BOSS, active=True, name={"givenName": "Ada", "familyName": "Lovelace"})
    before = read_account(stage, account)
    await company.settle(make_request())
    own = stage.get_account()["id"]

    outcomes = await company.settle(make_request("7", 2_000, user_name=BOSS, **EVA))

    assert outcomes == {"7": Outcome.REJECTED}
    assert await company.list_open_decisions() == []
    assert read_account(stage, account) == before
    assert stage.get_account()["id"] == own
    assert stage.get_account()["name"]["givenName"] == "Eva"
