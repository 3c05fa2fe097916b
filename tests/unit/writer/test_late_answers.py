"""Writes that a server carries out after they were given up: a due look finds them, and the newest data stays."""

from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from sandbox.declaree.late import land_all
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from tests.support.builders import make_request, make_request_with_intent
from tests.support.writer_stage import EVA, LATE_WRITE_SECONDS, ZOE, WriterStage
from tests.unit.writer.company import Company, land_after, make_leaver


def postpone(stage: WriterStage, method: str, status: int = 504, **more: Any) -> None:
    """Lets the server answer the next write with an error, and carry it out when the test says so."""
    stage.declaree.faults.order(Fault(kind="late", method=method, status=status, **more))


def name(family: str) -> dict[str, Any]:
    """Returns the fields of an employee with this last name."""
    return {"fields": {"name.givenName": "Ada", "name.familyName": family}}


def list_names(stage: WriterStage) -> list[str]:
    """Returns the last names of all accounts."""
    return [user.resource["name"]["familyName"] for user in stage.declaree.directory.users.values()]


@pytest.mark.promise("P2")
async def test_late_change_does_not_outlive_newer_one(company: Company) -> None:
    """The change to King is unanswered, Byron is settled, King lands: the due look writes Byron again."""
    stage = company.stage
    await company.settle(make_request("7"))
    postpone(stage, "PATCH")
    assert await company.settle(make_request("7", 2_000, **name("King"))) == {"7": Outcome.UPDATED}
    assert await company.settle(make_request("7", 3_000, **name("Byron"))) == {"7": Outcome.UPDATED}

    land_all(stage.declaree)

    assert list_names(stage) == ["King"]

    await company.pass_time()

    assert list_names(stage) == ["Byron"]
    assert (await stage.get_entry()).look_at is None


@pytest.mark.promise("P2")
async def test_look_is_due_after_the_last_late_write(company: Company) -> None:
    """A later unanswered write moves the due lookup: it happens when neither write can still land."""
    stage = company.stage
    await company.settle(make_request("7"))
    postpone(stage, "PATCH")
    await company.settle(make_request("7", 2_000, **name("King")))
    stage.clock.seconds += LATE_WRITE_SECONDS - 10
    postpone(stage, "PATCH")
    await company.settle(make_request("7", 3_000, **name("Byron")))
    await company.pass_time(20)

    assert (await stage.get_entry()).look_at is not None

    land_all(stage.declaree)
    await company.settle(make_request("7", 4_000, **name("Noel")))
    await company.pass_time()

    assert list_names(stage) == ["Noel"]


@pytest.mark.promise("P2")
async def test_unanswered_repair_is_looked_at_again(company: Company) -> None:
    """The write of the due look itself is unanswered: another look follows."""
    stage = company.stage
    await company.settle(make_request("7"))
    postpone(stage, "PATCH")
    await company.settle(make_request("7", 2_000, **name("King")))
    await company.settle(make_request("7", 3_000, **name("Byron")))
    land_all(stage.declaree)
    postpone(stage, "PATCH", count=None)

    await company.pass_time()
    stage.declaree.faults.clear()
    stage.declaree.late_writes.clear()
    await company.pass_time()
    await company.pass_time()

    assert list_names(stage) == ["Byron"]
    assert (await stage.get_entry()).look_at is None


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
@pytest.mark.parametrize("is_unique", [True, False])
async def test_late_create_with_corrected_address_is_one(company: Company, external_id: Any, is_unique: bool) -> None:
    """A create is unanswered, the e-mail address is corrected, and the create lands: one account, with the right one."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id, unique_user_names=is_unique)
    postpone(stage, "POST")
    assert await company.settle(make_request("7", user_name="typo@x.example")) == {}
    assert await company.settle(make_request("7", 2_000, user_name="ada@x.example")) == {"7": Outcome.SUPERSEDED}
    assert await stage.get_cause() is WaitingCause.UNANSWERED_CREATE

    land_all(stage.declaree)
    await company.pass_time()
    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    assert user.resource["userName"] == "ada@x.example"
    assert (await stage.get_entry()).account_id == user.id
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P4")
async def test_create_that_never_lands_is_repeated(company: Company) -> None:
    """The server never carries the create out: it is repeated once it no longer can, with the newest data."""
    stage = company.stage
    postpone(stage, "POST")
    await company.settle(make_request("7", user_name="typo@x.example"))
    await company.settle(make_request("7", 2_000, user_name="ada@x.example"))
    stage.declaree.late_writes.clear()

    await company.pass_time()
    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    assert user.resource["userName"] == "ada@x.example"


@pytest.mark.promise("P9")
@pytest.mark.parametrize("is_created", [True, False])
async def test_late_answer_enables_no_leaver(company: Company, is_created: bool) -> None:
    """A leaver that an unanswered write enables again, or creates, is disabled by the due look."""
    stage = company.stage
    if is_created:
        postpone(stage, "POST")
        await company.settle(make_request("7"))
    else:
        await company.settle(make_request("7"))
        await company.settle(make_leaver("7", 1_500))
        postpone(stage, "PATCH", count=1)
        await company.settle(make_request("7", 1_700))
    assert set((await company.settle(make_leaver("7"))).values()) <= {Outcome.DISABLED, Outcome.OUT_OF_SCOPE}

    land_all(stage.declaree)

    assert stage.get_account()["active"] is True

    await company.pass_time()

    assert stage.get_account()["active"] is False
    assert (await stage.get_entry()).look_at is None


@pytest.mark.promise("P9")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
async def test_leaver_created_late_under_first_address(company: Company, external_id: Any) -> None:
    """The unanswered create had an address that was corrected, and the employee left: the account is disabled."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id)
    postpone(stage, "POST")
    await company.settle(make_request("7", user_name="typo@x.example"))
    await company.settle(make_request("7", 1_500, user_name="ada@x.example"))
    await company.settle(make_leaver("7", user_name="ada@x.example"))
    land_all(stage.declaree)

    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    assert user.resource["active"] is False


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
@pytest.mark.parametrize("claims_unique_names", [True, False])
async def test_504_before_account_appears_makes_one(
    company: Company, external_id: Any, claims_unique_names: bool
) -> None:
    """A 504 comes after 0.5 s and the account after 5 s, on a server without unique names: there is one account.

    The schemas of many servers are those of the RFC, which say that user names are unique.
    """
    stage = company.stage
    stage.change_behaviour(unique_user_names=False, external_id=external_id, schemas=claims_unique_names)
    postpone(stage, "POST")
    await land_after(stage, 5)

    await company.settle(make_request("7"))
    await company.pass_time(2)
    await company.pass_time(4)
    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    assert (await stage.get_entry()).account_id == user.id
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P4")
@pytest.mark.parametrize("external_id", ["stored", "ignored"])
@pytest.mark.parametrize("intent", [Intent.IGNORE, Intent.REJECT])
async def test_late_account_of_employee_on_leave_is_known(company: Company, external_id: Any, intent: Intent) -> None:
    """A create is unanswered, and then the employee needs no account: the due look finds it, and leaves it as it is."""
    stage = company.stage
    stage.change_behaviour(external_id=external_id)
    postpone(stage, "POST")
    await company.settle(make_request("7"))
    outcomes = await company.settle(make_request_with_intent(intent, "7", 2_000))
    land_all(stage.declaree)
    written = len((await stage.get_server()).writes)

    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    entry = await stage.get_entry()
    assert entry.account_id == user.id
    assert entry.enabled is True
    assert entry.attempted is None
    assert entry.decided is not None
    assert {"7": entry.decided.outcome} == {"7": Outcome.OUT_OF_SCOPE} | outcomes
    assert len((await stage.get_server()).writes) == written


async def test_create_that_never_lands_is_forgotten_on_leave(company: Company) -> None:
    """The due look finds no account: nothing is left to look for."""
    stage = company.stage
    postpone(stage, "POST")
    await company.settle(make_request("7"))
    await company.settle(make_request_with_intent(Intent.IGNORE, "7", 2_000))
    stage.declaree.late_writes.clear()

    await company.pass_time()

    entry = await stage.get_entry()
    assert entry.account_id is None
    assert entry.attempted is None
    assert entry.look_at is None


@pytest.mark.promise("P4")
async def test_create_of_crashed_writer_is_looked_for_on_leave(company: Company) -> None:
    """A writer crashes after a create. The next one gets a request without an account in the same batch, and looks later."""
    stage = company.stage
    postpone(stage, "POST")
    older, newer = make_request("7"), make_request_with_intent(Intent.IGNORE, "7", 2_000)
    await stage.crash_before_ledger(older)
    stage.offset = 0
    await company.settle(older, newer)
    land_all(stage.declaree)

    await company.pass_time()

    (user,) = stage.declaree.directory.users.values()
    assert (await stage.get_entry()).account_id == user.id


@pytest.mark.promise("P4")
async def test_restart_forgets_no_unanswered_create(company: Company) -> None:
    """Another writer takes over while a create is unanswered: it creates no second account."""
    stage = company.stage
    stage.change_behaviour(unique_user_names=False)
    postpone(stage, "POST")
    await company.settle(make_request("7"))
    await stage.reset_endpoints()

    await company.resend("7")
    land_all(stage.declaree)
    await company.pass_time()

    assert len(stage.declaree.directory.users) == 1
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P4")
async def test_crash_forgets_no_unanswered_create(company: Company) -> None:
    """The writer crashes after an unanswered create, before the ledger: the redelivered record creates no second one."""
    stage = company.stage
    stage.change_behaviour(unique_user_names=False, schemas=False)
    postpone(stage, "POST")
    request = make_request("7")
    await stage.crash_before_ledger(request)
    stage.offset = 0

    await company.settle(request)
    land_all(stage.declaree)
    await company.pass_time()
    await company.pass_time()

    assert len(stage.declaree.directory.users) == 1
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P2")
async def test_late_change_of_crashed_writer_is_looked_for(company: Company) -> None:
    """A writer crashes after an unanswered change. The next one gets a newer change in the same batch, and looks the account up later."""
    stage = company.stage
    await company.settle(make_request("7"))
    postpone(stage, "PATCH")
    first = stage.offset
    older, newer = make_request("7", 2_000, **EVA), make_request("7", 3_000, **ZOE)
    await stage.crash_before_ledger(older)
    stage.offset = first
    await company.settle(older, newer)

    land_all(stage.declaree)

    assert stage.get_account()["name"]["givenName"] == "Eva"

    await company.pass_time()

    assert stage.get_account()["name"]["givenName"] == "Zoë"
