"""Every recorded event stays readable, and reading it loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.contracts.dead_letters import DeadLetter
from services.contracts.events import Event
from tests.unit.contracts.golden import CONTRACTS, EVENT_FILES, Contract, find_contract, format_name, get_folder


def write_again(contract: Contract, text: str) -> dict[str, Any]:
    """Returns what the contract writes after it has read an example, without fields that the example lacks."""
    if issubclass(contract, Event):
        event = contract.model_validate_json(text)
        content: dict[str, Any] = json.loads(event.model_dump_json(exclude_unset=True))
        return content
    headers = [(name, value.encode()) for name, value in json.loads(text).items()]
    record = DeadLetter.from_headers(headers).to_record(None, b"")
    return {name: value.decode() for name, value in record.headers}


@pytest.mark.parametrize("file", EVENT_FILES, ids=format_name)
def test_golden_example_is_written_as_it_was_read(file: Path) -> None:
    """Field order counts as well: the bytes of an event that is sent again depend on it."""
    text = file.read_text(encoding="utf-8")

    assert json.dumps(write_again(find_contract(file), text), indent=2, ensure_ascii=False) + "\n" == text


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_golden_examples_have_every_field_and_member(contract: Contract) -> None:
    """A new field, intent or outcome needs an example."""
    usage = Usage()
    for file in get_folder(contract).glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        usage.collect({name.removeprefix("dl_"): value for name, value in content.items()})

    schema = contract.model_json_schema()
    missing = {name for part in list_objects(schema) for name in part["properties"] if name not in usage.keys}
    unused = {member for part in list_enums(schema) for member in part if member not in usage.strings}

    assert missing == set()
    assert unused - NOT_DEAD_LETTERED == set()


NOT_DEAD_LETTERED = {"declaree.accounts.outcomes.v1", "sync.dead-letters.v1"}
"""Topics without a service that reads them, so that their records cannot become dead letters."""


class Usage:
    """The keys and the strings that occur in JSON documents."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.strings: set[str] = set()

    def collect(self, value: Any) -> None:
        """Adds the keys and the strings of a value."""
        if isinstance(value, dict):
            self.keys |= value.keys()
            for member in value.values():
                self.collect(member)
        elif isinstance(value, list):
            for entry in value:
                self.collect(entry)
        elif isinstance(value, str):
            self.strings.add(value)


def list_objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in (schema, *schema.get("$defs", {}).values()) if "properties" in part]


def list_enums(schema: dict[str, Any]) -> list[list[str]]:
    return [part["enum"] for part in schema.get("$defs", {}).values() if "enum" in part]


@pytest.mark.parametrize(
    "file", [file for file in EVENT_FILES if find_contract(file) is not DeadLetter], ids=format_name
)
def test_golden_example_fits_the_schema(file: Path) -> None:
    """Other programs read the events by the schema, so another implementation checks it."""
    event = json.loads(file.read_text(encoding="utf-8"))

    Draft202012Validator(find_contract(file).model_json_schema()).validate(event)
