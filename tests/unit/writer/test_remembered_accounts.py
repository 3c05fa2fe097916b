"""The remembered account shows something else now: it is kept, asked about or given up, and never shared."""

from typing import Any

import pytest

from services.contracts.claims import ClaimKind, Decision
from services.contracts.outcomes import Outcome
from tests.support.builders import make_person, make_request
from tests.support.fakes import CrashError, Crashes
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver

ADDRESS = "ada@nordlicht.example"
UNKNOWN: dict[str, Any] = {
    "externalId": "mine",
    "userName": "me@private.example",
    "emails": [{"value": "me@private.example", "type": "work", "primary": True}],
    "name": {"givenName": "X", "familyName": "Y"},
}


def change(stage: WriterStage, **changes: Any) -> str:
    """Changes the account of employee 7 by hand, and returns its id."""
    account: str = stage.get_account("7")["id"]
    user = stage.declaree.directory.users[account]
    stage.declaree.registry.replace(user, user.resource | changes, stage.declaree.behaviour)
    return account


@pytest.mark.promise("P9")
async def test_leaver_with_changed_external_id_is_disabled(company: Company) -> None:
    """The leaver's account has another external id, as an administrator or the leaver may have entered it."""
    stage = company.stage
    await company.settle(make_request("7"))
    account = change(stage, externalId="mine")

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.declaree.directory.users[account].resource["active"] is False


@pytest.mark.promise("P4")
async def test_rename_with_changed_external_id_makes_no_second_account(company: Company) -> None:
    """The e-mail address changes after the external id was changed by hand: the account stays the employee's."""
    stage = company.stage
    await company.settle(make_request("7"))
    account = change(stage, externalId="mine")

    assert await company.settle(make_request("7", 2_000, user_name=ADDRESS)) == {"7": Outcome.UPDATED}
    assert list(stage.declaree.directory.users) == [account]
    assert stage.get_account("7")["userName"] == ADDRESS


@pytest.mark.promise("P9")
async def test_leaver_with_unknown_account_is_listed_until_decided(company: Company) -> None:
    """External id, address and names were changed: the leaver stays rejected, and is disabled after the decision."""
    stage = company.stage
    await company.settle(make_request("7"))
    account = change(stage, **UNKNOWN)

    assert await company.settle(make_leaver("7")) == {"7": Outcome.REJECTED}
    assert await company.resend("7") == {"7": Outcome.REJECTED}
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]

    await company.decide("7", account, Decision.LINK)

    assert await company.resend("7") == {"7": Outcome.DISABLED}
    assert stage.declaree.directory.users[account].resource["active"] is False


@pytest.mark.promise("P4")
async def test_employee_with_unknown_account_gets_no_second_one(company: Company) -> None:
    """External id, address and names were changed: no resend creates another account before the decision."""
    stage = company.stage
    await company.settle(make_request("7"))
    account = change(stage, **UNKNOWN)

    assert await company.settle(make_request("7", 2_000, **EVA)) == {"7": Outcome.REJECTED}
    assert await company.resend("7") == {"7": Outcome.REJECTED}
    assert list(stage.declaree.directory.users) == [account]


@pytest.mark.promise("P5")
async def test_returner_shares_no_account_that_was_taken_over(company: Company) -> None:
    """The former employee id is back before the interrupted takeover is completed: the account has one owner."""
    stage = company.stage
    await company.settle(make_request("7", user_name=ADDRESS))
    await company.settle(make_leaver("7", user_name=ADDRESS))
    former = stage.get_account("7")["id"]
    ledger: Any = stage.ledger
    stage.ledger = Crashes(at=0).wrap(ledger, ["release_account"])
    stage.restart()
    with pytest.RaisesGroup(CrashError):
        await stage.handle(make_request("8", 3_000, user_name=ADDRESS))
    stage.ledger = ledger
    stage.restart()
    before = stage.declaree.directory.users[former]

    outcomes = await company.settle(make_request("7", 4_000, user_name="e7@nordlicht.example", **EVA))

    assert outcomes == {"7": Outcome.REJECTED}, "the account still has the external id of 7"
    assert stage.declaree.directory.users[former] == before


@pytest.mark.expects_errors
@pytest.mark.promise("P1")
async def test_id_that_was_given_out_again_is_free(company: Company) -> None:
    """After a restore of Declaree, the id of a leaver's account is given to a new account: no old claim blocks it."""
    stage = company.stage
    await company.settle(make_request("7"))
    await company.settle(make_leaver("7"))
    account = stage.get_account("7")["id"]
    stage.delete_account("7")
    stage.clock.seconds += 7_200
    stage.declaree.directory.last_number = int(account) - 1

    assert await company.settle(make_request("8", 3_000)) == {}

    await stage.store.ledger.mark_verify([make_person("7")])
    await company.resend("7")
    await company.pass_time()
    await company.resend("8")

    assert (await stage.get_entry("8")).account_id == account
    assert (await stage.get_entry("7")).account_id is None
    owners = {key[2]: owner for key, owner in stage.claims.content.items() if key[0] is ClaimKind.ACCOUNT}
    assert owners == {account: make_person("8")}
    assert stage.get_account("8")["active"] is True
