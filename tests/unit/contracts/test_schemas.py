"""An event may only get optional fields: older and newer services, and what is recorded, must fit together."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from services.contracts.events import AccountRequested, EmployeeChanged
from tests.unit.contracts.golden import CONTRACTS, Contract
from tests.unit.contracts.schemas import FOLDER, Schema, as_text, bare, breaches, file_of, schema_of, verdict


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_the_schema_is_the_one_that_was_agreed(contract: Contract) -> None:
    problem = verdict(contract, json.loads(file_of(contract).read_text(encoding="utf-8")))
    assert problem is None, problem


def test_every_agreed_schema_still_has_its_contract() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(map(file_of, CONTRACTS))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_a_snapshot_is_written_as_the_tool_writes_it(contract: Contract) -> None:
    text = file_of(contract).read_text(encoding="utf-8")
    assert as_text(json.loads(text)) == text


# ------------------------------------------------------------ what counts as a breach


def _with_optional_field(schema: Schema) -> None:
    schema["properties"]["added_later"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def _with_optional_field_below(schema: Schema) -> None:
    schema["$defs"]["Attribute"]["properties"]["unit"] = {"type": "string", "default": ""}


def _with_optional_object(schema: Schema) -> None:
    schema["$defs"]["Added"] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema["properties"]["added_later"] = {"anyOf": [{"$ref": "#/$defs/Added"}, {"type": "null"}], "default": None}


@pytest.mark.parametrize("change", [_with_optional_field, _with_optional_field_below, _with_optional_object])
def test_an_optional_field_may_be_added(change: Callable[[Schema], None]) -> None:
    old = schema_of(EmployeeChanged)
    new = deepcopy(old)
    change(new)
    assert list(breaches(old, new)) == []


def _removed(schema: Schema) -> None:
    del schema["properties"]["changed"]


def _renamed(schema: Schema) -> None:
    schema["properties"]["person_id"] = schema["properties"].pop("employee_id")


def _another_type(schema: Schema) -> None:
    schema["properties"]["revision"]["type"] = "string"


def _another_type_below(schema: Schema) -> None:
    schema["$defs"]["Attribute"]["properties"]["label"] = {"type": "integer"}


def _required(schema: Schema) -> None:
    schema["properties"]["added_later"] = {"type": "string"}
    schema["required"].append("added_later")


def _no_longer_optional(schema: Schema) -> None:
    schema["required"].append("changed")


def _another_word(schema: Schema) -> None:
    schema["$defs"]["Kind"]["enum"].append("merged")


def _stricter(schema: Schema) -> None:
    schema["properties"]["employee_id"]["minLength"] = 1


def _another_default(schema: Schema) -> None:
    schema["$defs"]["Attribute"]["properties"]["type"]["default"] = "text"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_removed, "properties.changed is gone"),
        (_renamed, "properties.employee_id is gone"),
        (_another_type, 'properties.revision.type was "integer" and is "string"'),
        (_another_type_below, "$defs.Attribute.properties.label"),
        (_required, "required was"),
        (_no_longer_optional, "required was"),
        (_another_word, "$defs.Kind.enum was"),
        (_stricter, "properties.employee_id.minLength is new"),
        (_another_default, "$defs.Attribute.properties.type.default was"),
    ],
)
def test_every_other_change_is_a_breach_and_is_named(change: Callable[[Schema], None], named: str) -> None:
    old = schema_of(EmployeeChanged)
    new = deepcopy(old)
    change(new)
    assert any(breach.startswith(named) for breach in breaches(old, new)), list(breaches(old, new))


class WithMore(EmployeeChanged):
    added_later: str | None = None


class WithoutReason(AccountRequested):
    reason: int | None = None  # type: ignore[assignment]


def test_who_adds_an_optional_field_is_told_how_to_take_it_over() -> None:
    told = verdict(WithMore, schema_of(EmployeeChanged))
    assert told is not None
    assert "has new optional fields" in told
    assert "python -m tests.unit.contracts.schemas" in told


def test_who_breaks_a_contract_is_told_what_is_broken_and_what_to_do() -> None:
    told = verdict(WithoutReason, schema_of(AccountRequested))
    assert told is not None
    assert "properties.reason.anyOf was" in told
    assert "make a new version" in told


def test_prose_may_change_at_any_time() -> None:
    schema: dict[str, Any] = {"title": "T", "description": "old", "properties": {"title": {"description": "a field"}}}
    assert bare(schema) == {"properties": {"title": {}}}
