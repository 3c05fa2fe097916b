"""What is wrong with a mapping before it is published."""

import pytest

from services.contracts.mappings import Condition, ConstantSource, ExpressionSource, MappingDocument, Rule, Scope
from services.contracts.transforms import Extract
from services.mapping.rule_problems import find_expression_problem, find_rule_problems
from tests.support.builders import make_rule

TYPES = {
    "name": "standard",
    "room": "integer",
    "hours": "decimal",
    "start": "date",
    "tags": "tags",
    "office.name": "standard",
    "cost_centers.name": "standard",
    "cost_centers.percentage": "standard",
}
"""Types of attributes."""


def test_problems_name_rule_place_and_position() -> None:
    """An administrator finds the line in the document."""
    mapping = MappingDocument(
        rules=(
            make_rule("title", "position"),
            Rule(target="locale", source=ExpressionSource(expression="a = b")),
            Rule(target="nickName", source=ConstantSource(value="x"), when=Condition(expression="foo(a)")),
        ),
        scope=Scope(only="(a"),
    )

    first, second, third = find_rule_problems(mapping)

    assert first.describe() == (
        "rule 2 (locale, source): a comparison has two equals signs: write == instead (at character 3)"
    )
    assert second.describe().startswith("rule 3 (nickName, when): the function foo is unknown: use one of contains, ")
    assert third.describe() == "scope.only: the bracket has no end: add ) where it belongs (at character 1)"


def test_mapping_without_a_problem() -> None:
    """Most mappings have none."""
    computed = Rule(target="title", source=ExpressionSource(expression='name + " " + office.name'))

    assert not find_rule_problems(MappingDocument(rules=(computed, make_rule("locale", "language"))), TYPES)


@pytest.mark.parametrize(
    "expression",
    ["name + room", "name > 5", "room + tags", "start - 1", "-name", "!room", "name[0]", 'cost_centers.name + "x"'],
)
def test_types_that_do_not_fit_are_found(expression: str) -> None:
    """Such a rule would reject every employee."""
    assert "use string(…) or number(…)" in (find_expression_problem(expression, TYPES) or "")


@pytest.mark.parametrize(
    "expression",
    [
        "number(name) + 1",
        "tags[5]",
        "name + unknown",
        "room + hours",
        "hours > 20",
        'matches(name, office.name) ? "a" : 1',
        'cost_centers.name.map(n, n.substring(0, 4)).join("; ")',
        "cost_centers.percentage[0] + 1",
    ],
)
def test_nothing_is_said_about_what_depends_on_the_values(expression: str) -> None:
    """A text may contain a number, a list may be longer, and the type of an attribute may be unknown."""
    assert find_expression_problem(expression, TYPES) is None


def test_mapping_that_takes_too_long_is_found() -> None:
    """Each rule is allowed, and their sum would take the mapper from all companies."""
    slow = Extract(pattern="(([ab]{1,20}){1,20})c", otherwise="keep")
    rules = tuple(
        Rule(target=f"urn:x:2.0:User:f{number}", source=ConstantSource(value="a" * 1_000), transforms=(slow,) * 20)
        for number in range(60)
    )

    (problem,) = find_rule_problems(MappingDocument(rules=rules))

    assert problem.describe().startswith("rules: expressions and patterns take more than 0.05 s")
