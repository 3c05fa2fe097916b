"""E-mail addresses that several employees want: one account each, and a resend when an address becomes free."""

from dataclasses import replace

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import Outcome
from tests.support.builders import CONNECTION, make_request
from tests.support.writer_stage import WriterStage, summarize


async def test_blocked_employee_is_resent_when_address_is_free(stage: WriterStage) -> None:
    """An employee that was rejected for an address is resent when the other account gives it up."""
    await stage.handle(make_request("8", user_name="shared@x.example"))

    (outcome,) = await stage.handle(make_request("7", user_name="shared@x.example"))

    assert outcome.outcome is Outcome.REJECTED
    assert (await stage.get_entry()).blocked_by == stage.get_account("8")["id"]

    await stage.handle(make_request("8", 2_000, user_name="other@x.example"))

    assert stage.tasks.people == {"7"}

    outcomes = await stage.handle(make_request("7", user_name="shared@x.example"), reason=SendReason.RESENT)

    assert summarize(outcomes) == [("7", Outcome.CREATED)]
    assert (await stage.get_entry()).blocked_by is None


async def test_employee_blocked_again_is_left_to_next_poll(stage: WriterStage) -> None:
    """If the ledger and the server disagree about a name, resends at once would never end."""
    await stage.handle(make_request("8", user_name="theirs@x.example"))
    account = stage.declaree.directory.users[stage.get_account("8")["id"]]
    by_hand = {"userName": "shared@x.example", "emails": [{"type": "work", "value": "shared@x.example"}]}
    stage.declaree.directory.put(replace(account, resource={**account.resource, **by_hand}))
    request = make_request("7", user_name="shared@x.example")

    (outcome,) = await stage.handle(request)

    assert outcome.outcome == Outcome.REJECTED
    assert stage.tasks.people == {"7"}

    stage.tasks.filed.clear()
    (outcome,) = await stage.handle(request, reason=SendReason.RESENT)

    assert outcome.outcome == Outcome.REJECTED
    assert stage.tasks.filed == []
    assert await stage.store.followups.find_unblocked(CONNECTION) == ("7",)


@pytest.mark.promise("P4")
async def test_shared_address_gives_one_account(stage: WriterStage) -> None:
    """Of two employees with one address, one has the account and the other is rejected."""
    outcomes = await stage.handle(
        make_request("7", user_name="a@x.example"), make_request("8", user_name="A@x.example")
    )

    assert sorted(outcome.outcome for outcome in outcomes) == [Outcome.CREATED, Outcome.REJECTED]
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.promise("P5")
async def test_shared_address_without_external_ids_is_not_linked(stage: WriterStage) -> None:
    """A server without external ids does not lead to one account for two employees."""
    stage.change_behaviour(external_id="ignored")
    await stage.handle(make_request("7", user_name="a@x.example"))

    (outcome,) = await stage.handle(make_request("8", user_name="a@x.example"))

    assert outcome.outcome is Outcome.REJECTED
    assert (await stage.get_entry("8")).account_id is None


@pytest.mark.promise("P4")
@pytest.mark.promise("P5")
async def test_shared_address_in_one_batch_is_claimed_once(stage: WriterStage) -> None:
    """The second employee of the batch sees the first one's account before the ledger has it, and does not get it."""
    stage.change_behaviour(external_id="ignored")
    stage.restart(concurrency=1)

    outcomes = await stage.handle(
        make_request("7", user_name="a@x.example"), make_request("8", user_name="a@x.example")
    )

    assert summarize(outcomes) == [("7", Outcome.CREATED), ("8", Outcome.REJECTED)]
    assert (await stage.get_entry("8")).account_id is None


@pytest.mark.promise("P5")
async def test_unsent_address_leads_to_no_account(stage: WriterStage) -> None:
    """A wrong address that was never sent, because the key was wrong, does not link the colleague's account."""
    colleague = stage.add_account("info@x.example")
    stage.connect(key="wrong")

    assert await stage.handle(make_request(user_name="info@x.example")) == []

    stage.connect()
    outcomes = await stage.handle(make_request("7", 2_000, user_name="alice@x.example"))

    assert summarize(outcomes) == [("7", Outcome.SUPERSEDED), ("7", Outcome.CREATED)]
    assert stage.declaree.directory.users[colleague].resource["userName"] == "info@x.example"
