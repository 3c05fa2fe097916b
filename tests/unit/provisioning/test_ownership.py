"""The owner of an account: ours by a claim, a decision or the policy, and otherwise an administrator decides."""

from typing import Any

import pytest

from services.contracts.events import AccountIdentity
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome
from services.provisioning.calls import ClaimAccount, Ownership
from services.provisioning.privileges import is_privileged
from services.provisioning.recognition import fold_text, hash_account
from services.provisioning.states import Goal
from tests.unit.provisioning.accounts import EMAIL, FREE, MARKED, build_account, find
from tests.unit.provisioning.driver import BY_EMAIL, build_goal, run, run_by_name

OTHER = EmployeeId("8")
IDENTITY = AccountIdentity(external_id="7", user_name=EMAIL, given_name="Ada", family_name="King")
PREFIXED = build_goal(
    identity=IDENTITY.model_copy(update={"external_id": "n-7"}), our_external_ids=frozenset({"n-7", "7"})
)
DECIDE = "decide about it with `links accept` or `links refuse`"
# ---------------------------------------------------------------- found by external id


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("goal", "changes"),
    [
        (build_goal(), {"name": {"givenName": "Eva"}}),
        (PREFIXED, {"externalId": "n-7", "userName": "other@x.example"}),
        (
            build_goal(identity=IDENTITY),
            {"userName": "o@x.example", "name": {"givenName": "ADA", "familyName": "King"}},
        ),
        (build_goal(last_user_name="old@x.example"), {"userName": "OLD@x.example", "name": {"givenName": "Eva"}}),
        (build_goal(sent_external_ids=frozenset({"7"})), {"userName": "o@x.example", "name": {"givenName": "Eva"}}),
    ],
    ids=["user name fits", "one name fits", "both names fit", "last user name fits", "external id was sent"],
)
def test_external_id_that_fits_the_employee_is_claimed(goal: Goal, changes: dict[str, Any]) -> None:
    """An account with our external id is claimed if an address or a name fits, or if a write has sent the external id."""
    story = run(goal, find(build_account(**changes)), MARKED)

    assert story.claims == (ClaimAccount(build_account().id),)
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("P5")
def test_external_id_of_another_person_asks() -> None:
    """An account with our external id, another name and another address may be another system's."""
    stranger = build_account(userName="o@x.example", name={"givenName": "Eva"})

    story = run(build_goal(), find(stranger), find(stranger))

    assert story.result.reason == f"account u1 has this external id, but another name and e-mail address: {DECIDE}"
    assert story.result.asks_about == "u1"
    assert story.claims == ()
    assert story.writes == ()


@pytest.mark.promise("P5")
@pytest.mark.parametrize("goal", [build_goal(), build_goal(identity=IDENTITY)], ids=["one name is known", "both are"])
def test_number_with_one_fitting_name_asks(goal: Goal) -> None:
    """A number may be another system's, and many share a first name: without the address, both names must fit."""
    stranger = build_account(userName="o@x.example", name={"givenName": "Ada", "familyName": "Byron"})

    story = run(goal, find(stranger), find(stranger))

    assert story.result.asks_about == "u1"
    assert story.claims == ()


@pytest.mark.promise("P5")
def test_account_is_read_before_it_is_asked_about() -> None:
    """A list may hide the name: what is asked about and decided is what a read shows."""
    listed, live = build_account(userName="o@x.example", name=None), build_account(userName="o@x.example")

    story = run(build_goal(identity=IDENTITY), find(listed), find(live))

    assert story.result.account_hash == hash_account(live)


def test_account_with_our_claim_needs_no_second_claim() -> None:
    """An account that is the employee's by an earlier claim is not claimed again, and is not compared with the person."""
    stranger = build_account(userName="o@x.example", name={"givenName": "Eva"})

    story = run(build_goal(), find(stranger), MARKED, ownership=Ownership("self"))

    assert story.claims == ()
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("owner", "is_by_name", "reason"),
    [
        ("other", False, "belongs to employee 8: correct the external id of the account in Declaree"),
        (
            "other",
            True,
            "belongs to employee 8: give one of the two employees another e-mail address in Personio",
        ),
        (
            "other-connection",
            False,
            "belongs to an employee of another connection: give each connection its own external id prefix",
        ),
        (
            "other-connection",
            True,
            (
                "belongs to an employee of another connection: "
                "give one of the two employees another e-mail address in Personio"
            ),
        ),
    ],
    ids=["external id", "user name", "external id, other connection", "user name, other connection"],
)
def test_account_with_another_owner_is_never_taken(owner: Any, reason: str, *, is_by_name: bool) -> None:
    """An account that another employee claims rejects the employee, and nothing is asked or written."""
    ownership = Ownership(owner, employee=OTHER if owner == "other" else None)

    story = (
        run_by_name(BY_EMAIL, FREE, ownership=ownership)
        if is_by_name
        else run(BY_EMAIL, find(build_account()), ownership=ownership)
    )

    mark = "e-mail address" if is_by_name else "external id"
    assert story.result.reason == f"account u1 has this {mark} and {reason}"
    assert story.result.blocked_by == "u1"
    assert story.result.asks_about is None
    assert story.writes == ()


# ---------------------------------------------------------------- found by user name


@pytest.mark.promise("W3")
def test_account_by_user_name_asks() -> None:
    """An account with the employee's user name alone is linked only by a decision."""
    story = run_by_name(build_goal(), FREE, is_asked=True)

    assert story.result.reason == f"account u1 has this e-mail address, and the sync does not manage it: {DECIDE}"
    assert story.result.field == "userName"
    assert story.result.asks_about == "u1"
    assert story.result.blocked_by == "u1"
    assert story.writes == ()


@pytest.mark.promise("W3")
def test_account_by_user_name_with_our_external_id_is_linked() -> None:
    """An account that only the lookup by user name shows is ours if it has our external id."""
    story = run_by_name(build_goal(), build_account())

    assert story.result.outcome is Outcome.LINKED
    assert story.writes == ()


@pytest.mark.promise("W3")
@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"active": "False"},
        {"externalId": "1029"},
        {"name": {"givenName": "Eva", "familyName": "King"}},
        {"roles": [{"value": "administrator"}]},
        {"entitlements": ["accounting"]},
    ],
    ids=str,
)
def test_policy_by_email_asks_about_doubtful_account(changes: dict[str, Any]) -> None:
    """A disabled, foreign or privileged account, or one without a fitting name, is left to an administrator."""
    story = run_by_name(BY_EMAIL, build_account(**{"externalId": None} | changes), is_asked=True)

    assert story.result.asks_about == "u1"
    assert story.writes == ()


@pytest.mark.promise("W3")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"roles": [{"value": "Employee"}], "entitlements": []},
        {"name": {"givenName": "ADA", "familyName": "King"}},
    ],
    ids=str,
)
def test_policy_by_email_links_plain_account(changes: dict[str, Any]) -> None:
    """By the policy ``by_email``, an enabled account with the address and one of the names is linked."""
    story = run_by_name(BY_EMAIL, build_account(**{"externalId": None} | changes), MARKED)

    assert story.claims == (ClaimAccount(FREE.id),)
    assert story.patched[0]["externalId"] == "7"
    assert story.result.outcome is Outcome.LINKED


def test_privilege_is_every_role_but_the_plain_ones() -> None:
    """A role or entitlement that the product does not know counts as a privilege."""
    assert not is_privileged(build_account(roles=["User", {"value": "member"}, {"value": None}]))
    assert not is_privileged(build_account(roles="employee"))
    assert is_privileged(build_account(roles=[{"display": "Admin"}]))
    assert is_privileged(build_account(entitlements=[{"value": "approver"}]))
    assert is_privileged(build_account(roles=[{"type": "Admin", "primary": True}]))
    assert is_privileged(build_account(roles=[{"Value": "Admin", "value": None}]))


def test_names_are_compared_without_case_and_spaces() -> None:
    """Case, spaces and the composition of characters make no difference between names; other letters do."""
    assert fold_text(" Zoe\u0308  VAN Dyk") == fold_text("zoë van dyk")
    assert fold_text("Ruſſ") != fold_text("Russ")
