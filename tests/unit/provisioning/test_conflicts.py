"""Addresses that another account has: the other fields are written, and exchanges of addresses are resolved."""

import pytest

from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import Answer, Conflict, FindAccounts, Found, Ownership, Resource, Unsupported, Written
from services.provisioning.states import Inconclusive
from tests.unit.provisioning.accounts import EMAIL, MARKED, build_account, find
from tests.unit.provisioning.driver import NOTHING, REMEMBERED, Story, build_goal, run

OLD = "old@x.example"
OLD_ADDRESS = build_account(userName=OLD, emails=[{"type": "work", "value": OLD, "primary": True}])
OTHER = find(build_account("u2", externalId="8"))
OWNED = Ownership("other", employee=EmployeeId("8"))


def run_rename(*answers: Answer, ownership: Ownership = OWNED, name: str = "Ada") -> Story:
    """Runs a reconciliation of an account with another address, in conflict with an account of this owner."""
    live = Resource(OLD_ADDRESS.id, {**OLD_ADDRESS.body, "name": {"givenName": name}})
    return run(build_goal(REMEMBERED), find(live), Conflict(), *answers, ownership=ownership)


@pytest.mark.promise("W5")
def test_email_of_another_account_rejects_and_names_it() -> None:
    """A new e-mail address that another account has rejects the employee and names that account."""
    story = run_rename(OTHER)

    assert story.calls[-1] == FindAccounts("userName", EMAIL, is_fresh=True)
    assert story.result.blocked_by == "u2"
    assert story.result.field == "userName"
    assert "give one of the two employees another e-mail address in Personio" in story.result.reason


@pytest.mark.promise("W5")
@pytest.mark.parametrize(
    "answer", [NOTHING, find(build_account("u1")), Unsupported()], ids=["none", "own", "no filter"]
)
def test_conflict_with_unknown_account_rejects(answer: Found | Unsupported) -> None:
    """A conflict rejects the employee even if the other account cannot be found, and is tried once more before."""
    story = run_rename(answer, answer, find(OLD_ADDRESS), Conflict(), answer, answer)

    assert len(story.writes) == 2
    assert story.calls[-1] == FindAccounts("emails.value", EMAIL, is_fresh=True)
    assert story.result.blocked_by is None
    assert story.result.field == "userName"


@pytest.mark.promise("W5")
def test_address_that_is_free_a_moment_later_is_written() -> None:
    """The other account has given the address up in the time between."""
    story = run_rename(NOTHING, NOTHING, find(OLD_ADDRESS), MARKED)

    assert story.result.outcome is Outcome.UPDATED


@pytest.mark.promise("W5")
def test_blocked_address_holds_no_other_field_back() -> None:
    """The name is written although the address is taken."""
    story = run_rename(OTHER, Written(OLD_ADDRESS), name="A.")

    assert story.patched[1] == {"name.givenName": "Ada"}
    assert story.result.blocked_by == "u2"


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("ownership", "text"),
    [
        (Ownership(), "give it another address in Declaree, or give the employee another one in Personio"),
        (Ownership("other", employee=EmployeeId("8"), has_left=True), "has left: give it another address in Declaree"),
        (Ownership("other-connection"), "give one of the two employees another e-mail address in Personio"),
    ],
    ids=["unmanaged", "leaver", "other connection"],
)
def test_reason_names_what_to_do_about_the_other_account(ownership: Ownership, text: str) -> None:
    """An employee with an account keeps it, so there is nothing to decide: the address must become free."""
    story = run_rename(OTHER, ownership=ownership)

    assert text in story.result.reason
    assert story.result.asks_about is None


# ---------------------------------------------------------------- exchanges

CIRCULAR = Ownership("other", employee=EmployeeId("8"), is_circular=True)
TEMPORARY = f"exchange.7.{EMAIL}"


@pytest.mark.promise("W5")
def test_employee_steps_aside_if_two_exchange_addresses() -> None:
    """One of the employees gets a temporary address, so that the other can get the wanted one."""
    aside = build_account(userName=TEMPORARY, emails=[{"type": "work", "value": TEMPORARY, "primary": True}])

    story = run_rename(OTHER, Written(aside), ownership=CIRCULAR)

    assert set(story.patched[1].values()) == {TEMPORARY}
    assert story.result == Inconclusive(WaitingCause.ADDRESS_EXCHANGE)
    assert story.trail.temporary_name == TEMPORARY


@pytest.mark.promise("W5")
def test_employee_without_a_circle_keeps_the_address() -> None:
    """Without a circle the other employee's change may free the address, so nothing is written."""
    assert len(run_rename(OTHER).writes) == 1
