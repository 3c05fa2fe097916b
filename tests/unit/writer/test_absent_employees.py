"""Employees that Personio no longer lists: no resend, mapping or due look enables or provisions their accounts."""

from dataclasses import replace

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import Outcome
from tests.support.builders import CONNECTION, make_request, make_snapshot
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver


async def make_absent(stage: WriterStage, *employees: str) -> None:
    """Stores snapshots of employees that complete scans no longer list."""
    snapshots = [make_snapshot(employee) for employee in employees]
    await stage.store.snapshots.save([(snapshot, None) for snapshot in snapshots])
    await stage.store.snapshots.mark_absent(CONNECTION, [item.employee_id for item in snapshots], stage.clock.now())


def disable_by_hand(stage: WriterStage, employee: str = "7") -> None:
    """Disables the employee's account as an administrator of Declaree does."""
    user = stage.declaree.directory.users[stage.get_account(employee)["id"]]
    stage.declaree.directory.put(replace(user, resource=user.resource | {"active": False}))


@pytest.mark.promise("P9")
@pytest.mark.parametrize("is_marked", [True, False])
async def test_new_mapping_enables_no_absent_employee(company: Company, is_marked: bool) -> None:
    """Deleted in Personio, disabled by hand in Declaree, then a mapping with one more field: the account stays disabled."""
    stage = company.stage
    await company.settle(make_request("7"))
    await make_absent(stage, "7")
    disable_by_hand(stage)
    if is_marked:
        await stage.store.ledger.mark_verify([make_request("7").person])

    more = make_request("7", version=4, fields={"name.givenName": "Ada", "name.familyName": "Lovelace", "title": "Dr"})
    (outcome,) = await stage.handle(more, reason=SendReason.RESENT)

    assert outcome.outcome is Outcome.OUT_OF_SCOPE
    assert stage.get_account()["active"] is False
    assert "title" not in stage.get_account()


@pytest.mark.promise("P9")
async def test_absent_employee_gets_no_account(company: Company) -> None:
    """After a loss of the ledger, a resend of all employees creates no account for an absent employee, and links none."""
    stage = company.stage
    await company.settle(make_request("7"))
    disable_by_hand(stage)
    await make_absent(stage, "7", "8")
    await company.lose_ledger()
    calls = stage.list_calls()

    assert await company.settle(make_request("7"), make_request("8")) == {
        "7": Outcome.OUT_OF_SCOPE,
        "8": Outcome.OUT_OF_SCOPE,
    }
    assert stage.get_account("7")["active"] is False
    assert not stage.has_account("8")
    assert stage.list_calls() == calls


@pytest.mark.promise("P1")
async def test_waiting_change_of_absent_employee_ends(company: Company) -> None:
    """A change that waits when Personio stops to list the employee is settled, and is not written."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.declaree.faults.outage = True
    await company.settle(make_request("7", 2_000, **EVA))
    stage.declaree.faults.outage = False
    await make_absent(stage, "7")

    assert await company.pass_time() == {"7": Outcome.OUT_OF_SCOPE}
    assert stage.get_account()["name"]["givenName"] == "Ada"
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P9")
async def test_absent_leaver_is_disabled(company: Company) -> None:
    """A departure disables the account of an absent employee, also after a loss of the ledger."""
    stage = company.stage
    await company.settle(make_request("7"))
    await make_absent(stage, "7")
    await company.lose_ledger()

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


async def test_employee_listed_again_is_provisioned(company: Company) -> None:
    """Once Personio lists the employee again, a resend writes what a mapping has changed in the time between."""
    stage = company.stage
    await company.settle(make_request("7"))
    await make_absent(stage, "7")
    more = make_request("7", version=4, **EVA)
    await company.settle(more)
    await stage.store.snapshots.clear_absent(CONNECTION, [more.employee_id])

    assert await company.resend("7") == {"7": Outcome.UPDATED}
    assert stage.get_account()["name"]["givenName"] == "Eva"
