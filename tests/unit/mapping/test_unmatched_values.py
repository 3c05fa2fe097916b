"""The values that are not in the value tables of a mapping."""

import itertools

import pytest

from services.contracts.mappings import (
    AttributeSource,
    Condition,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    Rule,
)
from services.contracts.transforms import Split, Trim, Upper, ValueTable
from services.contracts.values import Value
from services.mapping.time_limit import MAX_SECONDS
from services.mapping.unmatched_values import TableCheck, UnmatchedValue

OFFICES = {"Kiel": "North", "1": "One", "true": "Yes"}


def find(value: Value, *transforms: object, table: ValueTable | None = None, when: str | None = None) -> set[str]:
    """Returns the values that are not in the table, after these transforms."""
    rule = Rule.model_validate(
        {
            "target": "title",
            "source": AttributeSource(attribute="office"),
            "transforms": (*transforms, table or ValueTable(table=OFFICES)),
            "when": Condition(expression=when) if when else None,
        }
    )
    found = TableCheck(MappingDocument(rules=(rule,))).find({"office": value})
    assert {one.target for one in found} <= {"title"}
    return {one.value for one in found}


@pytest.mark.parametrize("value", ["Kiel", 1, True, None, "", ("Kiel", None), ()])
def test_value_in_the_table_fits(value: Value) -> None:
    """An empty value passes through a table."""
    assert find(value) == set()


def test_value_that_is_not_in_the_table_is_found() -> None:
    """As the table would have to name it."""
    assert find("Bonn") == {"Bonn"}
    assert find(2) == {"2"}
    assert find(("Kiel", "Bonn", "Ulm")) == {"Bonn", "Ulm"}


@pytest.mark.parametrize("otherwise", ["keep", "missing", "reject"])
def test_treatment_of_the_value_makes_no_difference(otherwise: str) -> None:
    """An administrator may want to complete the table in each case."""
    table = ValueTable.model_validate({"table": OFFICES, "otherwise": otherwise})

    assert find("Bonn", table=table) == {"Bonn"}


def test_value_is_that_before_the_table() -> None:
    """After the transforms before it."""
    assert find(" bonn ; Kiel", Split(separator=";"), Trim(), Upper()) == {"BONN", "KIEL"}


def test_case_is_ignored_if_the_table_ignores_it() -> None:
    """Keys and values are compared without their case."""
    assert find("KIEL", table=ValueTable(table=OFFICES, ignore_case=True)) == set()
    assert find("KIEL") == {"KIEL"}


def test_rule_that_does_not_apply_looks_up_nothing() -> None:
    """Its condition is false."""
    assert find("Bonn", when='office == "Ulm"') == set()
    assert find("Bonn", when='office == "Bonn"') == {"Bonn"}


def test_unknown_attribute_and_rules_without_table() -> None:
    """Nothing is looked up."""
    table = Rule(target="title", source=AttributeSource(attribute="office"), transforms=(ValueTable(table=OFFICES),))
    other = Rule(target="nickName", source=ConstantSource(value="Bonn"))

    assert TableCheck(MappingDocument(rules=(table, other))).find({}) == frozenset()
    assert TableCheck(MappingDocument(rules=(other,))).find({"office": "Bonn"}) == frozenset()


def test_tables_of_several_rules_are_kept_apart() -> None:
    """The same value can be missing in one table and present in another."""
    rules = tuple(
        Rule(target=target, source=AttributeSource(attribute="office"), transforms=(ValueTable(table=table),))
        for target, table in (("title", OFFICES), ("nickName", {"Bonn": "B"}))
    )

    assert TableCheck(MappingDocument(rules=rules)).find({"office": "Bonn"}) == {UnmatchedValue("title", "Bonn")}


@pytest.mark.parametrize(
    "value", [10**400, ("Bonn", 10**400), "x" * 10_001, tuple(map(str, range(1_001))), ("x" * 10_000, "yy")]
)
def test_value_that_no_table_takes_is_left_out(value: Value) -> None:
    """The rule rejects the employee for its size. It ends no preview of the others."""
    assert find(value) == set()


def test_rules_that_take_too_long_are_not_evaluated_further() -> None:
    """As in the mapper: each employee has a limited time."""
    rules = tuple(
        Rule(
            target=target,
            source=ExpressionSource(expression="office"),
            transforms=(ValueTable(table=OFFICES, otherwise="keep"),) * 3,
        )
        for target in ("title", "nickName")
    )
    seconds = itertools.count(step=MAX_SECONDS)
    check = TableCheck(MappingDocument(rules=rules), lambda: next(seconds))

    assert check.find({"office": "Bonn"}) == {UnmatchedValue("title", "Bonn"), UnmatchedValue("nickName", "Bonn")}
    assert next(seconds) == 4 * MAX_SECONDS
