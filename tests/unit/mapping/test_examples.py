"""Pinned examples: what is compared, and what a failure says."""

import pytest

from services.contracts.employees import EmploymentPhase
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.mappings import MappingDocument, default_mapping
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapping.examples import ExampleFailure, find_failures
from tests.support.builders import make_rule

MAPPING = MappingDocument(
    rules=(
        *default_mapping().rules,
        make_rule("title", "position", on_missing="clear"),
        make_rule("locale", "language"),
    )
)
ADA: dict[str, Value] = {
    "email": "ada@nord.example",
    "first_name": "Ada",
    "last_name": "Blum",
    "status": "active",
    "supervisor.id": 5,
    "position": None,
    "language": None,
}


def check(expected: ExpectedAccount, **changes: Value) -> tuple[ExampleFailure, ...]:
    """Returns the failures of one example."""
    example = MappingExample(name="Ada", attributes={**ADA, **changes}, expected=expected)
    return find_failures(MAPPING, [example])


@pytest.mark.parametrize(
    "expected",
    [
        ExpectedAccount(),
        ExpectedAccount(user_name="ada@nord.example", manager="5", fields={"NAME.givenName": "Ada", "title": None}),
    ],
)
def test_example_that_holds(expected: ExpectedAccount) -> None:
    """What it does not name is not compared. A path may have any spelling."""
    assert check(expected) == ()


@pytest.mark.parametrize(
    ("expected", "place", "actual"),
    [
        (ExpectedAccount(intent=Intent.DISABLE), "intent", "provision"),
        (ExpectedAccount(user_name="other"), "user_name", "ada@nord.example"),
        (ExpectedAccount(manager="6"), "manager", "5"),
        (ExpectedAccount(fields={"name.givenName": "Eva"}), "name.givenName", "Ada"),
        (ExpectedAccount(fields={"nickName": "A"}), "nickName", None),
        (ExpectedAccount(fields={"title": "x"}), "title", None),
        (ExpectedAccount(fields={"locale": None}), "locale", "left as it is"),
    ],
)
def test_example_that_does_not_hold(expected: ExpectedAccount, place: str, actual: Value) -> None:
    """It names the place, and what the mapping gives."""
    (failure,) = check(expected)

    assert failure.place == place
    assert failure.actual == actual


def test_rejection_is_compared_by_its_field() -> None:
    """The reason may be worded in another way by the next version."""
    rejected = ExpectedAccount(intent=Intent.REJECT, rejected_field="email")

    (failure,) = check(ExpectedAccount(), email="none")

    assert check(rejected, email="none") == ()
    assert failure.actual == "reject"
    assert "does not contain an @" in (failure.reason or "")


def test_phase_is_part_of_an_example() -> None:
    """An employee has no account before the first day."""
    example = MappingExample(
        name="new", attributes=ADA, phase=EmploymentPhase.UPCOMING, expected=ExpectedAccount(intent=Intent.IGNORE)
    )

    assert find_failures(MAPPING, [example]) == ()
