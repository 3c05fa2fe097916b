"""Accounts that change hands: by a decision, by a return under a new employee id, and after a create without an answer."""

import pytest

from services.contracts.claims import Decision
from services.contracts.events import AccountIdentity
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome
from services.provisioning.calls import ClaimAccount, CreateAccount, Ownership
from tests.unit.provisioning.accounts import EMAIL, FREE, MARKED, build_account, find
from tests.unit.provisioning.driver import BY_EMAIL, build_goal, run, run_by_name

OTHER = EmployeeId("8")

# ---------------------------------------------------------------- decisions


@pytest.mark.promise("W3")
def test_accepted_account_is_linked() -> None:
    """A decision of an administrator links even an account that no policy covers."""
    doubtful = build_account(externalId="1029", active=False, name={"givenName": "Eva"})

    story = run_by_name(build_goal(), doubtful, MARKED, ownership=Ownership(decision=Decision.LINK))

    assert story.claims == (ClaimAccount(FREE.id),)
    assert story.result.outcome is Outcome.LINKED


def test_accepted_account_with_our_external_id_is_linked() -> None:
    """A decision links an account that has our external id and another name."""
    stranger = build_account(userName="o@x.example", name={"givenName": "Eva"})

    story = run(build_goal(), find(stranger), MARKED, ownership=Ownership(decision=Decision.LINK))

    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("W3")
@pytest.mark.parametrize("is_by_name", [False, True], ids=["by external id", "by user name"])
def test_refused_account_is_left_alone(is_by_name: bool) -> None:
    """An account that an administrator decided to leave alone is not asked about again, and no policy takes it."""
    left = Ownership(decision=Decision.LEAVE)

    story = (
        run_by_name(BY_EMAIL, FREE, ownership=left)
        if is_by_name
        else run(BY_EMAIL, find(build_account()), ownership=left)
    )

    mark = "e-mail address" if is_by_name else "external id"
    assert f"has this {mark}, and an administrator decided to leave it alone: remove the {mark}" in story.result.reason
    assert story.result.asks_about is None
    assert story.writes == ()


def test_decision_does_not_reach_into_another_connection() -> None:
    """An account of another connection is not linked by a decision of this one."""
    story = run_by_name(build_goal(), FREE, ownership=Ownership("other-connection", decision=Decision.LINK))

    assert story.claims == ()
    assert story.result.blocked_by == "u1"


def test_lost_claim_rejects() -> None:
    """An account that another writer claims first is not written."""
    story = run(build_goal(), find(build_account(name={"givenName": "A."})), is_claimed=False)

    assert "belongs to another employee" in story.result.reason
    assert story.writes == ()


# ---------------------------------------------------------------- former owners


IDENTITY = AccountIdentity(external_id="7", user_name=EMAIL, given_name="Ada", family_name="King")
REHIRE = build_goal(identity=IDENTITY)
LEFT = Ownership("other", employee=OTHER, has_left=True)


@pytest.mark.promise("W6")
def test_returning_employee_with_new_id_takes_the_account() -> None:
    """The account of a leaver with the same address and both names passes to the new employee id."""
    former = build_account(externalId="8", active=False, name={"givenName": "Ada", "familyName": "King"})

    story = run_by_name(REHIRE, former, MARKED, ownership=LEFT)

    assert story.claims == (ClaimAccount(FREE.id, OTHER),)
    assert story.patched[0] == {"externalId": "7", "active": True}
    assert story.trail.notes == ["took over account u1 from employee 8, the same person by name and e-mail"]


@pytest.mark.promise("P5")
@pytest.mark.parametrize("name", [{"givenName": "Ada", "familyName": "Byron"}, {"givenName": "Ada"}], ids=str)
def test_address_of_a_leaver_with_another_name_asks(name: dict[str, str]) -> None:
    """A leaver's account with one other name is another person's, until an administrator hands it over."""
    story = run_by_name(REHIRE, build_account(externalId="8", active=False, name=name), ownership=LEFT, is_asked=True)

    assert story.claims == ()
    assert "hand it over with `links hand-over`" in story.result.reason
    assert story.result.asks_about == "u1"
    assert story.result.former_owner == OTHER


@pytest.mark.promise("P5")
def test_privileged_account_of_a_leaver_asks() -> None:
    """An employee chooses name and address, so a leaver's account with a role is never passed on without a decision."""
    names = {"givenName": "Ada", "familyName": "King"}
    former = build_account(externalId="8", active=False, name=names, roles=["administrator"])

    story = run_by_name(REHIRE, former, ownership=LEFT, is_asked=True)

    assert story.claims == ()
    assert story.result.former_owner == OTHER


def test_refused_account_of_a_leaver_is_not_asked_about() -> None:
    """An administrator decided to leave a leaver's account alone: the reason says so."""
    left = Ownership("other", employee=OTHER, has_left=True, decision=Decision.LEAVE)

    story = run_by_name(REHIRE, build_account(externalId="8", active=False), ownership=left)

    assert "an administrator decided to leave it alone" in story.result.reason
    assert story.result.asks_about is None


@pytest.mark.promise("P5")
def test_colleague_with_the_same_name_keeps_the_account() -> None:
    """The account of an employee that has not left is not taken, even with the same names."""
    live = build_account(externalId="8", name={"givenName": "Ada", "familyName": "King"})

    story = run_by_name(REHIRE, live, ownership=Ownership("other", employee=OTHER))

    assert story.claims == ()
    assert story.result.asks_about is None


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "ownership",
    [
        Ownership("other", employee=OTHER, decision=Decision.LINK),
        Ownership("other", employee=OTHER, decision=Decision.HAND_OVER),
        Ownership("other", employee=OTHER, has_left=True, decision=Decision.LINK),
    ],
    ids=["linked since", "owner is back", "left after the decision"],
)
def test_decision_does_not_take_from_a_later_owner(ownership: Ownership) -> None:
    """A decision about a free account, or one that a leaver had, does not outlast a change of its owner."""
    story = run_by_name(build_goal(), FREE, ownership=ownership, is_asked=ownership.has_left)

    assert story.claims == ()
    assert story.result.blocked_by == "u1"


def test_account_that_is_handed_over_leaves_the_former_owner() -> None:
    """A decision to hand an account over claims it from the employee that has left."""
    live = build_account(externalId="8", name={"givenName": "Eva"})
    decided = Ownership("other", employee=OTHER, has_left=True, decision=Decision.HAND_OVER)

    assert run_by_name(build_goal(), live, MARKED, ownership=decided).claims == (ClaimAccount(FREE.id, OTHER),)


# ---------------------------------------------------------------- creates without an answer


@pytest.mark.promise("P4")
def test_account_of_lost_create_is_ours_without_external_id() -> None:
    """On a server that keeps no external ids, the account of a create without an answer is known by its name."""
    story = run_by_name(build_goal(is_name_attempted=True), FREE, MARKED)

    assert story.claims == (ClaimAccount(FREE.id),)
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("P5")
def test_attempted_name_does_not_take_another_person() -> None:
    """An account with the attempted user name and another first name is not the one that the create has made."""
    stranger = build_account(externalId=None, name={"givenName": "Eva"})

    story = run_by_name(build_goal(is_name_attempted=True), stranger, is_asked=True)

    assert story.result.asks_about == "u1"
    assert not any(isinstance(call, CreateAccount) for call in story.calls)
