"""A decision counts for the account and the owner that it was made about, takes effect, and is asked for while it is needed."""

from typing import Any

import pytest

from services.contracts.claims import Decision
from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Outcome
from tests.support.builders import make_request
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver

ADDRESS = "office@nordlicht.example"
GRACE: dict[str, Any] = {"fields": {"name.givenName": "Grace", "name.familyName": "Hopper"}}
ALAN: dict[str, Any] = {"fields": {"name.givenName": "Alan", "name.familyName": "Turing"}}


def change(stage: WriterStage, account: str, **changes: Any) -> None:
    """Changes an account as an administrator of Declaree does."""
    user = stage.declaree.directory.users[account]
    stage.declaree.registry.replace(user, user.resource | changes, stage.declaree.behaviour)


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "changes",
    [
        {"roles": [{"value": "admin"}]},
        {"name": {"givenName": "Grace", "familyName": "Hopper"}},
        {"externalId": "payroll-99"},
        {"active": False},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_account_that_changes_after_decision_is_asked_again(company: Company, changes: dict[str, Any]) -> None:
    """An account gets a role, another name or another external id after the decision: it is not what was accepted."""
    stage = company.stage
    account = stage.add_account(ADDRESS, active=True)
    await company.settle(make_request("7", user_name=ADDRESS))
    await company.decide("7", account, Decision.LINK)
    change(stage, account, **changes)
    before = stage.declaree.directory.users[account]

    assert await company.resend("7") == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account] == before
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]

    await company.decide("7", account, Decision.LINK)

    assert await company.resend("7") == {"7": Outcome.LINKED}


@pytest.mark.promise("P5")
async def test_hand_over_counts_for_its_former_owner(company: Company) -> None:
    """The account has passed to another leaver since the decision: an administrator is asked again."""
    stage = company.stage
    await company.settle(make_request("7", user_name=ADDRESS))
    await company.settle(make_leaver("7", user_name=ADDRESS))
    account = stage.get_account("7")["id"]
    await company.settle(make_request("8", 3_000, user_name=ADDRESS, **GRACE))
    await company.decide("8", account, Decision.HAND_OVER)
    newest = company.newest.pop(make_request("8").person)
    await company.settle(make_request("9", 3_000, user_name=ADDRESS, **ALAN))
    await company.decide("9", account, Decision.HAND_OVER)
    await company.resend("9")
    await company.settle(make_leaver("9", 4_000, user_name=ADDRESS))
    before = stage.declaree.directory.users[account]

    outcomes = await company.settle(newest.model_copy(update={"revision": 5_000}))

    (asked,) = await company.list_open_decisions()
    assert outcomes["8"] is Outcome.REJECTED
    assert asked.employee_id == "8"
    assert asked.former_owner == "9"
    assert stage.declaree.directory.users[account] == before


@pytest.mark.promise("P5")
async def test_account_with_the_address_beside_its_user_name_is_linked(company: Company) -> None:
    """A conflict leads to an account with another user name and this e-mail address: the decision about it takes effect."""
    stage = company.stage
    account = stage.add_account("front-desk", emails=[{"value": ADDRESS, "type": "work", "primary": True}])
    assert await company.settle(make_request("7", user_name=ADDRESS)) == {"7": Outcome.REJECTED}
    await company.decide("7", account, Decision.LINK)

    assert await company.resend("7") == {"7": Outcome.LINKED}
    assert stage.get_account("7")["id"] == account
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.promise("P5")
async def test_policy_links_no_account_of_a_relative(company: Company) -> None:
    """A relative with the same last name may have the address as a second one: the policy leaves that account alone."""
    stage = company.stage
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    account = stage.add_account(
        "relative@nordlicht.example",
        emails=[{"value": ADDRESS, "type": "home"}],
        name={"givenName": "Eva", "familyName": "Lovelace"},
    )
    before = stage.declaree.directory.users[account]

    assert await company.settle(make_request("7", user_name=ADDRESS)) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users == {account: before}


@pytest.mark.parametrize("has_left", [False, True], ids=["other address", "departure"])
async def test_obsolete_question_is_withdrawn(company: Company, *, has_left: bool) -> None:
    """The employee no longer needs the account: no administrator is asked for a decision without an effect."""
    company.stage.add_account(ADDRESS)
    await company.settle(make_request("7", user_name=ADDRESS))
    assert len(await company.list_open_decisions()) == 1

    await company.settle(make_leaver("7") if has_left else make_request("7", 2_000))

    assert await company.list_open_decisions() == []


@pytest.mark.promise("P5")
async def test_question_about_another_account_replaces_the_first(company: Company) -> None:
    """The employee wants another address, and another account has it: the question about the first one is withdrawn."""
    stage = company.stage
    stage.add_account(ADDRESS)
    other = stage.add_account("desk@nordlicht.example")
    await company.settle(make_request("7", user_name=ADDRESS))

    await company.settle(make_request("7", 2_000, user_name="desk@nordlicht.example"))

    assert [asked.account_id for asked in await company.list_open_decisions()] == [other]


@pytest.mark.promise("P5")
async def test_crash_takes_no_account_that_was_left_alone(company: Company) -> None:
    """An administrator decided to leave a young account alone: a crash of the writer does not make it the employee's."""
    stage = company.stage
    account = stage.add_account(ADDRESS, active=True, name={"givenName": "Ada", "familyName": "Lovelace"})
    request = make_request("7", user_name=ADDRESS)
    await company.settle(request)
    await company.decide("7", account, Decision.LEAVE)
    before = stage.declaree.directory.users[account]
    again = request.model_copy(update={"revision": 2_000})
    await stage.crash_before_ledger(again)
    stage.offset -= 1

    assert await company.settle(again) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account] == before
