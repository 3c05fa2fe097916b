"""Every recorded event stays readable, and what is read from it is all that stood there."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.contracts.envelope import DeadLetter
from services.contracts.events import Event
from tests.unit.contracts.golden import CONTRACTS, EVENT_FILES, Contract, contract_of, folder_of, name_of


def again(contract: Contract, text: str) -> dict[str, Any]:
    """What the contract makes of a golden example, without the fields that were not in it."""
    if issubclass(contract, Event):
        event = contract.model_validate_json(text)
        answer: dict[str, Any] = json.loads(event.model_dump_json(exclude_unset=True))
        return answer
    headers = [(name, value.encode()) for name, value in json.loads(text).items()]
    record = DeadLetter.from_headers(headers).to_record(None, b"")
    return {name: value.decode() for name, value in record.headers}


@pytest.mark.parametrize("file", EVENT_FILES, ids=name_of)
def test_a_golden_example_is_read_and_written_again_as_it_was(file: Path) -> None:
    """Also in the order of its fields, on which the bytes of an event that is sent again depend."""
    text = file.read_text(encoding="utf-8")
    assert json.dumps(again(contract_of(file), text), indent=2, ensure_ascii=False) + "\n" == text


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_the_golden_examples_show_every_field_and_every_word_of_a_contract(contract: Contract) -> None:
    """Of a field that is added, of a new intent or outcome too, there has to be an example."""
    shown = Shown()
    for file in folder_of(contract).glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        shown.take({name.removeprefix("dl_"): value for name, value in content.items()})
    schema = contract.model_json_schema()
    missing = {name for part in _objects(schema) for name in part["properties"] if name not in shown.keys}
    unused = {word for part in _enums(schema) for word in part if word not in shown.texts}
    assert (missing, unused - NOT_DEAD_LETTERED) == (set(), set())


NOT_DEAD_LETTERED = {"declaree.accounts.outcomes.v1", "sync.dead-letters.v1"}
"""Topics that no service reads, so that no record of them can become a dead letter."""


class Shown:
    """The names of members and the texts that occur anywhere in JSON documents."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.texts: set[str] = set()

    def take(self, value: Any) -> None:
        if isinstance(value, dict):
            self.keys |= value.keys()
            for member in value.values():
                self.take(member)
        elif isinstance(value, list):
            for entry in value:
                self.take(entry)
        elif isinstance(value, str):
            self.texts.add(value)


def _objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in (schema, *schema.get("$defs", {}).values()) if "properties" in part]


def _enums(schema: dict[str, Any]) -> list[list[str]]:
    return [part["enum"] for part in schema.get("$defs", {}).values() if "enum" in part]


@pytest.mark.parametrize("file", [file for file in EVENT_FILES if contract_of(file) is not DeadLetter], ids=name_of)
def test_a_golden_example_fits_the_published_schema(file: Path) -> None:
    """The schema is what others read our events by, so it is held against them by somebody else's code."""
    Draft202012Validator(contract_of(file).model_json_schema()).validate(json.loads(file.read_text(encoding="utf-8")))
