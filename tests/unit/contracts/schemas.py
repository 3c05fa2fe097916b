"""How the events may evolve: their JSON schemas beside the snapshots in ``tests/golden/schemas``.

``python -m tests.unit.contracts.schemas`` takes over what was added, and refuses everything else.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tests.unit.contracts.golden import CONTRACTS, GOLDEN, Contract, version_of

Schema: TypeAlias = dict[str, Any]

FOLDER = GOLDEN / "schemas"
PROSE = ("title", "description")
NAMES = ("properties", "$defs")
"""Keywords whose members are named by us: these may grow, and one of them may be called like a keyword."""


def file_of(contract: Contract) -> Path:
    return FOLDER / f"{contract.__name__}.v{version_of(contract)}.json"


def schema_of(contract: Contract) -> Schema:
    """What readers accept, without the prose."""
    return bare(contract.model_json_schema())


def bare(schema: Schema) -> Schema:
    return {
        key: {name: bare(member) for name, member in value.items()} if key in NAMES else _bare_value(value)
        for key, value in schema.items()
        if key not in PROSE
    }


def _bare_value(value: Any) -> Any:
    if isinstance(value, dict):
        return bare(value)
    return [_bare_value(entry) for entry in value] if isinstance(value, list) else value


def breaches(old: Mapping[str, Any], new: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What else has changed than that optional fields were added."""
    grows = place.rpartition(".")[2] in NAMES
    for key in old.keys() | new.keys():
        here = f"{place}.{key}".lstrip(".")
        if key not in new:
            yield f"{here} is gone"
        elif key not in old:
            if not grows and key not in NAMES:
                yield f"{here} is new"
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from breaches(old[key], new[key], here)
        elif old[key] != new[key]:
            yield f"{here} was {json.dumps(old[key])} and is {json.dumps(new[key])}"


def as_text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def verdict(contract: Contract, old: Schema) -> str | None:
    """None while the schema is the snapshot's, else what to do about it."""
    new = schema_of(contract)
    if new == old:
        return None
    name = f"{contract.__name__} v{version_of(contract)}"
    wrong = sorted(breaches(old, new))
    if not wrong:
        return (
            f"{name} has new optional fields. Take them over with `.venv/bin/python -m tests.unit.contracts.schemas`, "
            "add a golden example that has them, and run `make docs`."
        )
    head = f"{name} no longer fits what is recorded in Kafka or what other versions of the services read:"
    advice = (
        "A version may only get optional fields. Undo the change, or make a new version: a class, a topic and "
        "golden examples of its own, beside the old one for as long as its records are kept."
    )
    return "\n  ".join([head, *wrong, advice])


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    refused = 0
    for contract in CONTRACTS:
        file, schema = file_of(contract), schema_of(contract)
        old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else schema
        if list(breaches(old, schema)):
            print(verdict(contract, old), file=sys.stderr)
            refused = 1
        else:
            file.write_text(as_text(schema), encoding="utf-8")
    return refused


if __name__ == "__main__":
    sys.exit(main())
