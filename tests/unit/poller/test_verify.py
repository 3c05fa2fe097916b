"""Verifications of a company: twenty differences of every kind are found, and those that a resend repairs are repaired."""

import pytest

from services.contracts.drift import DriftKind
from services.contracts.ids import AccountId
from services.store.database import Store
from tests.support.builders import OTHER, make_person
from tests.support.planted_drift import EACH, add_company, plant
from tests.support.verify_stage import VerifyStage

ALWAYS = {
    DriftKind.LEAVER_ENABLED,
    DriftKind.MISSING,
    DriftKind.UNCREATED,
    DriftKind.UNSETTLED,
    DriftKind.UNKNOWN_TO_LEDGER,
}
"""What every verification repairs."""
ON_DEMAND = {DriftKind.EMPLOYEE_DISABLED, DriftKind.DIFFERENT}
"""What a verification repairs on demand."""
BY_PERSON = set(DriftKind) - ALWAYS - ON_DEMAND
"""What needs a person."""


@pytest.fixture
async def stage(store: Store) -> VerifyStage:
    """A company of 240 employees with right accounts."""
    stage = VerifyStage(store)
    await add_company(stage)
    return stage


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.promise("P9")
async def test_twenty_differences_of_each_kind_are_found(stage: VerifyStage, repair: bool) -> None:
    """Employees, accounts and fields are those that were planted; the repairable ones are resent, and no others."""
    planted = plant(stage)

    report = await stage.verify(repair=repair)

    repaired = ALWAYS | (ON_DEMAND if repair else set())
    resent = [finding for finding in planted if finding.kind in repaired]
    assert await stage.list_findings() == planted
    assert await stage.list_findings(repaired=True) == resent
    assert stage.resent == sorted(str(finding.employee) for finding in resent)
    assert report.counts == {
        "listed": len(stage.declaree.directory.users),
        **{kind.value: EACH for kind in DriftKind},
        "repaired": len(resent),
    }
    assert report.open_findings == len(planted) - len(resent)


async def test_requests_are_the_pages_of_the_list(stage: VerifyStage) -> None:
    """No account needs a request of its own."""
    plant(stage)

    await stage.verify()

    assert stage.accounts.pages == [1, 101, 201]
    assert len(stage.accounts.calls) == 3


async def test_second_run_after_the_repair_finds_the_rest(stage: VerifyStage) -> None:
    """What was repaired is right, and what needs a person is found again."""
    planted = plant(stage)
    await stage.verify(repair=True)
    await stage.settle_resent()
    stage.pass_time()

    await stage.verify("r2", repair=True)

    assert await stage.list_findings("r2") == [finding for finding in planted if finding.kind in BY_PERSON]
    assert stage.resent == []


async def test_right_accounts_are_not_reported(stage: VerifyStage) -> None:
    """The same holds for accounts of other systems and connections, and for disabled ones of unknown employees."""
    stage.writing.add_account("payroll@x.example", externalId="payroll-100")
    stage.writing.add_account("admin@x.example")
    other = stage.writing.add_account("other@x.example", externalId="100")
    stage.claim_for(AccountId(other), make_person("100", OTHER))
    stage.writing.add_account("gone@x.example", externalId="9000", active=False)

    report = await stage.verify(repair=True)

    assert report.counts == {"listed": 244}
    assert stage.resent == []
