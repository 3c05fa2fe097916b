"""How employees are judged that have a change that is not done."""

from datetime import timedelta
from typing import Any

import pytest

from services.admin.findings import Finding, Level, get_level
from services.admin.undone_findings import ACCESS, OWN_PACE, count_unexplained, judge_undone
from services.contracts.outcomes import WaitingCause
from services.store.undone import UndoneGroup
from tests.support.builders import CONNECTION, NOW
from tests.unit.admin.test_connection_findings import STATUS, change_status

MINUTES_LONG, DAY = timedelta(hours=1, minutes=1), timedelta(days=1, minutes=1)
OTHER_CAUSES = sorted(set(WaitingCause) - ACCESS - OWN_PACE - {WaitingCause.PAUSED, WaitingCause.DISABLING_HELD})


def wait(cause: WaitingCause, duration: timedelta = timedelta(), people: int = 1) -> list[Finding]:
    """Returns the findings about changes that wait that long."""
    group = UndoneGroup("waiting", people, NOW - duration, cause)
    return list(judge_undone(change_status(undone=(group,)), NOW))


def judge_one(**status: Any) -> Finding:
    """Returns the only finding about a connection with these numbers."""
    (found,) = judge_undone(change_status(**status), NOW)
    return found


@pytest.mark.parametrize("cause", sorted(ACCESS))
def test_refused_access_is_a_problem_at_once(cause: WaitingCause) -> None:
    """Nothing is written until an administrator has removed the cause, and a leaver keeps the access."""
    (found,) = wait(cause)

    assert get_level(found) is Level.PROBLEM
    assert found.since == NOW


@pytest.mark.parametrize("cause", OTHER_CAUSES)
def test_short_outage_is_a_hint_and_a_long_one_a_problem(cause: WaitingCause) -> None:
    """The changes are sent automatically when it ends."""
    levels = [get_level(found) for waited in (timedelta(), MINUTES_LONG) for found in wait(cause, waited)]

    assert levels == [Level.HINT, Level.PROBLEM]


@pytest.mark.parametrize("cause", sorted(OWN_PACE))
def test_usual_work_is_right_until_it_takes_a_day(cause: WaitingCause) -> None:
    """A first import makes changes wait for hours."""
    levels = [get_level(found) for waited in (MINUTES_LONG, DAY) for found in wait(cause, waited)]

    assert levels == [Level.WELL, Level.PROBLEM]


def test_paused_changes_are_a_problem_after_a_day() -> None:
    """Leavers keep their access as long."""
    levels = [get_level(found) for waited in (MINUTES_LONG, DAY) for found in wait(WaitingCause.PAUSED, waited)]

    assert levels == [Level.HINT, Level.PROBLEM]


def test_waiting_changes_say_what_to_do_for_this_connection() -> None:
    """The command can be copied."""
    (found,) = wait(WaitingCause.KEY_REFUSED, people=1_234)

    assert found.problem == (
        "1,234 employees: Declaree refuses the key (401): store the right key with "
        f"`connections secrets {CONNECTION} --declaree`"
    )


def test_held_disablings_are_told_once() -> None:
    """The finding about leavers tells of them."""
    assert wait(WaitingCause.DISABLING_HELD) == []


def test_rejected_employees_are_a_hint_with_their_reason() -> None:
    """Everything else works."""
    group = UndoneGroup("rejected", 5, NOW, reason="it is empty", field="last_name", alike=3)

    found = judge_one(undone=(group,))

    assert found.hint == (f"5 employees, most often (3): last_name: it is empty. `people list {CONNECTION}` names them")


def test_account_that_cannot_be_disabled_is_a_problem() -> None:
    """A leaver keeps the access."""
    group = UndoneGroup("rejected", 1, NOW, reason="the last administrator", field="active", alike=1, is_access=True)

    found = judge_one(undone=(group,))

    assert found.problem == (
        "accounts cannot be enabled or disabled. 1 employee: active: the last administrator. "
        f"`people list {CONNECTION}` names them"
    )


def test_incomplete_accounts_are_a_hint() -> None:
    """They have all other fields."""
    found = judge_one(undone=(UndoneGroup("incomplete", 2, None, alike=2),))

    assert "2 employees: no reason is recorded" in str(found.hint)


@pytest.mark.parametrize(
    ("numbers", "command"),
    [
        ({"decisions": 2}, "links list"),
        ({"absent": 2}, "people list"),
        ({"findings": 2}, "verify"),
        ({"accounts": STATUS.active - 2}, "verify"),
    ],
)
def test_what_waits_for_a_person_is_a_hint_with_a_command(numbers: dict[str, int], command: str) -> None:
    """Each with the number."""
    found = judge_one(**numbers)

    assert "2 " in str(found.hint)
    assert f"`{command} {CONNECTION}" in str(found.hint)


def test_access_comes_before_what_waits_and_what_is_rejected() -> None:
    """An administrator reads the first lines."""
    groups = (
        UndoneGroup("rejected", 9, NOW, reason="a", alike=9),
        UndoneGroup("waiting", 1, NOW, WaitingCause.KEY_REFUSED),
        UndoneGroup("rejected", 1, NOW, reason="a", alike=1, is_access=True),
    )

    found = judge_undone(change_status(undone=groups), NOW)

    assert [finding.subject for finding in found] == ["access", "waiting changes", "rejected changes"]


def test_employees_with_a_known_reason_are_not_unexplained() -> None:
    """Nothing would be found by a verification."""
    rejected = UndoneGroup("rejected", 2, NOW, reason="a", alike=2)
    status = change_status(
        accounts=STATUS.active - 10,
        balance=1,
        decisions=3,
        unreadable=1,
        undone=(rejected,),
        outcomes={"out_of_scope": 3},
    )

    assert count_unexplained(status) == 0
