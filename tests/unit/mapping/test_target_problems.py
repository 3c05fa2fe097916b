"""What is wrong with the targets of a mapping, and what to write instead."""

import time
from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.fields import MAX_FIELDS, FieldCatalogue, FieldOrigin, FieldType, TargetField
from services.contracts.mappings import AttributeSource, ConstantSource, MappingDocument, Rule, default_mapping
from services.contracts.targets import ENTERPRISE, MANAGER
from services.contracts.transforms import Transform, Trim
from services.mapping.target_fields import build_field_catalogue
from services.mapping.target_problems import TargetProblem, TargetProblemKind, find_target_problems
from tests.support.builders import CONNECTION, NOW
from tests.unit.contracts.strategies import mappings, repeatable

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
LISTED = (
    TargetField(path="name.givenName", label_en="", label_de=""),
    TargetField(path="title", label_en="", label_de=""),
    TargetField(path=f"{ENTERPRISE}:costCenter", label_en="", label_de=""),
    TargetField(path=f"{OWN}:assistants", label_en="", label_de="", is_multi_valued=True),
    TargetField(path=f"{OWN}:fixed", label_en="", label_de="", type=FieldType.BOOLEAN),
    TargetField(path=f"{OWN}:count", label_en="", label_de="", type=FieldType.INTEGER),
    TargetField(path=f"{OWN}:share", label_en="", label_de="", type=FieldType.DECIMAL),
    TargetField(path=f"{OWN}:until", label_en="", label_de="", type=FieldType.DATE),
    TargetField(path=f"{OWN}:money", label_en="", label_de="", type=FieldType.UNKNOWN),
    TargetField(path=f"{OWN}:policy", label_en="", label_de="", values=("standard", "Executive")),
    TargetField(path=f"{OWN}:policies", label_en="", label_de="", values=("a", "b"), is_multi_valued=True),
    TargetField(path=f"{OWN}:number", label_en="", label_de="", is_writable=False),
)
CATALOGUE = build_field_catalogue(CONNECTION, LISTED, None, NOW)
UNLISTED = build_field_catalogue(CONNECTION, (), None, NOW)
"""The catalogue of a server without schemas."""
SOURCES = SourceCatalogue(
    connection_id=CONNECTION,
    attributes=(
        SourceAttribute(key="dynamic_1", label="", type="tags"),
        SourceAttribute(key="dynamic_2", label="", type="list"),
    ),
)


def make_rule(target: str, source: Any = "position", *transforms: dict[str, Any]) -> Rule:
    """Returns a rule with an attribute as source, or with a constant in a list of one element."""
    chosen = AttributeSource(attribute=source) if isinstance(source, str) else ConstantSource(value=source[0])
    parsed = tuple(TypeAdapter[Transform](Transform).validate_python(transform) for transform in transforms)
    return Rule(target=target, source=chosen, transforms=parsed)


def find(*rules: Rule, catalogue: FieldCatalogue = CATALOGUE) -> tuple[TargetProblem, ...]:
    """Returns the problems of these rules."""
    return find_target_problems(MappingDocument(rules=rules), catalogue, SOURCES)


def find_kinds(*rules: Rule) -> list[str]:
    """Returns the kinds of the problems of these rules."""
    return [problem.kind.value for problem in find(*rules)]


@pytest.mark.parametrize("catalogue", [CATALOGUE, UNLISTED])
def test_default_mapping_has_no_problems(catalogue: FieldCatalogue) -> None:
    """The manager is written as the id of an account."""
    assert find_target_problems(default_mapping(), catalogue, None) == ()


# ------------------------------------------------------------ unknown targets


@pytest.mark.parametrize(
    ("target", "suggestion"),
    [
        (f"{ENTERPRISE}:costCentre", f"{ENTERPRISE}:costCenter"),
        ("costCenter", f"{ENTERPRISE}:costCenter"),
        ("cost_center", f"{ENTERPRISE}:costCenter"),
        ("urn:other:2.0:User:department", f"{ENTERPRISE}:department"),
        ("givenName", "name.givenName"),
        ("name", "name.givenName"),
        ("phoneNumbers", 'phoneNumbers[type eq "mobile"].value'),
        ('phoneNumbers[type eq "mobil"].value', 'phoneNumbers[type eq "mobile"].value'),
        ("titles", "title"),
    ],
)
def test_unknown_target_is_named_with_a_similar_field(target: str, suggestion: str) -> None:
    """A rule with a wrong path fails for every employee."""
    (problem,) = find(make_rule("title"), make_rule(target))

    assert problem.rule == 2
    assert problem.target == target
    assert problem.kind is TargetProblemKind.UNKNOWN
    assert f"write {suggestion} if this is meant" in problem.describe()
    assert problem.describe().startswith(f"rule 2 ({target}): unknown field")


def test_unknown_target_without_a_similar_field_names_the_list() -> None:
    """It may exist, because the documentation is incomplete."""
    (problem,) = find(make_rule("urn:x:2.0:User:zzzzzz"))

    assert problem.text.endswith(f"compare it with `mapping fields {CONNECTION}`")


def test_read_only_field_is_not_suggested() -> None:
    """A rule could not write it either."""
    (problem,) = find(make_rule(f"{OWN}:numbers"))

    assert f"{OWN}:number" not in problem.text


def test_server_without_schemas_has_documented_targets() -> None:
    """The reason says that the server lists nothing."""
    (problem,) = find(make_rule(f"{OWN}:code"), make_rule("locale"), catalogue=UNLISTED)

    assert problem.kind is TargetProblemKind.UNKNOWN
    assert "the server does not list its fields" in problem.text


def test_server_that_was_not_asked_is_asked_first() -> None:
    """Before `connections check`, only the documented fields are known: the field may well exist."""
    catalogue = UNLISTED.model_copy(update={"asked_at": None})

    (problem,) = find(make_rule("urn:x:2.0:User:zzzzzz"), catalogue=catalogue)

    assert "the server was not yet asked for its fields" in problem.text
    assert problem.text.endswith(f"ask it with `connections check {CONNECTION}`")


def test_documented_target_need_not_be_listed() -> None:
    """Servers store more than they list."""
    field = CATALOGUE.find("locale")

    assert field is not None
    assert field.origin is FieldOrigin.DOCUMENTED
    assert find_kinds(make_rule("locale")) == []


# ------------------------------------------------------------ fields that exist


def test_read_only_target_is_a_problem_of_its_own() -> None:
    """Its values do not matter."""
    assert find_kinds(make_rule(f"{OWN}:number", [7])) == ["read_only"]


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("title", "x", True),
        ("title", 7, False),
        ("title", True, False),
        ("title", None, True),
        (f"{OWN}:fixed", True, True),
        (f"{OWN}:fixed", "true", False),
        (f"{OWN}:fixed", 1, False),
        (f"{OWN}:count", 7, True),
        (f"{OWN}:count", 2**70, True),
        (f"{OWN}:count", 7.0, True),
        (f"{OWN}:count", 7.5, False),
        (f"{OWN}:count", float("inf"), False),
        (f"{OWN}:count", True, False),
        (f"{OWN}:count", "7", False),
        (f"{OWN}:share", 7, True),
        (f"{OWN}:share", 0.5, True),
        (f"{OWN}:share", False, False),
        (f"{OWN}:share", "0.5", False),
        (f"{OWN}:until", "2026-11-30", True),
        (f"{OWN}:until", "2026-11-30T08:00:00Z", True),
        (f"{OWN}:until", "30.11.2026", False),
        (f"{OWN}:until", 20261130, False),
        (f"{OWN}:money", 7, True),
        (f"{OWN}:assistants", ("a", "b"), True),
        (f"{OWN}:assistants", ("a", 7), False),
    ],
)
def test_constant_of_another_type_is_found(field: str, value: Any, *, fits: bool) -> None:
    """RFC 7643, section 2.3. Every value fits an unknown type."""
    assert find_kinds(make_rule(field, [value])) == ([] if fits else ["type"])


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("policy", "standard", True),
        ("policy", "EXECUTIVE", True),
        ("policy", "premium", False),
        ("policies", ("a", "b"), True),
        ("policies", ("a", "c"), False),
    ],
)
def test_constant_outside_the_allowed_values_is_found(field: str, value: Any, *, fits: bool) -> None:
    """SCIM compares texts without regard to case."""
    assert find_kinds(make_rule(f"{OWN}:{field}", [value])) == ([] if fits else ["value"])


def test_problem_names_the_wrong_values_and_the_right_ones() -> None:
    """The author of the mapping corrects it without the list of fields."""
    table = {"kind": "value_table", "table": {"1": "standard", "2": "prem\nium", "3": 7, "4": "x" * 100}}

    wrong_type, wrong_value = find(make_rule(f"{OWN}:policy", "position", table))

    assert wrong_type.text == "the rule writes values that are not texts (7): write them in quotes"
    assert wrong_value.text == (
        f'the rule writes values that the server does not list ("prem\\nium", "{"x" * 59}…): '
        'write one of "standard", "Executive"'
    )


def test_long_list_of_wrong_values_is_shortened() -> None:
    """A value table has as many entries as a company has cost centres."""
    table = {"kind": "value_table", "table": {str(number): number for number in range(300)}}

    (problem,) = find(make_rule("title", "position", table))

    assert "8, 9, and 290 more" in problem.text


@pytest.mark.parametrize(
    ("transforms", "kinds"),
    [
        pytest.param([{"kind": "default", "value": "premium"}], ["value"], id="default"),
        pytest.param([{"kind": "default", "value": "Standard"}, {"kind": "lower"}], [], id="default in lowercase"),
        pytest.param(
            [{"kind": "value_table", "table": {"a": "standard ", "b": None}}, {"kind": "trim"}], [], id="trimmed"
        ),
        pytest.param([{"kind": "value_table", "table": {"a": "premium"}}], ["value"], id="entry of a table"),
        pytest.param(
            [
                {"kind": "value_table", "table": {"a": "b"}},
                {"kind": "value_table", "table": {"b": "standard"}, "otherwise": "missing"},
            ],
            [],
            id="table after a table",
        ),
        pytest.param(
            [{"kind": "default", "value": "x"}, {"kind": "value_table", "table": {"a": "standard"}}],
            [],
            id="default that the table rejects",
        ),
        pytest.param(
            [{"kind": "value_table", "table": {"a": "premium"}}, {"kind": "date_format"}], [], id="not a date"
        ),
        pytest.param([{"kind": "trim"}], [], id="value of Personio"),
    ],
)
def test_values_that_transforms_make_are_checked(transforms: list[dict[str, Any]], kinds: list[str]) -> None:
    """Values of Personio are unknown."""
    assert find_kinds(make_rule(f"{OWN}:policy", "position", *transforms)) == kinds


@pytest.mark.parametrize("value", ["a", ""])
def test_table_does_not_change_a_constant_beyond_its_entry(value: str) -> None:
    """The other entries of the table are never used. An empty constant writes nothing."""
    table = {"kind": "value_table", "table": {"a": "standard", "b": "premium"}, "otherwise": "missing"}

    assert find_kinds(make_rule(f"{OWN}:policy", [value], table)) == []


# ------------------------------------------------------------ lists


@pytest.mark.parametrize(
    ("source", "target", "is_problem"),
    [
        ("cost_centers.name", f"{ENTERPRISE}:costCenter", True),
        ("absence_entitlement.id", "title", True),
        ("dynamic_1", "title", True),
        ("dynamic_2", "title", False),
        ("office.name", "title", False),
        ("unknown", "title", False),
        ("dynamic_1", f"{OWN}:assistants", False),
        ("cost_centers.name", f"{OWN}:assistants", False),
    ],
)
def test_several_values_for_a_field_with_one_are_found(source: str, target: str, *, is_problem: bool) -> None:
    """The server refuses them, or keeps one of them."""
    assert find_kinds(make_rule(target, source, {"kind": "trim"})) == (["list"] if is_problem else [])


def test_list_names_the_attribute_and_the_next_step() -> None:
    """Without the source catalogue, attributes that are lists in every company are known."""
    rules = (make_rule(f"{ENTERPRISE}:costCenter", "cost_centers.name"), make_rule("title", "dynamic_1"))

    (problem,) = find_target_problems(MappingDocument(rules=rules), CATALOGUE)

    assert problem.text == (
        "cost_centers.name has several values, and the field has one: "
        "add the transform `first` or `join`, or `largest_by` for the attribute, or read another attribute"
    )


@pytest.mark.parametrize(
    ("target", "value", "text"),
    [
        ("title", ("a",), "write a single value"),
        (f"{OWN}:assistants", "a", "write it in brackets"),
    ],
)
def test_constant_with_another_number_of_values_is_found(target: str, value: Any, text: str) -> None:
    """A server does not make a list of a value."""
    (problem,) = find(make_rule(target, [value]))

    assert problem.kind is TargetProblemKind.LIST
    assert problem.text.endswith(text)


# ------------------------------------------------------------ what is unknown


@pytest.mark.parametrize("value", [None, "", (), (None,)])
def test_empty_constant_has_no_number_of_values(value: Any) -> None:
    """It clears the field, or leaves it as it is."""
    assert find_kinds(make_rule(f"{OWN}:assistants", [value]), make_rule("title", [value])) == []


@pytest.mark.parametrize("source", ["cost_centers.name", [7]])
def test_nothing_is_said_behind_an_unknown_transform(source: Any) -> None:
    """It may make a text of a number, or one value of several."""
    rule = make_rule("title", source)
    unknown = Trim.model_construct(kind="of a newer version")  # type: ignore[arg-type]

    newer = {"transforms": (unknown,)}

    assert find_kinds(rule) != []
    assert find_kinds(rule.model_copy(update=newer)) == []
    assert find_kinds(make_rule(f"{OWN}:assistants", ["a"]).model_copy(update=newer)) == []


def test_nothing_is_said_about_an_unknown_source() -> None:
    """An expression may have any result."""
    rule = make_rule("title", "cost_centers.name").model_copy(update={"source": object()})

    assert find_kinds(rule) == []


def test_manager_is_not_compared_with_the_type_of_its_field() -> None:
    """Its value is the id of an employee until the writer knows the account."""
    assert find_kinds(make_rule(MANAGER, "cost_centers.id", {"kind": "default", "value": 7})) == []


def test_hostile_catalogue_takes_no_time() -> None:
    """The names of a server can be as similar as it likes."""
    paths = [f"{OWN}:{'ab' * 30}{number}" for number in range(MAX_FIELDS)]
    fields = tuple(TargetField(path=path, label_en="", label_de="") for path in paths)
    catalogue = CATALOGUE.model_copy(update={"fields": fields})
    rules = tuple(make_rule(f"{OWN}:{'ba' * 30}{number}") for number in range(300))

    began = time.process_time()
    problems = find(*rules, catalogue=catalogue)

    assert len(problems) == 300
    assert time.process_time() - began < 10


@repeatable
@given(mappings)
def test_any_mapping_is_compared_without_an_error(mapping: MappingDocument) -> None:
    """The numbers lead to the rules."""
    problems = find_target_problems(mapping, CATALOGUE, SOURCES)

    assert all(mapping.rules[problem.rule - 1].target == problem.target for problem in problems)
