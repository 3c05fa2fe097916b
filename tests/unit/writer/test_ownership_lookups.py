"""Lookups that mislead: what a server shows is compared with what was asked for."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.cloudevents import SendReason
from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Outcome, WaitingCause
from tests.support.builders import CONNECTION, make_request
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver

PAYROLL: dict[str, Any] = {"externalId": "1029", "name": {"givenName": "Grace", "familyName": "Hopper"}}


@pytest.mark.promise("P5")
async def test_account_of_payroll_is_asked_about(company: Company) -> None:
    """An account of another system with the employee's external id, another name and another address is not touched."""
    stage = company.stage
    account = stage.add_account("grace@nordlicht.example", **PAYROLL)
    before = stage.declaree.directory.users[account]

    assert await company.settle(make_request("1029")) == {"1029": Outcome.REJECTED}
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]

    assert await company.settle(make_leaver("1029")) == {"1029": Outcome.REJECTED}
    assert list(stage.declaree.directory.users.values()) == [before]


@pytest.mark.parametrize(
    "mark",
    [{"userName": "e1029@nordlicht.example"}, {"name": {"givenName": "ada", "familyName": "Lovelace"}}],
    ids=["address", "name"],
)
async def test_own_account_is_found_without_ledger(company: Company, mark: dict[str, Any]) -> None:
    """An account with our external id is ours if the address fits, or both names do."""
    account = company.stage.add_account("grace@nordlicht.example", **PAYROLL | mark)

    assert await company.settle(make_request("1029")) == {"1029": Outcome.LINKED}
    assert company.stage.get_account("1029")["id"] == account


@pytest.mark.promise("P5")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_answer_with_other_account_is_not_believed(company: Company, method: str) -> None:
    """A look for one account that is answered with another changes the other account in no way."""
    stage = company.stage
    await company.settle(make_request("5"), make_request("7"))
    before, own = stage.get_account("7"), stage.get_account("5")["id"]
    fault = Fault(kind="other_account", method=method, path=f"/Users/{own}", account_id=before["id"], count=None)
    stage.declaree.faults.order(fault)

    await company.settle(make_request("5", 2_000, **EVA))

    assert stage.get_account("7") == before
    assert (await stage.get_entry("5")).account_id == own

    stage.declaree.faults.clear()
    await company.pass_time()

    assert stage.get_account("7") == before
    assert stage.get_account("5")["name"]["givenName"] == "Eva"


@pytest.mark.promise("P5")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_answer_with_stranger_is_not_believed(company: Company, method: str) -> None:
    """A look that is answered with an account made by hand, which nothing marks, does not change this account."""
    stage = company.stage
    stage.change_behaviour(external_id="ignored")
    await company.settle(make_request("5"))
    stranger = stage.add_account("boss@nordlicht.example")
    before, own = stage.declaree.directory.users[stranger], (await stage.get_entry("5")).account_id
    fault = Fault(kind="other_account", method=method, path=f"/Users/{own}", account_id=stranger, count=None)
    stage.declaree.faults.order(fault)

    await company.settle(make_request("5", 2_000, **EVA))
    await company.settle(make_leaver("5", 3_000))

    assert stage.declaree.directory.users[stranger] == before
    assert (await stage.get_entry("5")).account_id == own


@pytest.mark.promise("P5")
async def test_created_account_of_another_is_not_believed(company: Company) -> None:
    """A create that is answered with the account of another employee gives the new one no account."""
    stage = company.stage
    await company.settle(make_request("7"))
    before = stage.get_account("7")
    stage.declaree.faults.order(Fault(kind="other_account", method="POST", account_id=before["id"]))

    await company.settle(make_request("5"))
    await company.pass_time()

    assert stage.get_account("7") == before
    assert (await stage.get_entry("5")).account_id == stage.get_account("5")["id"]
    assert len(stage.declaree.directory.users) == 2


@pytest.mark.promise("P4")
@pytest.mark.parametrize("filters", ["basic", "ignored", "none"])
async def test_list_without_external_ids_finds_accounts(company: Company, filters: str) -> None:
    """A list that shows id, user name and ``meta`` alone leads to the right accounts, and to no second one."""
    stage = company.stage
    stage.change_behaviour(list_attributes=("userName", "meta"), filters=filters)
    await company.settle(make_request("5"), make_request("7"))
    before = stage.get_account("5"), stage.get_account("7")["id"]
    await company.lose_ledger()
    await stage.reset_endpoints()

    assert await company.settle(make_request("7", 2_000, **EVA)) == {"7": Outcome.LINKED}
    assert await company.settle(make_leaver("5")) == {"5": Outcome.DISABLED}
    assert stage.get_account("7")["id"] == before[1]
    assert stage.get_account("5") == {**before[0], "active": False}
    assert len(stage.declaree.directory.users) == 2


@pytest.mark.promise("P5")
async def test_list_without_external_ids_hides_no_stranger(company: Company) -> None:
    """An account of another system is not taken for one without external id because a list hides it."""
    stage = company.stage
    stage.change_behaviour(list_attributes=("userName", "meta", "active", "name"))
    connections = stage.connections.connections
    connections[CONNECTION] = connections[CONNECTION].model_copy(update={"link_policy": LinkPolicy.BY_EMAIL})
    account = stage.add_account(
        "e7@nordlicht.example", externalId="payroll-7", name={"givenName": "Ada", "familyName": "L"}
    )
    before = stage.declaree.directory.users[account]

    assert await company.settle(make_request("7")) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account] == before


async def test_account_listed_twice_is_one_account(company: Company) -> None:
    """An account that a list contains twice is one account, not an ambiguous pair."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.change_behaviour(repeat_first=True)
    await company.lose_ledger()
    await stage.reset_endpoints()

    assert await company.settle(make_request("7", 2_000, **EVA)) == {"7": Outcome.LINKED}
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.promise("P5")
async def test_two_accounts_with_one_external_id_are_not_guessed(company: Company) -> None:
    """Of two accounts with the employee's external id, neither is chosen, for a leaver either."""
    stage = company.stage
    accounts = [stage.add_account(f"{name}@x.example", externalId="7", active=True) for name in "ab"]

    assert await company.settle(make_request("7")) == {"7": Outcome.REJECTED}

    (outcome,) = await company.settle_all(make_leaver("7"))

    assert outcome.outcome is Outcome.REJECTED
    assert all(account in (outcome.reason or "") for account in accounts)
    assert len(stage.declaree.directory.users) == 2


@pytest.mark.promise("P5")
@pytest.mark.promise("P4")
@pytest.mark.parametrize("number", ["7", "120"])
async def test_ignored_filter_takes_no_first_account(company: Company, number: str) -> None:
    """A server that ignores filters shows the first 100 of 150 accounts, of which none is taken by mistake."""
    stage = company.stage
    for other in range(150):
        stage.add_account(
            f"e{other}@nordlicht.example", externalId=str(other), name={"givenName": "X", "familyName": "Y"}
        )
    stage.change_behaviour(filters="ignored")
    before = dict(stage.declaree.directory.users)

    assert await company.settle(make_request(number)) == {number: Outcome.LINKED}
    assert await company.settle(make_request("900")) == {"900": Outcome.CREATED}

    own = stage.get_account(number)["id"]
    untouched = {key: user for key, user in stage.declaree.directory.users.items() if key in before and key != own}
    assert untouched == {key: user for key, user in before.items() if key != own}
    assert len(stage.declaree.directory.users) == 151


@pytest.mark.promise("P5")
async def test_renamed_account_under_remembered_id_is_not_written(company: Company) -> None:
    """After a restore, the remembered id can lead to the account of another employee: it is not written."""
    stage = company.stage
    await company.settle(make_request("5"), make_request("7"))
    users = stage.declaree.directory.users
    five, seven = users[stage.get_account("5")["id"]], users[stage.get_account("7")["id"]]
    stage.declaree.directory.put(replace(five, resource=seven.resource))
    stage.declaree.directory.put(replace(seven, resource=five.resource))

    outcomes = await stage.handle(make_request("5", 2_000, **EVA), reason=SendReason.RESENT)

    assert [outcome.outcome for outcome in outcomes] != [Outcome.UPDATED]
    assert users[five.id].resource == seven.resource
    assert await _is_settled_or_listed(stage, "5")


async def _is_settled_or_listed(stage: WriterStage, employee: str) -> bool:
    entry = await stage.get_entry(employee)
    is_rejected = entry.decided is not None and entry.decided.outcome is Outcome.REJECTED
    return is_rejected or await stage.get_cause(employee) in set(WaitingCause)
