"""Two companies with one Declaree: neither ever touches an account of the other."""

from typing import Any

import pytest

from services.contracts.claims import ClaimKind, Decision, LinkDecision
from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Resource
from services.provisioning.recognition import hash_account
from tests.support.builders import NOW, OTHER, make_person, make_request
from tests.support.writer_stage import EVA, WriterStage
from tests.unit.writer.company import Company, make_leaver


@pytest.fixture
def stage(stage: WriterStage) -> WriterStage:
    """A writer with two connections to the same server."""
    stage.connect(OTHER)
    return stage


def make_theirs(employee: str = "7", revision: int = 1_000, **changes: Any) -> AccountRequested:
    """Returns a request of the other company."""
    address = {"user_name": f"e{employee}@other.example"}
    return make_request(employee, revision, connection=OTHER, **{**address, **changes})


def make_their_leaver(employee: str = "7", revision: int = 2_000, **identity: Any) -> AccountRequested:
    """Returns a request of the other company to disable an account."""
    address = {"user_name": f"e{employee}@other.example"}
    return make_leaver(employee, revision, **{**address, **identity}).model_copy(update={"connection_id": OTHER})


@pytest.mark.promise("P5")
async def test_second_company_with_same_id_is_rejected(company: Company) -> None:
    """The employee of the second company with the same external id is rejected, and the first keeps the account."""
    stage = company.stage
    await company.settle(make_request("7"))
    before = stage.get_account()

    (outcome,) = await company.settle_all(make_theirs("7"))

    assert outcome.outcome is Outcome.REJECTED
    assert "external id prefix" in (outcome.reason or "")
    assert list(stage.declaree.directory.users) == [before["id"]]
    assert stage.get_account() == before


@pytest.mark.promise("P5")
async def test_same_id_in_one_batch_is_claimed_once(company: Company) -> None:
    """Of two employees of two companies with one external id in one batch, one has the account."""
    outcomes = await company.stage.handle(make_request("7"), make_theirs("7"))

    assert sorted(outcome.outcome for outcome in outcomes) == [Outcome.CREATED, Outcome.REJECTED]
    assert len(company.stage.declaree.directory.users) == 1


@pytest.mark.promise("P5")
async def test_prefixes_keep_companies_apart(company: Company) -> None:
    """With different prefixes, the employees of both companies with the same employee id have an account each."""
    stage = company.stage
    theirs = make_theirs("7", external_id="b-7")

    await company.settle_all(make_request("7"), theirs)
    await company.settle_all(make_their_leaver("7", external_id="b-7"))

    assert stage.get_account("7")["active"] is True
    assert stage.get_account("b-7")["active"] is False


@pytest.mark.promise("P5")
async def test_leaver_of_second_company_disables_nothing(company: Company) -> None:
    """A leaver of the second company without an entry and with an equal external id leaves the account enabled."""
    stage = company.stage
    await company.settle(make_request("7"))

    (outcome,) = await company.settle_all(make_their_leaver("7"))

    assert outcome.outcome is Outcome.REJECTED
    assert "external id prefix" in (outcome.reason or "")
    assert stage.get_account()["active"] is True


@pytest.mark.promise("P5")
@pytest.mark.parametrize("policy", LinkPolicy)
async def test_address_of_first_company_takes_nothing_over(company: Company, policy: LinkPolicy) -> None:
    """An address of the first company's employee, entered in the second company, leads to a rejection."""
    stage = company.stage
    connections = stage.connections.connections
    connections[OTHER] = connections[OTHER].model_copy(update={"link_policy": policy})
    await company.settle(make_request("7"))
    before = stage.get_account()

    (outcome,) = await company.settle_all(make_theirs("8", user_name=before["userName"]))

    assert outcome.outcome is Outcome.REJECTED
    assert "another connection" in (outcome.reason or "")
    assert stage.get_account() == before


@pytest.mark.promise("P5")
@pytest.mark.parametrize("decision", [Decision.LINK, Decision.HAND_OVER])
async def test_decision_takes_no_account_of_another_company(company: Company, decision: Decision) -> None:
    """Not even a stored decision gives an account of the first company to the second."""
    stage = company.stage
    await company.settle(make_request("7"))
    await company.settle(make_leaver("7"))
    before = stage.get_account()
    stored = LinkDecision(
        connection_id=OTHER,
        employee_id=EmployeeId("8"),
        account_id=AccountId(before["id"]),
        account_hash=hash_account(Resource(AccountId(before["id"]), before)),
        former_owner=EmployeeId("7"),
        asked_at=NOW,
        decision=decision,
    )
    await stage.store.links.ask([stored])

    (outcome,) = await company.settle_all(make_theirs("8", user_name=before["userName"]))

    assert outcome.outcome is Outcome.REJECTED
    assert stage.get_account() == before


@pytest.mark.promise("P1")
async def test_external_id_that_was_given_up_is_free(company: Company) -> None:
    """The first company gets a prefix, and the second one takes the external ids without: no old claim blocks it."""
    await company.settle_all(make_request("7"))
    await company.settle_all(make_request("7", 2_000, external_id="a-7"))

    outcomes = await company.settle(make_theirs("7"))

    assert outcomes == {"7": Outcome.CREATED}
    assert company.stage.get_account("7")["userName"] == "e7@other.example"
    assert company.stage.get_account("a-7")["userName"] == "e7@nordlicht.example"


@pytest.mark.promise("P9")
async def test_taken_external_id_delays_no_departure(company: Company) -> None:
    """An older request of the same batch wants an external id of the other company: and the leaver is disabled."""
    stage = company.stage
    await company.settle_all(make_request("7", external_id="a-7"), make_theirs("7"))

    outcomes = await company.settle(make_request("7", 2_000), make_leaver("7", 3_000))

    assert outcomes == {"7": Outcome.DISABLED}
    assert stage.get_account("a-7")["active"] is False


@pytest.mark.promise("P5")
async def test_other_prefix_in_mapping_claims_nothing_taken(company: Company) -> None:
    """A new mapping of the second company with the first one's prefix does not give an account two owners."""
    stage = company.stage
    await company.settle_all(make_request("7"), make_theirs("7", external_id="b-7"))
    before = stage.get_account("7")

    (outcome,) = await company.settle_all(make_theirs("7", 2_000, **EVA))

    assert outcome.outcome is Outcome.REJECTED
    assert stage.get_account("7") == before
    assert stage.get_account("b-7")["userName"] == "e7@other.example"
    (owner,) = {
        owner for (kind, _, claimed), owner in _list_claims(stage) if (kind, claimed) == (ClaimKind.EXTERNAL_ID, "7")
    }
    assert owner == make_person("7")


def _list_claims(stage: WriterStage) -> list[tuple[tuple[ClaimKind, str, str], object]]:
    return list(stage.claims.content.items())
