"""Accounts of employees that have left: for the same person under a new employee id, or handed over by a decision."""

from typing import Any

import pytest

from services.contracts.claims import Decision
from services.contracts.events import AccountRequested
from services.contracts.outcomes import Outcome
from tests.support.builders import make_request
from tests.support.fakes import CrashError, Crashes
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver

ADDRESS = "ada@nordlicht.example"
GRACE: dict[str, Any] = {"fields": {"name.givenName": "Grace", "name.familyName": "Hopper"}}


def hire(employee: str, revision: int = 1_000, **changes: Any) -> AccountRequested:
    """Returns a request for an employee with the address of this module."""
    return make_request(employee, revision, user_name=ADDRESS, **changes)


def leave(employee: str, revision: int = 2_000, **identity: Any) -> AccountRequested:
    """Returns a request to disable the account of an employee with this address."""
    return make_leaver(employee, revision, **{"user_name": ADDRESS, **identity})


@pytest.fixture
async def former(company: Company) -> str:
    """The disabled account of employee 7, which has left."""
    await company.settle(hire("7"))
    account: str = company.stage.get_account("7")["id"]
    await company.settle(leave("7"))
    return account


async def ensure_former_touches_nothing(company: Company, account: str) -> None:
    """Resends, verifies and maps the former employee 7 again: the account of employee 8 must stay as it is."""
    users = company.stage.declaree.directory.users
    before = users[account].resource
    assert before["active"] is True
    await company.resend("7")
    assert users[account].resource == before
    await company.stage.store.ledger.mark_verify([leave("7").person])
    await company.resend("7")
    assert users[account].resource == before
    await company.settle(leave("7").model_copy(update={"mapping_version": 4}))
    assert users[account].resource == before
    await company.pass_time(90_000)
    assert users[account].resource == before


# ---------------------------------------------------------------- a re-hire


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
async def test_rehire_takes_its_former_account(company: Company, former: str, external_id: Any) -> None:
    """The same person under a new employee id gets the former account, which the old employee id never touches again."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id)

    outcomes = await company.settle(hire("8", 3_000))

    assert outcomes["8"] in {Outcome.LINKED, Outcome.INCOMPLETE}
    assert list(stage.declaree.directory.users) == [former]
    assert stage.declaree.directory.users[former].resource["active"] is True
    assert (await stage.get_entry("7")).account_id is None
    assert (await stage.get_entry("8")).account_id == former

    await ensure_former_touches_nothing(company, former)


@pytest.mark.promise("P9")
@pytest.mark.parametrize("is_verified", [True, False])
async def test_rehire_with_immutable_external_id(company: Company, former: str, is_verified: bool) -> None:
    """The account keeps the external id of the former employee id, and belongs to the new one, also when that leaves."""
    stage = company.stage
    stage.change_behaviour(immutable_attributes=("externalId",))
    await company.settle(hire("8", 3_000))
    await ensure_former_touches_nothing(company, former)
    decided = (await stage.get_entry("7")).decided
    assert decided is not None
    assert decided.outcome is Outcome.OUT_OF_SCOPE

    if is_verified:
        await stage.store.ledger.mark_verify([hire("8").person])
    outcomes = await company.settle(leave("8", 4_000))

    assert outcomes == {"8": Outcome.DISABLED}
    assert stage.declaree.directory.users[former].resource["active"] is False


@pytest.mark.promise("P4")
@pytest.mark.promise("P9")
async def test_rehire_that_leaves_again_is_disabled(company: Company, former: str) -> None:
    """The account follows the new employee id, also out of the company."""
    await company.settle(hire("8", 3_000))

    assert await company.settle(leave("8", 4_000)) == {"8": Outcome.DISABLED}
    assert company.stage.declaree.directory.users[former].resource["active"] is False


@pytest.mark.promise("P5")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
async def test_crash_in_takeover_keeps_former_away(company: Company, former: str, external_id: Any) -> None:
    """A crash between the new claim and the former entry leaves an entry that still names the account."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id)
    ledger: Any = stage.ledger
    stage.ledger = Crashes(at=0).wrap(ledger, ["release_account"])
    stage.restart()
    request = hire("8", 3_000)
    company.newest[request.person] = request
    with pytest.RaisesGroup(CrashError):
        await stage.handle(request)
    stage.ledger = ledger
    stage.restart()
    stage.offset -= 1

    await company.settle(request)

    assert stage.declaree.directory.users[former].resource["active"] is True

    await ensure_former_touches_nothing(company, former)


@pytest.mark.promise("P4")
async def test_rehire_before_departure_is_settled_after_it(company: Company) -> None:
    """The hire comes before the departure of the former employee id: it is settled as soon as that is."""
    stage = company.stage
    await company.settle(hire("7"))

    assert await company.settle(hire("8", 2_000)) == {"8": Outcome.REJECTED}
    assert await company.settle(leave("7", 2_500)) == {"7": Outcome.DISABLED, "8": Outcome.LINKED}
    assert len(stage.declaree.directory.users) == 1
    assert stage.get_account("8")["active"] is True


@pytest.mark.promise("P5")
async def test_namesake_of_active_colleague_takes_nothing(company: Company) -> None:
    """An employee with the address and the names of a colleague that has not left is rejected."""
    await company.settle(hire("7"))
    before = company.stage.get_account("7")

    assert await company.settle(hire("8", 2_000)) == {"8": Outcome.REJECTED}
    assert await company.resend("8") == {"8": Outcome.REJECTED}
    assert company.stage.get_account("7") == before
    assert await company.list_open_decisions() == []


# ---------------------------------------------------------------- a hand-over


@pytest.mark.promise("P5")
async def test_mailbox_of_leaver_is_asked_about(company: Company, former: str) -> None:
    """Another person with the leaver's address does not get the account, and a decision is asked for."""
    stage = company.stage
    before = stage.declaree.directory.users[former]

    (outcome,) = await company.settle_all(hire("8", 3_000, **GRACE))

    (asked,) = await company.list_open_decisions()
    assert outcome.outcome is Outcome.REJECTED
    assert "links hand-over" in (outcome.reason or "")
    assert asked.account_id == former
    assert asked.is_held_by_leaver is True
    assert stage.declaree.directory.users == {former: before}


@pytest.mark.promise("P5")
async def test_handed_over_account_has_the_new_owner(company: Company, former: str) -> None:
    """After the decision, the account is the new employee's, and the leaver never touches it again."""
    stage = company.stage
    await company.settle(hire("8", 3_000, **GRACE))
    await company.decide("8", former, Decision.HAND_OVER)

    assert await company.resend("8") == {"8": Outcome.LINKED}
    assert stage.get_account("8")["name"] == {"givenName": "Grace", "familyName": "Hopper"}
    assert list(stage.declaree.directory.users) == [former]

    await ensure_former_touches_nothing(company, former)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("decision", [Decision.HAND_OVER, Decision.LINK])
async def test_old_decision_takes_nothing_from_a_returner(company: Company, former: str, decision: Decision) -> None:
    """The leaver is back before the decision is carried out: the account stays the leaver's."""
    stage = company.stage
    await company.settle(hire("8", 3_000, **GRACE))
    await company.decide("8", former, decision)
    await company.settle(hire("7", 4_000))
    before = stage.get_account("7")

    assert await company.resend("8") == {"8": Outcome.REJECTED}
    assert stage.get_account("7") == before
    assert before["active"] is True


@pytest.mark.promise("P5")
async def test_link_decision_takes_nothing_from_a_later_owner(company: Company) -> None:
    """Two employees are asked about one account, and both decisions are to link: the first one has it."""
    stage = company.stage
    account = stage.add_account(ADDRESS, active=True)
    await company.settle(hire("7"), hire("8", **GRACE))
    for employee in "78":
        await company.decide(employee, account, Decision.LINK)

    await company.resend("7")

    assert await company.resend("8") == {"8": Outcome.REJECTED}
    assert stage.get_account("7")["id"] == account


@pytest.mark.promise("P5")
async def test_employee_with_account_gets_no_second_one(company: Company, former: str) -> None:
    """An employee with an account that takes a leaver's address over keeps the own account: nothing is handed over."""
    stage = company.stage
    await company.settle(make_request("8"))
    own = stage.get_account("8")["id"]

    (outcome,) = await company.settle_all(hire("8", 3_000))

    assert outcome.outcome is Outcome.REJECTED
    assert "give it another address in Declaree" in (outcome.reason or "")
    assert await company.list_open_decisions() == []
    assert (await stage.get_entry("8")).account_id == own


def free_by_hand(stage: WriterStage, account: str) -> None:
    """Gives an account another address, as an administrator of Declaree does."""
    user = stage.declaree.directory.users[account]
    body = user.resource | {"userName": "old@x.example", "emails": [{"value": "old@x.example", "type": "work"}]}
    stage.declaree.registry.replace(user, body, stage.declaree.behaviour)


async def test_address_freed_by_hand_is_given_out(company: Company, former: str) -> None:
    """The leaver's account has another address now: the next resend of the new employee creates an account."""
    stage = company.stage
    await company.settle(hire("8", 3_000, **GRACE))
    free_by_hand(stage, former)

    assert await company.resend("8") == {"8": Outcome.CREATED}
    assert stage.declaree.directory.users[former].resource["active"] is False
