"""Rules: sources, conditions and what happens without a value."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.mappings import (
    AttributeSource,
    AttributesSource,
    Condition,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    Rule,
    Source,
)
from services.contracts.transforms import Trim
from services.contracts.values import Value
from services.mapping.rules import CompiledRule, RejectedError, Step
from services.mapping.sources import find_rule_attributes
from tests.unit.contracts.strategies import mappings, values

LARGEST = AttributeSource(attribute="cost_centers.name", largest_by="cost_centers.percentage")
SEVERAL = AttributesSource(attributes=("mobile", "phones"))
JOINED = ExpressionSource(expression='first + " " + middle')


@pytest.mark.parametrize(
    ("source", "attributes", "value"),
    [
        (LARGEST, {"cost_centers.name": ("A", "B", "C"), "cost_centers.percentage": (20, 50, 30)}, "B"),
        (LARGEST, {"cost_centers.name": ("A", "B"), "cost_centers.percentage": (50, 50)}, "A"),
        (LARGEST, {"cost_centers.name": ("A", "B"), "cost_centers.percentage": (None, 10)}, "B"),
        (LARGEST, {"cost_centers.name": (None, "B"), "cost_centers.percentage": (90, 10)}, "B"),
        (LARGEST, {"cost_centers.name": ("A", "B"), "cost_centers.percentage": None}, "A"),
        (LARGEST, {"cost_centers.name": "A", "cost_centers.percentage": 100}, "A"),
        (LARGEST, {"cost_centers.name": None, "cost_centers.percentage": None}, None),
        (LARGEST, {"cost_centers.name": (), "cost_centers.percentage": ()}, None),
        (SEVERAL, {"mobile": "1", "phones": ("2", "3")}, ("1", "2", "3")),
        (SEVERAL, {"mobile": None, "phones": "2"}, ("2",)),
        (JOINED, {"first": "Ada", "middle": None}, "Ada"),
        (ConstantSource(value=("a", "b")), {}, ("a", "b")),
    ],
)
def test_source_gives(source: Source, attributes: dict[str, Value], value: Value) -> None:
    """Empty entries of a list are left out; several values with the same number give the first."""
    is_written = value is not None

    assert CompiledRule(Rule(target="title", source=source)).evaluate(attributes) == (is_written, value)


@pytest.mark.parametrize("source", [LARGEST, SEVERAL, JOINED])
def test_source_with_an_unknown_attribute_leaves_the_field(source: Source) -> None:
    """An attribute that the credential no longer shows changes no account."""
    rule = Rule(target="title", source=source, on_missing="clear")
    keys = find_rule_attributes(rule)

    for key in keys:
        attributes: dict[str, Value] = dict.fromkeys(set(keys) - {key}, "x")
        assert CompiledRule(rule).evaluate(attributes) == (False, None)


def test_lists_of_different_lengths_reject_the_employee() -> None:
    """It is unknown which number belongs to which entry."""
    attributes: dict[str, Value] = {"cost_centers.name": ("A", "B"), "cost_centers.percentage": (10,)}

    with pytest.raises(RejectedError, match="another number of entries"):
        CompiledRule(Rule(target="title", source=LARGEST)).evaluate(attributes)


@pytest.mark.parametrize(
    ("otherwise", "department", "result"),
    [
        ("leave", "Sales", (True, "car")),
        ("leave", "HR", (False, None)),
        ("clear", "HR", (True, None)),
        ("clear", None, (True, None)),
        ("clear", 5, (True, None)),
    ],
)
def test_condition_decides_whether_a_rule_applies(
    otherwise: str, department: Value, result: tuple[bool, Value]
) -> None:
    """What happens to the field of other employees is said by the rule."""
    when = Condition.model_validate({"expression": 'department == "Sales"', "otherwise": otherwise})
    rule = Rule(target="title", source=ConstantSource(value="car"), when=when)

    assert CompiledRule(rule).evaluate({"department": department}) == result


def test_condition_can_reject() -> None:
    """The reason names the field."""
    when = Condition(expression="has(iban)", otherwise="reject")
    rule = Rule(target="title", source=ConstantSource(value="x"), when=when)

    with pytest.raises(RejectedError, match="the condition of the rule for title does not fit") as caught:
        CompiledRule(rule).evaluate({"iban": None})

    assert caught.value.field == "title"


def test_condition_with_an_unknown_attribute_leaves_the_field() -> None:
    """Otherwise a field would be cleared because an attribute was hidden."""
    when = Condition(expression="has(iban)", otherwise="clear")
    rule = Rule(target="title", source=ConstantSource(value="x"), when=when)

    assert CompiledRule(rule).evaluate({}) == (False, None)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(target="title", source=ExpressionSource(expression="a = b")),
        Rule(target="title", source=ConstantSource(value="x"), when=Condition(expression="a = b")),
    ],
)
def test_expression_that_cannot_be_used_rejects_the_employees(rule: Rule) -> None:
    """A stored mapping may come from another version. It concerns its own company, and writes nothing."""
    with pytest.raises(RejectedError, match="an expression that cannot be used"):
        CompiledRule(rule).evaluate({"a": 1, "b": 1})


def test_steps_of_an_evaluation_are_noted() -> None:
    """Each has the value after it."""
    when = Condition(expression="has(first)")
    rule = Rule(target="title", source=AttributeSource(attribute="first"), when=when, transforms=(Trim(),))
    steps: list[Step] = []

    CompiledRule(rule).evaluate({"first": " Ada "}, steps.append)

    assert steps == [Step("condition", value=True), Step("attribute", " Ada "), Step("trim", "Ada")]


@given(mapping=mappings, attributes=st.dictionaries(st.sampled_from(["a", "email", "first_name"]), values))
def test_shortest_way_gives_the_same(mapping: MappingDocument, attributes: dict[str, Value]) -> None:
    """The engine takes it for rules that are not costly, and explanations never do."""

    def read(evaluate: Callable[[dict[str, Value]], tuple[bool, Value]]) -> object:
        try:
            return evaluate(attributes)
        except RejectedError as error:
            return error.reason

    for rule in map(CompiledRule, mapping.rules):
        if not rule.is_costly:
            assert read(rule.evaluate_cheap) == read(rule.evaluate)
