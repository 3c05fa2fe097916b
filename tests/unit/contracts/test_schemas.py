"""A version of an event gets optional fields only, so that all services and all recorded events fit together."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from services.contracts.events import AccountRequested, EmployeeChanged
from tests.unit.contracts.golden import CONTRACTS, Contract
from tests.unit.contracts.schemas import (
    FOLDER,
    Schema,
    build_schema,
    describe_difference,
    find_breaches,
    format_schema,
    get_file,
    remove_prose,
)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_schema_equals_the_agreed_one(contract: Contract) -> None:
    """A difference says what to do."""
    problem = describe_difference(contract, json.loads(get_file(contract).read_text(encoding="utf-8")))

    assert problem is None, problem


def test_every_agreed_schema_has_a_contract() -> None:
    """Removing a contract needs the removal of its schema."""
    assert sorted(FOLDER.iterdir()) == sorted(map(get_file, CONTRACTS))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_agreed_schema_has_the_format_of_the_tool(contract: Contract) -> None:
    """The next update then shows real differences only."""
    text = get_file(contract).read_text(encoding="utf-8")

    assert format_schema(json.loads(text)) == text


# ------------------------------------------------------------ compatible and incompatible changes


def _add_optional_field(schema: Schema) -> None:
    schema["properties"]["added_later"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def _add_nested_optional_field(schema: Schema) -> None:
    schema["$defs"]["DesiredAccount"]["properties"]["unit"] = {"type": "string", "default": ""}


def _add_optional_object(schema: Schema) -> None:
    schema["$defs"]["Added"] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema["properties"]["added_later"] = {"anyOf": [{"$ref": "#/$defs/Added"}, {"type": "null"}], "default": None}


@pytest.mark.parametrize("change", [_add_optional_field, _add_nested_optional_field, _add_optional_object])
def test_added_optional_field_is_compatible(change: Callable[[Schema], None]) -> None:
    """Older readers ignore it, and older records have its default."""
    old = build_schema(AccountRequested)
    new = deepcopy(old)

    change(new)

    assert list(find_breaches(old, new)) == []


def _remove_field(schema: Schema) -> None:
    del schema["properties"]["changed"]


def _rename_field(schema: Schema) -> None:
    schema["properties"]["person_id"] = schema["properties"].pop("employee_id")


def _change_type(schema: Schema) -> None:
    schema["properties"]["revision"]["type"] = "string"


def _change_nested_type(schema: Schema) -> None:
    schema["$defs"]["ChangeKind"]["type"] = "integer"


def _add_required_field(schema: Schema) -> None:
    schema["properties"]["added_later"] = {"type": "string"}
    schema["required"].append("added_later")


def _require_optional_field(schema: Schema) -> None:
    schema["required"].append("changed")


def _add_enum_member(schema: Schema) -> None:
    schema["$defs"]["ChangeKind"]["enum"].append("merged")


def _add_minimum_length(schema: Schema) -> None:
    schema["properties"]["employee_id"]["minLength"] = 1


def _change_default(schema: Schema) -> None:
    schema["properties"]["source_modified_at"]["default"] = "text"


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (_remove_field, "properties.changed was removed"),
        (_rename_field, "properties.employee_id was removed"),
        (_change_type, 'properties.revision.type was "integer" and is "string"'),
        (_change_nested_type, "$defs.ChangeKind.type was"),
        (_add_required_field, "required was"),
        (_require_optional_field, "required was"),
        (_add_enum_member, "$defs.ChangeKind.enum was"),
        (_add_minimum_length, "properties.employee_id.minLength was added"),
        (_change_default, "properties.source_modified_at.default was"),
    ],
)
def test_other_change_is_named_as_incompatible(change: Callable[[Schema], None], start: str) -> None:
    """The message names the location of the change."""
    old = build_schema(EmployeeChanged)
    new = deepcopy(old)

    change(new)

    assert any(breach.startswith(start) for breach in find_breaches(old, new)), list(find_breaches(old, new))


class WithAddedField(EmployeeChanged):
    """An event with one more optional field."""

    added_later: str | None = None


class WithOtherReason(AccountRequested):
    """An event with another type of one field."""

    reason: int | None = None  # type: ignore[assignment]


def test_message_for_an_added_field_says_what_to_do() -> None:
    """The developer learns the command that accepts it."""
    message = describe_difference(WithAddedField, build_schema(EmployeeChanged))

    assert message is not None
    assert "has new optional fields" in message
    assert "python -m tests.unit.contracts.schemas" in message


def test_message_for_an_incompatible_change_says_what_to_do() -> None:
    """The developer learns the location and the way out."""
    message = describe_difference(WithOtherReason, build_schema(AccountRequested))

    assert message is not None
    assert "properties.reason.anyOf was" in message
    assert "add a new version" in message


def test_prose_is_not_part_of_the_schema() -> None:
    """Titles and descriptions may change at any time."""
    schema: dict[str, Any] = {"title": "T", "description": "old", "properties": {"title": {"description": "a field"}}}

    assert remove_prose(schema) == {"properties": {"title": {}}}
