"""The policy ``by_email`` links harmless accounts alone; an administrator decides about every other account."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Outcome
from tests.support.builders import CONNECTION, make_request
from tests.support.fakes import CrashError, Crashes
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company

SHARED = "ada@nordlicht.example"
HARMLESS: dict[str, Any] = {"active": True, "name": {"givenName": "Ada", "familyName": "Lovelace"}}


def set_policy(stage: WriterStage, policy: LinkPolicy) -> None:
    """Switches the policy of the connection."""
    connections = stage.connections.connections
    connections[CONNECTION] = connections[CONNECTION].model_copy(update={"link_policy": policy})


@pytest.mark.parametrize(
    "name",
    [
        {"givenName": "Ada", "familyName": "Lovelace"},
        {"givenName": "ADA", "familyName": "Byron"},
        {"givenName": "A.", "familyName": " lovelace "},
    ],
)
async def test_policy_links_harmless_account(company: Company, name: dict[str, str]) -> None:
    """An enabled account without external id and role is linked if the first or the last name fits."""
    set_policy(company.stage, LinkPolicy.BY_EMAIL)
    account = company.stage.add_account(SHARED, **HARMLESS | {"name": name})

    assert await company.settle(make_request(user_name=SHARED)) == {"7": Outcome.LINKED}
    assert company.stage.get_account()["id"] == account


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "difference",
    [
        {"active": False},
        {"externalId": "payroll-1029"},
        {"roles": [{"value": "admin"}]},
        {"name": {"givenName": "Grace", "familyName": "Hopper"}},
    ],
    ids=lambda difference: next(iter(difference)),
)
async def test_policy_leaves_other_account_alone(company: Company, difference: dict[str, Any]) -> None:
    """A disabled, foreign or privileged account, or one with another name, is asked about in spite of the policy."""
    stage = company.stage
    set_policy(stage, LinkPolicy.BY_EMAIL)
    account = stage.add_account(SHARED, **HARMLESS | difference)
    before = stage.declaree.directory.users[account].resource

    assert await company.settle(make_request(user_name=SHARED)) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account].resource == before
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]


@pytest.mark.promise("P5")
async def test_policy_links_no_look_alike_address(company: Company) -> None:
    """The server takes ``ſ`` for ``s``, so that it finds the account of another person: the policy does not link it."""
    set_policy(company.stage, LinkPolicy.BY_EMAIL)
    account = company.stage.add_account("boss@nordlicht.example", **HARMLESS)

    assert await company.settle(make_request(user_name="boſs@nordlicht.example")) == {"7": Outcome.REJECTED}
    assert "externalId" not in company.stage.declaree.directory.users[account].resource


@pytest.mark.promise("P5")
async def test_policy_ask_links_nothing(company: Company) -> None:
    """Without the policy, a harmless account is asked about as well."""
    account = company.stage.add_account(SHARED, **HARMLESS)

    assert await company.settle(make_request(user_name=SHARED)) == {"7": Outcome.REJECTED}
    assert "externalId" not in company.stage.declaree.directory.users[account].resource


@pytest.mark.promise("P5")
async def test_policy_gives_one_account_to_one_employee(company: Company) -> None:
    """Of two employees that enter the same address, the first has the account, and the second is rejected."""
    set_policy(company.stage, LinkPolicy.BY_EMAIL)
    account = company.stage.add_account(SHARED, **HARMLESS)

    outcomes = await company.settle(make_request("7", user_name=SHARED), make_request("8", user_name=SHARED))

    assert sorted(outcomes.values()) == [Outcome.LINKED, Outcome.REJECTED]
    assert list(company.stage.declaree.directory.users) == [account]


# ---------------------------------------------------------------- after a crash or a lost answer


@pytest.mark.promise("P5")
@pytest.mark.parametrize("difference", [{"active": False}, {"roles": [{"value": "admin"}]}], ids=["disabled", "admin"])
async def test_crash_adopts_no_hand_made_account(company: Company, difference: dict[str, Any]) -> None:
    """An earlier writer may have sent a create, but an account that no create makes is still asked about."""
    stage = company.stage
    account = stage.add_account(SHARED, **HARMLESS | difference)
    before = stage.declaree.directory.users[account].resource
    request = make_request(user_name=SHARED)
    await stage.crash_before_ledger(request)
    stage.offset = 0

    assert await company.settle(request) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account].resource == before


@pytest.mark.promise("P5")
async def test_crash_adopts_no_older_account(company: Company) -> None:
    """An account that is older than the request was not made by an earlier writer, even with the same names."""
    stage = company.stage
    account = stage.add_account(SHARED, **HARMLESS)
    entry = replace(stage.declaree.directory.users[account], created="2020-01-01T00:00:00.000Z")
    stage.declaree.directory.put(entry)
    request = make_request(user_name=SHARED)
    await stage.crash_before_ledger(request)
    stage.offset = 0

    assert await company.settle(request) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account] == entry


@pytest.mark.promise("P4")
async def test_crash_after_create_finds_account_by_name(company: Company) -> None:
    """On a server without external ids, the account of the earlier writer is recognised by name and age."""
    stage = company.stage
    stage.change_behaviour(external_id="ignored")
    request, claims = make_request(user_name=SHARED), stage.claims
    stage.claims = Crashes(at=0).wrap(claims, ["claim_accounts"])
    with pytest.raises(CrashError):
        await stage.handle(request)
    stage.claims, stage.offset = claims, 0
    stage.restart()

    assert await company.settle(request) == {"7": Outcome.LINKED}
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.promise("P5")
async def test_lost_create_adopts_no_admin_account(company: Company) -> None:
    """An administrator makes an account with the address after the create without an answer: it is asked about."""
    stage = company.stage
    stage.declaree.faults.order(Fault(kind="late", method="POST", status=504))
    await company.settle(make_request(user_name=SHARED))
    account = stage.add_account(SHARED, **HARMLESS | {"roles": [{"value": "admin"}]})

    await company.pass_time()

    assert stage.declaree.directory.users[account].resource.get("externalId") is None
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]
