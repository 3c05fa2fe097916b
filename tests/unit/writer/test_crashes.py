"""Crashes between two effects: a repetition completes what is missing, and makes no second account."""

from typing import Any

import pytest

from services.clients.declaree.errors import DeclareeUnavailableError
from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import Answer, Call, CreateAccount, Lost
from tests.support.builders import CONNECTION, make_person, make_request, reports_to
from tests.support.fakes import CrashError, Crashes, FiledTasks
from tests.support.writer_stage import EVA, ZOE, WriterStage, summarize
from tests.unit.writer.company import Company


@pytest.mark.promise("P4")
async def test_crash_before_ledger_makes_no_second_account(stage: WriterStage) -> None:
    """A crash after the accounts were created and before the ledger was written leads to no second write."""
    batch = [
        make_request("1", manager=reports_to("2")),
        make_request("2"),
        make_request("1", 2_000, manager=reports_to("2")),
    ]

    await stage.crash_before_ledger(*batch)

    assert sorted(summarize(await stage.handle(*batch))) == [
        ("1", Outcome.LINKED),
        ("1", Outcome.SUPERSEDED),
        ("2", Outcome.LINKED),
    ]
    assert stage.get_manager("1") == stage.get_account("2")["id"]
    assert [method for method, _ in stage.list_calls() if method != "GET"] == ["POST", "POST"]


@pytest.mark.promise("P1")
async def test_crash_before_resend_of_report_is_repaired_by_poll(stage: WriterStage) -> None:
    """The next poll finds a report if the writer crashed before it filed the resend."""
    await stage.handle(make_request("1", manager=reports_to("2")))
    stage.tasks = Crashes(at=0).wrap(FiledTasks(), ["file"])
    stage.restart()

    with pytest.raises(CrashError):
        await stage.handle(make_request("2"))

    stage.tasks = FiledTasks()
    stage.restart()
    await stage.handle(make_request("2"))

    assert await stage.store.followups.find_resolvable_reports(CONNECTION) == ("1",)


@pytest.mark.promise("P1")
async def test_crash_after_new_manager_account_is_repaired(stage: WriterStage) -> None:
    """The next poll finds a report with the manager's old account, and a resend writes the new one."""
    await stage.handle(make_request("9"))
    report = make_request("7", manager=reports_to("9"))
    await stage.handle(report)
    stage.delete_account("9")
    followups: Any = stage.followups
    stage.followups = Crashes(at=0).wrap(followups, ["find_waiting_reports"])
    stage.restart()

    with pytest.raises(CrashError):
        await stage.handle(make_request("9", 2_000, **EVA))

    stage.followups = followups
    stage.restart()
    await stage.handle(make_request("9", 2_000, **EVA))

    assert await stage.store.followups.find_resolvable_reports(CONNECTION) == ("7",)

    await stage.handle(report, reason=SendReason.RESENT)

    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert await stage.store.followups.find_resolvable_reports(CONNECTION) == ()


@pytest.mark.promise("P1")
async def test_crash_before_resend_of_blocked_is_repaired(stage: WriterStage) -> None:
    """The next poll finds an unblocked employee if the writer crashed before it filed the resend."""
    await stage.handle(make_request("8", user_name="shared@x.example"))
    await stage.handle(make_request("7", user_name="shared@x.example"))
    stage.tasks = Crashes(at=0).wrap(FiledTasks(), ["file"])
    stage.restart()

    with pytest.raises(CrashError):
        await stage.handle(make_request("8", 2_000, user_name="other@x.example"))

    assert await stage.store.followups.find_unblocked(CONNECTION) == ("7",)


@pytest.mark.promise("P1")
async def test_crash_after_temporary_address_is_repaired(stage: WriterStage) -> None:
    """The next poll finds the other employee of an exchange if the writer crashed before it filed the resend."""
    await stage.handle(make_request("7", user_name="seven@x.example"), make_request("8", user_name="eight@x.example"))
    await stage.handle(make_request("8", 2_000, user_name="seven@x.example"))
    stage.tasks = Crashes(at=0).wrap(FiledTasks(), ["file"])
    stage.restart()

    with pytest.raises(CrashError):
        await stage.handle(make_request("7", 2_000, user_name="eight@x.example"))

    stage.tasks = FiledTasks()
    stage.restart()
    await stage.handle(make_request("7", 2_000, user_name="eight@x.example"))

    assert await stage.store.followups.find_unblocked(CONNECTION) == ("8",)


# ---------------------------------------------------------------- lost answers


@pytest.mark.promise("P4")
async def test_lost_answer_to_create_makes_no_second_account(stage: WriterStage) -> None:
    """The account of a create without an answer is found before a second create."""
    server = await stage.get_server()

    async def lose_creates(call: Call, answer: Answer) -> Answer:
        return Lost() if isinstance(call, CreateAccount) else answer

    server.after = lose_creates

    assert summarize(await stage.handle(make_request())) == [("7", Outcome.CREATED)]
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
async def test_lost_create_and_new_address_make_no_second(stage: WriterStage, external_id: str) -> None:
    """A corrected address finds the account of a create without an answer, even without external ids."""
    stage.change_behaviour(external_id=external_id)
    server = await stage.get_server()

    async def fail_after_create(call: Call, answer: Answer) -> Answer:
        if isinstance(call, CreateAccount):
            server.before = fail
        return Lost() if isinstance(call, CreateAccount) else answer

    async def fail(_: Call) -> None:
        raise DeclareeUnavailableError("down")

    server.after = fail_after_create

    assert await stage.handle(make_request(user_name="typo@x.example")) == []
    assert (await stage.get_entry()).attempted_names == ("typo@x.example",)

    await stage.reset_endpoints()
    await stage.handle(make_request("7", 2_000, user_name="right@x.example"))

    (account,) = stage.declaree.directory.users.values()
    assert account.resource["userName"] == "right@x.example"
    assert (await stage.get_entry()).attempted_names == ()


@pytest.mark.promise("P2")
async def test_older_record_of_a_cut_range_is_not_written(company: Company) -> None:
    """A writer has sent the newest of two changes. Its successor gets the older one alone, which must not be written again."""
    stage = company.stage
    await company.settle(make_request("7"))
    first, older, newer = stage.offset, make_request("7", 2_000, **EVA), make_request("7", 3_000, **ZOE)
    await stage.crash_before_ledger(older, newer)
    stage.offset = first
    company.newest[newer.person] = newer

    assert await stage.handle(older) == []
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert await stage.get_cause() is WaitingCause.TAKEN_OVER

    outcomes = await company.settle(newer)

    assert outcomes == {"7": Outcome.UNCHANGED}
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert (await stage.get_entry()).waiting is None


async def test_employee_without_a_newer_record_is_resent(company: Company) -> None:
    """The later records of the range are of other employees: the background loop resends the one that waits."""
    stage = company.stage
    await stage.crash_before_ledger(make_request("7"), make_request("8"))
    stage.offset = 0
    company.newest[make_person("7")] = make_request("7")
    await stage.handle(make_request("7"))
    await company.settle(make_request("8"))

    await company.pass_time()

    assert (await stage.get_entry("7")).waiting is None
    assert len(stage.declaree.directory.users) == 2
