"""Creates of an earlier writer that were not noted: they are found again, and lead to no other person's account."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from sandbox.declaree.late import land_all
from services.contracts.outcomes import Intent, Outcome
from tests.support.builders import make_request, make_request_with_intent, reports_to
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company, make_leaver

TYPO, ADA = "typo@nordlicht.example", "ada@nordlicht.example"
HAND_MADE: dict[str, Any] = {"active": True, "name": {"givenName": "Ada", "familyName": "Lovelace"}}
PAYROLL: dict[str, Any] = {"externalId": "7", "name": {"givenName": "Grace", "familyName": "Hopper"}}


async def crash_in_create(stage: WriterStage, *, has_landed: bool) -> None:
    """Lets a writer crash after it has sent a create, and delivers its records again."""
    stage.declaree.faults.order(Fault(kind="late", method="POST", status=504))
    await stage.crash_before_ledger(make_request("7", user_name=TYPO))
    stage.offset = 0
    if has_landed:
        land_all(stage.declaree)


async def land_and_look(company: Company) -> None:
    """Carries out the postponed writes, and lets the time of the looks pass."""
    land_all(company.stage.declaree)
    await company.pass_time()
    await company.pass_time()


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
@pytest.mark.parametrize("has_landed", [True, False])
@pytest.mark.parametrize("is_unique", [True, False])
async def test_corrected_address_after_crash_is_one_account(
    company: Company, external_id: Any, *, has_landed: bool, is_unique: bool
) -> None:
    """A writer crashes after a create, and the next one gets a corrected address in the same batch: one account."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id, unique_user_names=is_unique)
    await crash_in_create(stage, has_landed=has_landed)

    await company.settle(make_request("7", user_name=TYPO), make_request("7", 2_000, user_name=ADA))
    await land_and_look(company)

    assert [user.resource["userName"] for user in stage.declaree.directory.users.values()] == [ADA]
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P9")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
@pytest.mark.parametrize("has_landed", [True, False])
async def test_leaver_after_crash_is_disabled(company: Company, external_id: Any, *, has_landed: bool) -> None:
    """A writer crashes after a create, and the next one gets the departure in the same batch: the account is disabled."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id)
    await crash_in_create(stage, has_landed=has_landed)

    await company.settle(make_request("7", user_name=TYPO), make_leaver("7", user_name=TYPO))
    await land_and_look(company)

    assert [user.resource["active"] for user in stage.declaree.directory.users.values()] == [False]


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("address", "content"), [(ADA, HAND_MADE), ("grace@nordlicht.example", PAYROLL)], ids=["by hand", "payroll"]
)
async def test_resend_after_crash_adopts_no_stranger(company: Company, address: str, content: dict[str, Any]) -> None:
    """A crash never makes an older account the employee's: not at once, and not with a later resend."""
    stage = company.stage
    account = stage.add_account(address, **content)
    user = replace(stage.declaree.directory.users[account], created="2020-01-01T00:00:00.000Z")
    stage.declaree.directory.put(user)
    request = make_request("7", user_name=ADA)
    await stage.crash_before_ledger(request)
    stage.offset = 0
    await company.settle(request)

    assert await company.resend("7") == {"7": Outcome.REJECTED}
    await company.pass_time()
    assert await company.resend("7") == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users == {account: user}
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]


@pytest.mark.promise("P2")
@pytest.mark.parametrize("intent", [Intent.IGNORE, Intent.REJECT])
async def test_account_of_absent_manager_is_found(company: Company, intent: Intent) -> None:
    """A create lands after its employee went on leave: the due look finds the account, and the reports name it as manager."""
    stage = company.stage
    stage.declaree.faults.order(Fault(kind="late", method="POST", status=504))
    await company.settle(make_request("9"))
    await company.settle(make_request_with_intent(intent, "9", 2_000))
    await company.settle(make_request("7", manager=reports_to("9")))
    before = stage.list_calls()

    await land_and_look(company)

    account = stage.get_account("9")
    entry = await stage.get_entry("9")
    assert entry.account_id == account["id"]
    assert entry.attempted_names == ()
    assert entry.decided is not None
    assert entry.decided.outcome is (Outcome.REJECTED if intent is Intent.REJECT else Outcome.OUT_OF_SCOPE)
    assert stage.get_manager("7") == account["id"]
    assert ("PATCH", f"/Users/{account['id']}") not in stage.list_calls()[len(before) :]


@pytest.mark.promise("P5")
async def test_search_for_absent_employee_takes_no_stranger(company: Company) -> None:
    """An account by hand that contradicts the create is neither linked nor asked about: the employee needs none now."""
    stage = company.stage
    stage.declaree.faults.order(Fault(kind="late", method="POST", status=504))
    await company.settle(make_request("7", user_name=ADA))
    stage.declaree.late_writes.clear()
    account = stage.add_account(ADA, **HAND_MADE | {"roles": [{"value": "admin"}]})
    await company.settle(make_request_with_intent(Intent.IGNORE, "7", 2_000))

    await company.pass_time()

    entry = await stage.get_entry("7")
    assert entry.account_id is None
    assert entry.waiting is None
    assert entry.verify is False
    assert await company.list_open_decisions() == []
    assert list(stage.declaree.directory.users) == [account]
