"""Managers: written before their reports where possible, and otherwise added by a resend."""

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.ids import EmployeeId
from services.contracts.ledger import ManagerLink
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.waiting import build_waiting
from tests.support.builders import make_entry, make_request, reports_to
from tests.support.fakes import CrashError, Crashes
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company


@pytest.mark.promise("W11")
async def test_manager_of_earlier_batch_is_written_at_once(stage: WriterStage) -> None:
    """A manager with an account is written with the report, without a resend."""
    await stage.handle(make_request("9"))

    (outcome,) = await stage.handle(make_request("7", manager=reports_to("9")))

    assert outcome.reason is None
    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert stage.tasks.filed == []


@pytest.mark.parametrize("order", ["679", "976", "796"])
async def test_managers_of_batch_precede_reports(stage: WriterStage, order: str) -> None:
    """Managers are written before their reports in any order of the batch, so each account is written once."""
    batch = {
        "6": make_request("6", manager=reports_to("7")),
        "7": make_request("7", manager=reports_to("9")),
        "9": make_request("9"),
    }

    await stage.handle(*(batch[key] for key in order))

    assert stage.get_manager("6") == stage.get_account("7")["id"]
    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert len((await stage.get_server()).writes) == 3
    assert stage.tasks.filed == []


async def test_reporting_cycle_and_absent_manager_do_not_wait(stage: WriterStage) -> None:
    """Employees in a reporting cycle, or with a manager outside the batch, are written at once."""
    managers = dict(zip("1234", "2311", strict=True))
    cycle = [make_request(key, manager=reports_to(manager)) for key, manager in managers.items()]

    outcomes = await stage.handle(*cycle, make_request("5", manager=reports_to("8")))

    assert {outcome.outcome for outcome in outcomes} == {Outcome.CREATED}

    await stage.handle(*cycle, reason=SendReason.RESENT)

    assert {key: stage.get_manager(key) for key in managers} == {
        key: stage.get_account(manager)["id"] for key, manager in managers.items()
    }


@pytest.mark.promise("W11")
async def test_report_is_resent_when_manager_gets_account(stage: WriterStage) -> None:
    """A report without its manager says so in the outcome, and is resent when the manager's account exists."""
    report = make_request("7", manager=reports_to("9"))

    (outcome,) = await stage.handle(report)

    assert outcome.outcome == Outcome.CREATED
    assert outcome.reason == "the manager has no account yet: the manager is written later"
    assert (await stage.get_entry()).has_open_reference is True
    assert stage.tasks.people == set()

    await stage.handle(make_request("9"))

    assert stage.tasks.people == {"7"}

    (outcome,) = await stage.handle(report, reason=SendReason.RESENT)

    assert outcome.outcome == Outcome.UPDATED
    assert outcome.written == ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",)
    assert stage.get_manager("7") == stage.get_account("9")["id"]


async def test_report_with_a_taken_address_gets_its_manager(company: Company) -> None:
    """Another account has the new address of a report: its manager's account, which comes later, is written."""
    stage = company.stage
    await company.settle(make_request("7"), make_request("8", user_name="taken@x.example"))
    outcomes = await company.settle(make_request("7", 2_000, user_name="taken@x.example", manager=reports_to("9")))

    assert outcomes == {"7": Outcome.REJECTED}

    await company.settle(make_request("9"))

    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert (await stage.get_entry("7")).has_open_reference is False


async def test_report_is_resent_when_manager_account_changes(stage: WriterStage) -> None:
    """A report gets the manager's new account after the old one was deleted."""
    await stage.handle(make_request("9"))
    await stage.handle(make_request("7", manager=reports_to("9")))
    stage.delete_account("9")

    await stage.handle(make_request("9", 2_000, **EVA))

    assert stage.tasks.people == {"7"}

    await stage.handle(make_request("7", manager=reports_to("9")), reason=SendReason.RESENT)

    assert stage.get_manager("7") == stage.get_account("9")["id"]


async def test_mutual_managers_are_both_written(stage: WriterStage) -> None:
    """Two employees that manage each other both get their manager by a resend."""
    batch = [make_request("7", manager=reports_to("9")), make_request("9", manager=reports_to("7"))]

    await stage.handle(*batch)
    await stage.handle(*batch, reason=SendReason.RESENT)

    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert stage.get_manager("9") == stage.get_account("7")["id"]


async def test_own_manager_is_left_out(stage: WriterStage) -> None:
    """An employee that is named as their own manager gets no manager, and the outcome says so."""
    (outcome,) = await stage.handle(make_request("7", manager=reports_to("7")))

    assert outcome.reason == "Personio names the employee as their own manager: the manager is left out"
    assert stage.get_manager("7") is None
    assert not (await stage.get_entry()).has_open_reference


@pytest.mark.promise("W11")
async def test_unknown_manager_clears_nothing(stage: WriterStage) -> None:
    """A manager without an account does not clear the manager that is written."""
    await stage.handle(make_request("9"))
    await stage.handle(make_request("7", manager=reports_to("9")))

    await stage.handle(make_request("7", 2_000, manager=reports_to("5")))

    assert stage.get_manager("7") == stage.get_account("9")["id"]


# ---------------------------------------------------------------- servers that refuse


async def test_report_waits_for_what_its_manager_waits_for(stage: WriterStage) -> None:
    """Under a refused key, no report says that its manager comes first. Each account is written once in the end."""
    requests = [
        make_request("9"),
        make_request("7", manager=reports_to("9")),
        make_request("6", manager=reports_to("7")),
    ]
    stage.connect(key="another-key")
    await stage.handle(*requests)

    assert [await stage.get_cause(key) for key in "679"] == [WaitingCause.KEY_REFUSED] * 3

    stage.connect()
    await stage.handle(*requests, reason=SendReason.RESENT)

    assert stage.get_manager("6") == stage.get_account("7")["id"]
    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert len((await stage.get_server()).writes) == 3


@pytest.mark.promise("P1")
async def test_pending_report_is_resent_after_a_crash(stage: WriterStage) -> None:
    """The writer ends after it has stored the manager's account, and before it files the resend of the report."""
    waiting = build_waiting(make_request("7"), WaitingCause.MANAGER_PENDING, stage.clock.now())
    link = ManagerLink(employee_id=EmployeeId("9"))
    await stage.ledger.write([make_entry("7", waiting=waiting, manager=link)])
    first, tasks = stage.offset, stage.tasks
    stage.tasks = Crashes(at=0).wrap(tasks, ["file"])
    stage.restart()
    with pytest.raises(CrashError):
        await stage.handle(make_request("9"))

    stage.tasks, stage.offset = tasks, first
    stage.restart()
    await stage.handle(make_request("9"))

    assert stage.tasks.people == {"7"}
