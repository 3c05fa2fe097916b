"""The compatibility of the events: compares their JSON schemas with the agreed ones in ``tests/golden/schemas``.

``python -m tests.unit.contracts.schemas`` accepts added optional fields and rejects every other change.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tests.unit.contracts.golden import CONTRACTS, GOLDEN, Contract, get_version

Schema: TypeAlias = dict[str, Any]

FOLDER = GOLDEN / "schemas"
PROSE = ("title", "description")
NAMES = ("properties", "$defs")
"""Keywords with members that the product names. New members are allowed, and a member may have the name of a keyword."""


def get_file(contract: Contract) -> Path:
    """Returns the file of the agreed schema."""
    return FOLDER / f"{contract.__name__}.v{get_version(contract)}.json"


def build_schema(contract: Contract) -> Schema:
    """Returns the schema that readers apply, without titles and descriptions."""
    return remove_prose(contract.model_json_schema())


def remove_prose(schema: Schema) -> Schema:
    """Returns the schema without titles and descriptions."""
    return {
        key: {name: remove_prose(member) for name, member in value.items()}
        if key in NAMES
        else _remove_prose_from_value(value)
        for key, value in schema.items()
        if key not in PROSE
    }


def _remove_prose_from_value(value: Any) -> Any:
    if isinstance(value, dict):
        return remove_prose(value)
    return [_remove_prose_from_value(entry) for entry in value] if isinstance(value, list) else value


def find_breaches(old: Mapping[str, Any], new: Mapping[str, Any], location: str = "") -> Iterator[str]:
    """Yields every difference except added optional fields."""
    may_grow = location.rpartition(".")[2] in NAMES
    for key in old.keys() | new.keys():
        path = f"{location}.{key}".lstrip(".")
        if key not in new:
            yield f"{path} was removed"
        elif key not in old:
            if not may_grow and key not in NAMES:
                yield f"{path} was added"
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from find_breaches(old[key], new[key], path)
        elif old[key] != new[key]:
            yield f"{path} was {json.dumps(old[key])} and is {json.dumps(new[key])}"


def format_schema(schema: Schema) -> str:
    """Returns the content of the file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def describe_difference(contract: Contract, old: Schema) -> str | None:
    """Returns how the contract differs from the agreed schema and what to do; None if it does not differ."""
    new = build_schema(contract)
    if new == old:
        return None
    name = f"{contract.__name__} v{get_version(contract)}"
    breaches = sorted(find_breaches(old, new))
    if not breaches:
        return (
            f"{name} has new optional fields: accept them with `.venv/bin/python -m tests.unit.contracts.schemas`, "
            "add a golden example that has them, and run `make docs`."
        )
    head = f"{name} no longer fits the records in Kafka or the other versions of the services:"
    advice = (
        "A version may get optional fields only. Undo the change, or add a new version. It has a class, a topic and "
        "golden examples of its own, beside the old ones until their records have expired."
    )
    return "\n  ".join([head, *breaches, advice])


def main() -> int:
    """Updates the agreed schemas; returns 1 if a contract has another change than added optional fields."""
    FOLDER.mkdir(exist_ok=True)
    exit_code = 0
    for contract in CONTRACTS:
        file, schema = get_file(contract), build_schema(contract)
        old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else schema
        if list(find_breaches(old, schema)):
            print(describe_difference(contract, old), file=sys.stderr)
            exit_code = 1
        else:
            file.write_text(format_schema(schema), encoding="utf-8")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
