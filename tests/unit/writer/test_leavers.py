"""Leavers lose access, also after a loss or a restore of data, and after a refusal."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.claims import Decision
from services.contracts.cloudevents import SendReason
from services.contracts.outcomes import Outcome
from tests.support.builders import make_person, make_request
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver

ROLE: dict[str, Any] = {"roles": [{"value": "admin"}]}


def add_roles(stage: WriterStage, employee: str = "7") -> None:
    """Gives the employee's account a role by hand."""
    user = stage.declaree.directory.users[stage.get_account(employee)["id"]]
    stage.declaree.directory.put(replace(user, resource=user.resource | ROLE))


# ---------------------------------------------------------------- lost and restored data


@pytest.mark.promise("P9")
@pytest.mark.parametrize("with_claims", [True, False])
async def test_leaver_is_disabled_after_loss_of_ledger(company: Company, with_claims: bool) -> None:
    """After the ledger was lost, the account of a leaver is found by its external id and disabled."""
    stage = company.stage
    await company.settle(make_request("7"))
    await company.lose_ledger(with_claims=with_claims)
    await stage.reset_endpoints()

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
async def test_leaver_with_new_names_is_disabled_after_loss(company: Company) -> None:
    """The last name that Personio shows is not the account's, but the first one is: with a prefix, that is enough."""
    await company.settle(make_request("7", external_id="n-7"))
    await company.lose_ledger()

    leaver = make_leaver("7", external_id="n-7", family_name="Byron", user_name="ada.byron@nordlicht.example")

    assert await company.settle(leaver) == {"7": Outcome.DISABLED}
    assert company.stage.get_account("n-7")["active"] is False


@pytest.mark.promise("P9")
async def test_leaver_with_number_and_new_names_is_asked_about(company: Company) -> None:
    """Without a prefix, the account may be another system's: it is listed, and disabled after the decision."""
    await company.settle(make_request("7"))
    await company.lose_ledger()
    leaver = make_leaver("7", family_name="Byron", user_name="ada.byron@nordlicht.example")
    assert await company.settle(leaver) == {"7": Outcome.REJECTED}

    await company.decide("7", company.stage.get_account()["id"], Decision.LINK)

    assert await company.resend("7") == {"7": Outcome.DISABLED}
    assert company.stage.get_account()["active"] is False


@pytest.mark.promise("P5")
async def test_stranger_with_external_id_is_asked_about(company: Company) -> None:
    """After the ledger was lost, an account with the leaver's external id and other names is not disabled unasked."""
    stage = company.stage
    names = {"givenName": "Grace", "familyName": "Hopper"}
    account = stage.add_account("grace@x.example", externalId="7", name=names, active=True)

    assert await company.settle(make_leaver("7")) == {"7": Outcome.REJECTED}
    assert stage.declaree.directory.users[account].resource["active"] is True
    assert [asked.account_id for asked in await company.list_open_decisions()] == [account]


@pytest.mark.promise("P9")
@pytest.mark.promise("P2")
async def test_value_that_returns_after_restore_is_written(company: Company) -> None:
    """A value goes from A to B, the ledger is restored to A, and the value returns to A: a verification finds B."""
    stage = company.stage
    await company.settle(make_request("7"))
    restored: Any = dict(stage.ledger.content)
    await company.settle(make_request("7", 2_000, **EVA))
    stage.ledger.content.clear()
    stage.ledger.content.update(restored)

    await stage.store.ledger.mark_verify(restored)
    await company.settle(make_request("7", 3_000))

    assert stage.get_account()["name"]["givenName"] == "Ada"


@pytest.mark.promise("P9")
async def test_restored_entry_with_old_account_is_corrected(company: Company) -> None:
    """The restored entry names an account that no longer exists: the leaver's account is found and disabled."""
    stage = company.stage
    await company.settle(make_request("7"))
    entry = await stage.get_entry()
    await stage.store.ledger.write([entry.model_copy(update={"account_id": "999", "seq": entry.seq + 1})])
    stage.clock.seconds += 3_600

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
async def test_leaver_enabled_by_restored_server_is_disabled(company: Company) -> None:
    """Declaree was restored to a time before the departure: the verification of the entry disables the account."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.declaree.take_snapshot("yesterday")
    await company.settle(make_leaver("7"))
    stage.declaree.restore("yesterday")

    await stage.store.ledger.mark_verify([make_person("7")])
    await company.resend("7")

    assert stage.get_account()["active"] is False


# ---------------------------------------------------------------- refused


@pytest.mark.promise("P9")
@pytest.mark.parametrize("answer", [200, 204])
async def test_disabling_without_effect_is_listed(company: Company, answer: int) -> None:
    """``active: false`` is confirmed and nothing is done: the leaver is listed, and disabled once it works.

    The server has disabled another account in the same way before.
    """
    stage = company.stage
    await company.settle(make_request("7"), make_request("8"))
    stage.change_behaviour(patch_answer=answer)
    await company.settle(make_leaver("8"))
    stage.change_behaviour(ignore_disabling=True, patch_answer=answer)

    (outcome,) = await company.settle_all(make_leaver("7"))

    assert outcome.outcome is Outcome.REJECTED
    assert "confirms the change but does not make it" in (outcome.reason or "")

    stage.change_behaviour(ignore_disabling=False)

    assert await company.resend("7") == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
@pytest.mark.parametrize("status", [409, 423])
async def test_conflict_once_is_retried(company: Company, status: int) -> None:
    """A conflict that is over at the second attempt rejects nothing."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.declaree.faults.order(Fault(kind="status", disables=True, status=status))

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
@pytest.mark.parametrize("status", [409, 423])
async def test_conflict_for_ever_names_the_last_administrator(company: Company, status: int) -> None:
    """The server never lets the last administrator be disabled: the reason says so, and speaks of no user name."""
    stage = company.stage
    await company.settle(make_request("7"))
    add_roles(stage)
    stage.change_behaviour(protected_roles=("admin",), protected_status=status)

    (outcome,) = await company.settle_all(make_leaver("7"))

    reason = outcome.reason or ""
    assert outcome.outcome is Outcome.REJECTED
    assert outcome.field == "active"
    assert "last administrator" in reason
    assert "user name" not in reason
    assert (await stage.get_entry()).decided == outcome

    outcomes = await stage.handle(make_leaver("7"), reason=SendReason.RESENT)

    assert [repeated.outcome for repeated in outcomes] == [Outcome.REJECTED]
