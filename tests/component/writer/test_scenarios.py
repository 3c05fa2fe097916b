"""The main scenarios of the writer on a real MongoDB; ``tests/unit/writer`` has all of them on a store in memory."""

import pytest

from services.contracts.cloudevents import SendReason, to_record
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.contracts.tasks import Resend
from services.errors import TransientError
from services.provisioning.calls import Call
from services.writer.handler import LostRaceError
from services.writer.wakeup import Wakeup
from tests.support.builders import CONNECTION, make_request, make_request_with_intent, reports_to
from tests.support.fakes import PlentyOfRoom
from tests.support.writer_stage import EVA, ZOE, WriterStage, summarize

pytestmark = pytest.mark.mongo


async def test_create_is_stored_and_published(stage: WriterStage) -> None:
    """The published outcome equals the one that MongoDB stores, to the millisecond."""
    (record,) = await stage.handle_records(make_request())

    entry = await stage.get_entry()
    assert entry.decided is not None
    assert record == to_record(entry.decided)
    assert entry.decided.outcome == Outcome.CREATED
    assert entry.account_id == stage.get_account()["id"]
    assert entry.seq == 1


@pytest.mark.promise("P3")
async def test_update_after_restart_reads_stored_entry(stage: WriterStage) -> None:
    """A restarted writer updates the account by the stored entry, and repeats the stored outcome."""
    await stage.handle(make_request())
    stage.restart()

    first = await stage.handle_records(make_request(revision=2_000, **EVA))
    calls = stage.list_calls()
    stage.restart()

    assert await stage.handle_records(make_request(revision=2_000, **EVA)) == first
    assert stage.list_calls() == calls
    assert stage.get_account()["name"]["givenName"] == "Eva"
    assert (await stage.get_entry()).seq == 2


@pytest.mark.promise("P9")
async def test_leaver_is_disabled_by_stored_entry(stage: WriterStage) -> None:
    """A leaver's account is found by the stored entry and disabled."""
    await stage.handle(make_request())
    stage.restart()

    assert summarize(await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))) == [
        ("7", Outcome.DISABLED)
    ]
    assert stage.get_account()["active"] is False
    assert (await stage.get_entry()).enabled is False


@pytest.mark.promise("P3")
async def test_batch_with_lost_race_is_settled_again(stage: WriterStage) -> None:
    """MongoDB's conditional write detects the other writer; the batch is settled again, and looks up the account."""
    await stage.handle(make_request("7"), make_request("8"))
    await stage.let_another_writer_win("7", 5_000)
    batch = [make_request("7", 2_000, **EVA), make_request("8", 2_000)]

    with pytest.raises(LostRaceError):
        await stage.handle(*batch)

    entry = await stage.get_entry("7")
    assert entry.verify is True
    assert entry.decided_version.revision == 5_000

    assert summarize(await stage.handle(*batch)) == [("7", Outcome.SUPERSEDED), ("8", Outcome.UNCHANGED)]

    (outcome,) = await stage.handle(make_request("7", 5_000, **ZOE), reason=SendReason.RESENT)

    assert outcome.outcome is Outcome.UPDATED
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert (await stage.get_entry()).verify is False


@pytest.mark.promise("P4")
async def test_crash_before_ledger_makes_no_second_account(stage: WriterStage) -> None:
    """A crash between Declaree and the ledger leads to no second account."""
    batch = [
        make_request("1", manager=reports_to("2")),
        make_request("2"),
        make_request("1", 2_000, manager=reports_to("2")),
    ]

    await stage.crash_before_ledger(*batch)

    assert await stage.store.ledger.read([request.person for request in batch]) == {}
    assert sorted(summarize(await stage.handle(*batch))) == [
        ("1", Outcome.LINKED),
        ("1", Outcome.SUPERSEDED),
        ("2", Outcome.LINKED),
    ]
    assert [method for method, _ in stage.list_calls() if method != "GET"] == ["POST", "POST"]


@pytest.mark.promise("W11")
async def test_report_is_found_when_manager_gets_account(stage: WriterStage) -> None:
    """MongoDB's query finds the reports that wait for a manager's account."""
    report = make_request("7", manager=reports_to("9"))
    await stage.handle(report)
    await stage.handle(make_request("9"))

    assert stage.tasks.people == {"7"}

    await stage.handle(report, reason=SendReason.RESENT)

    assert stage.get_manager("7") == stage.get_account("9")["id"]
    assert await stage.store.followups.find_resolvable_reports(CONNECTION) == ()


async def test_blocked_employee_is_found_when_address_is_free(stage: WriterStage) -> None:
    """MongoDB's query finds the employees that an account's new address unblocks."""
    await stage.handle(make_request("8", user_name="shared@x.example"))
    await stage.handle(make_request("7", user_name="shared@x.example"))

    assert stage.tasks.filed == []

    await stage.handle(make_request("8", 2_000, user_name="other@x.example"))

    assert stage.tasks.people == {"7"}


async def test_waiting_employee_is_counted_and_resent_once(stage: WriterStage) -> None:
    """The check finds waiting employees in MongoDB. What one writer has taken, another one does not take."""
    server = await stage.get_server()

    async def fail(_: Call) -> None:
        raise TransientError("down", retry_after=999)

    server.before = fail
    await stage.handle(make_request())
    wakeups = [
        Wakeup(
            room=PlentyOfRoom(stage.clock),
            followups=stage.store.followups,
            connections=stage.connections,
            tasks=stage.store.tasks,
            endpoints=stage.endpoints,
            freshness=stage.freshness,
            clock=stage.clock,
            interval=2,
            fatal=pytest.fail,
        )
        for _ in range(2)
    ]

    stage.clock.seconds += 5
    for wakeup in wakeups:
        await wakeup.check_waiting()

    tasks = await stage.store.tasks.list_open(CONNECTION)
    assert await stage.get_cause() == WaitingCause.UNEXPECTED
    assert [type(task.action) for task in tasks] == [Resend]
