"""The condition for accounts."""

import pytest

from services.contracts.mappings import MappingDocument, PublishedMapping, Scope
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.wanted import find_wanted_attributes
from tests.support.builders import make_change, make_published_mapping

ONLY = 'subcompany.name == "Nord"'


def publish(scope: Scope) -> PublishedMapping:
    """Returns a published mapping with a scope."""
    published = make_published_mapping()
    return published.model_copy(update={"mapping": published.mapping.model_copy(update={"scope": scope})})


def decide(scope: Scope, **attributes: Value) -> Intent:
    """Returns the intent for an employee with these attributes."""
    change = make_change(attributes)
    return Engine(publish(scope)).map(change).intent


@pytest.mark.parametrize(
    ("otherwise", "subcompany", "intent"),
    [
        ("ignore", "Nord", Intent.PROVISION),
        ("disable", "Nord", Intent.PROVISION),
        ("ignore", "Süd", Intent.IGNORE),
        ("disable", "Süd", Intent.DISABLE),
    ],
)
def test_condition_decides_about_accounts(otherwise: str, subcompany: str, intent: Intent) -> None:
    """Only the employees that it fits have an account."""
    scope = Scope.model_validate({"only": ONLY, "otherwise": otherwise})

    assert decide(scope, **{"subcompany.name": subcompany}) == intent


def test_unknown_attribute_leaves_the_account() -> None:
    """An attribute that Personio no longer shows disables no account."""
    assert decide(Scope(only=ONLY, otherwise="disable")) == Intent.IGNORE


def test_result_without_a_value_leaves_the_account() -> None:
    """Not enough is known about the employee."""
    assert decide(Scope(only="weekly_hours > 10", otherwise="disable"), weekly_hours=None) == Intent.IGNORE


def test_condition_that_cannot_be_computed_rejects() -> None:
    """An administrator sees the reason."""
    scope = Scope(only='"a" + room == "a5"', otherwise="disable")
    change = make_change({"room": 5})

    request = Engine(publish(scope)).map(change)

    assert request.intent == Intent.REJECT
    assert (request.reason or "").startswith("the condition for accounts cannot be computed")


@pytest.mark.promise("P6")
def test_leaver_is_disabled_in_spite_of_the_condition() -> None:
    """The condition keeps accounts from being made, not from being disabled."""
    scope = Scope(only=ONLY, otherwise="ignore")

    assert decide(scope, status="inactive", **{"subcompany.name": "Süd"}) == Intent.DISABLE


def test_attributes_of_the_condition_are_wanted() -> None:
    """Personio is asked for them."""
    assert "subcompany.name" in find_wanted_attributes(MappingDocument(rules=(), scope=Scope(only=ONLY)))
