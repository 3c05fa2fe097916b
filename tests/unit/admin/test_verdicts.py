"""What is said first about an employee."""

from datetime import date
from typing import Any

import pytest

from services.admin.people import PersonView
from services.admin.verdicts import NOT_SETTLED, describe_verdict
from services.contracts.employees import EmploymentPhase
from services.contracts.events import ChangeKind, Version
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from tests.support.builders import NOW, make_entry, make_outcome, make_snapshot


def judge(
    outcome: Outcome | None = None, *, account: str | None = "a-1", reason: str | None = None, **snapshot: Any
) -> str:
    """Returns the verdict about an employee with this last outcome."""
    decided = None if outcome is None else make_outcome("1", how=outcome).model_copy(update={"reason": reason})
    entry = make_entry("1", decided=decided, account_id=account)
    stored = make_snapshot("1").model_copy(update=snapshot)
    if decided is not None:
        stored = stored.model_copy(update={"revision": decided.revision})
    return describe_verdict(PersonView(stored, entry))


@pytest.mark.parametrize(
    "outcome", [Outcome.CREATED, Outcome.LINKED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.ENABLED]
)
def test_settled_employee_is_in_step(outcome: Outcome) -> None:
    """With the account, however it came about."""
    assert judge(outcome) == "account a-1 is in step"


def test_open_point_of_an_account_is_told() -> None:
    """Such as a manager without an account."""
    verdict = judge(Outcome.UPDATED, reason="the manager has no account yet")

    assert verdict == "account a-1 is in step, with an open point: the manager has no account yet"


def test_absence_is_told_with_what_was_before() -> None:
    """The account is not disabled yet."""
    assert (
        judge(Outcome.CREATED, absent_since=NOW)
        == "Personio no longer lists the employee; before, account a-1 is in step"
    )


def test_rejected_employee_has_the_reason_and_the_account() -> None:
    """A reason with line breaks cannot imitate lines of the program."""
    assert judge(Outcome.REJECTED, account=None, reason="it is\nempty") == (
        "the newest change is rejected, and the product knows no account of the employee: it is empty"
    )
    assert judge(Outcome.REJECTED).startswith("the newest change is rejected, and account a-1 stays as it is: ")


def test_incomplete_account_names_what_it_lacks() -> None:
    """Everything else is right."""
    assert judge(Outcome.INCOMPLETE, reason="title is refused") == (
        "account a-1 is right, except for refused fields: title is refused"
    )


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        ({"status": "inactive"}, "the employee has left"),
        ({"kind": ChangeKind.REMOVED}, "Personio no longer lists the employee"),
        ({"phase": EmploymentPhase.ENDED}, "the last day is over"),
    ],
)
def test_disabled_account_has_the_cause(snapshot: dict[str, Any], reason: str) -> None:
    """The administrator asks why."""
    assert judge(Outcome.DISABLED, **snapshot) == f"account a-1 is disabled, because {reason}"


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        ({"status": "onboarding"}, "the employee gets an account when the status in Personio becomes active"),
        ({"status": "leave"}, "the employee is on leave, and the mapping leaves the account as it is"),
        ({"status": "active"}, "the employee is active, and the scope of the mapping leaves the employee out"),
        ({"status": "inactive"}, "the employee has left, and needs no account"),
        ({"status": None}, "Personio shows no status of the employee"),
        ({"status": "paused" * 20}, "the mapping asks for no account with the status " + ("paused" * 20)[:40]),
        (
            {"phase": EmploymentPhase.UPCOMING, "next_day": date(2026, 4, 1)},
            "the employee gets an account when the employment begins, on 2026-04-01",
        ),
    ],
)
def test_employee_out_of_scope_is_explained(snapshot: dict[str, Any], text: str) -> None:
    """An outcome of the writer means nothing to an administrator."""
    assert (
        judge(Outcome.OUT_OF_SCOPE, account=None, **snapshot) == f"{text}; the product knows no account of the employee"
    )


def test_change_on_its_way_is_not_settled() -> None:
    """Before the first outcome, and after a newer change."""
    entry = make_entry("1", decided=make_outcome("1"))
    newer = make_snapshot("1").model_copy(update={"revision": make_outcome("1").revision + 1})

    assert judge(None) == NOT_SETTLED
    assert describe_verdict(PersonView(newer, entry)) == NOT_SETTLED
    assert describe_verdict(PersonView(newer, None)) == NOT_SETTLED


def test_waiting_change_has_the_cause_and_the_time() -> None:
    """What was settled before does not matter."""
    waiting = Waiting(cause=WaitingCause.KEY_REFUSED, since=NOW, version=Version(2_000, 1))
    entry = make_entry("1", decided=make_outcome("1"), waiting=waiting)

    verdict = describe_verdict(PersonView(make_snapshot("1"), entry))

    assert verdict.startswith("the newest change waits since 2026-03-09 08:30 UTC: Declaree refuses the key")


def test_damaged_document_makes_a_verdict_impossible() -> None:
    """Part of it could be wrong."""
    assert "cannot be read" in describe_verdict(PersonView(None, make_entry("1"), ("a problem",)))
