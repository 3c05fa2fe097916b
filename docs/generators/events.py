"""Generates ``docs/events.md``: the events, for people."""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from docs.generators.contracts import CONTRACTS, GROUPS, Contract, get_default, read_member_docstrings
from docs.generators.markdown import build_page, build_table, format_block, format_code, format_docstring, make_anchor
from services.contracts.cloudevents import HEADERS, SendReason
from services.contracts.events import ChangeKind
from services.contracts.outcomes import Intent, Outcome
from services.contracts.values import Value

ENUMS: tuple[type[StrEnum], ...] = (ChangeKind, Intent, Outcome, SendReason)
"""Enumerations with a table of their own."""
EXAMPLES = {
    "EmployeeChanged": "changed",
    "AccountRequested": "provision",
    "AccountSynced": "created",
    "DeadLetter": "wrong-schema",
}
"""Name of the golden example that the page shows for each contract."""

INTRODUCTION = """\
The services exchange all data through Kafka. The records stay there for replays and for the operator's own systems.
[asyncapi.json](asyncapi.json) describes the same for tools. `KAFKA_TOPIC_PREFIX` is put before the name of every topic and
consumer group."""

ORDER = """\
The key of every event is `<connection>/<employee id>`, so that all events of one person are in one partition, in order.
An event is delivered at least once. An older event can follow a newer one, after a replay or the retry of a dead letter.
Readers therefore keep the highest `revision` of each person (after the mapping, also the `mapping_version`) and ignore
lower ones. The values contain Personio's data: every account that may read these topics may read that data."""

EVOLUTION = """\
Readers ignore fields that they do not know. A version of an event gets optional fields only; `tests/unit/contracts`
compares it with the [agreed schemas](../tests/golden/schemas). Any other change is a new version in a topic of its own."""

VALUES = """\
The value of an attribute or field is a string, a number, a boolean, a list of these, or null. Its type is kept: the
string `"5"` is not the number `5`, and `1` is not `true`. Times are strings in the form of RFC 3339, with their zone."""

ENVELOPE = """\
Events are [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md)
in binary content mode: the attributes are headers, the value is the event as JSON. All headers are UTF-8. An event that is
sent again is the same record, byte for byte, except for `ce_cause`.

A record without a value is a tombstone: the employee with this key was erased, see [privacy.md](privacy.md). A reader erases its own
copy and ignores the record otherwise. Dead letters have no tombstones."""


def generate() -> str:
    """Returns the page."""
    return build_page(
        "Events",
        INTRODUCTION,
        _build_topics(),
        ORDER,
        EVOLUTION,
        "## Headers",
        ENVELOPE,
        build_table(("Header", "Meaning"), [(format_code(name), meaning) for name, meaning in HEADERS.items()]),
        *_build_enum("SendReason"),
        "## Values",
        VALUES,
        *(part for contract in CONTRACTS for part in _build_contract(contract)),
    )


def _build_topics() -> str:
    days = get_default("kafka_retention_days")
    rows = [
        (
            format_code(contract.topic.value),
            f"[{contract.name}](#{make_anchor(contract.name)})",
            _join(contract.role.written_by),
            _join(f"{reader} (group `{reader}`)" if reader in GROUPS else reader for reader in contract.role.read_by),
            f"{days} days",
        )
        for contract in CONTRACTS
    ]
    return build_table(("Topic", "Carries", "Written by", "Read by", "Kept for (`KAFKA_RETENTION_DAYS`)"), rows)


def _join(names: Iterable[str]) -> str:
    return ", ".join(names)


def _build_contract(contract: Contract) -> Iterator[str]:
    yield f"## {contract.name}"
    yield format_docstring(contract.model.__doc__)
    if contract.event is None:
        yield "The key is that of the original record. Each field is a header; its name follows `dl_`."
    else:
        yield f"`ce_type`: `{contract.event.ce_type}`, `ce_source`: `{contract.event.ce_source}`"
    schema = contract.model.model_json_schema()
    yield _build_fields(schema, "dl_" if contract.event is None else "")
    for name, part in schema.get("$defs", {}).items():
        if "properties" in part:
            yield f"### {name}"
            yield format_docstring(part.get("description"))
            yield _build_fields(part)
        else:
            yield from _build_enum(name)
    yield from _build_example(contract)


def _build_fields(schema: dict[str, Any], prefix: str = "") -> str:
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else format_code(json.dumps(field["default"]))
        meaning = format_docstring(field.get("description"))
        rows.append((format_code(prefix + name), _describe_type(field), default, meaning))
    return build_table(("Field", "Type", "Default", "Meaning"), rows)


def _describe_type(field: dict[str, Any]) -> str:
    match field:
        case {"anyOf": types} if types == _VALUE:
            words = "[value](#values)"
        case {"anyOf": types}:
            words = " or ".join(map(_describe_type, types))
        case {"$ref": reference}:
            name = str(reference).rpartition("/")[2]
            words = f"[{name}](#{make_anchor(name)})" if name in _HEADINGS else "string"
        case {"const": value}:
            words = format_code(json.dumps(value))
        case {"type": "array", "items": items}:
            words = f"list of {_describe_type(items)}"
        case {"type": "object", "additionalProperties": values}:
            words = f"object of {_describe_type(values)}"
        case {"format": "date-time"}:
            words = "time"
        case _:
            words = str(field["type"])
    return words


_VALUE = TypeAdapter[Any](Value).json_schema()["anyOf"]
_HEADINGS = frozenset({"DesiredAccount", "ManagerReference", *(enumeration.__name__ for enumeration in ENUMS)})


def _build_enum(name: str) -> Iterator[str]:
    for enumeration in ENUMS:
        if enumeration.__name__ == name:
            yield f"### {name}"
            yield format_docstring(enumeration.__doc__)
            members = read_member_docstrings(enumeration).items()
            yield build_table(
                ("Value", "Meaning"), [(format_code(value), format_docstring(meaning)) for value, meaning in members]
            )


def _build_example(contract: Contract) -> Iterator[str]:
    (example,) = (example for example in contract.read_examples() if example.name == EXAMPLES[contract.name])
    headers = "\n".join(f"{name}: {value}" for name, value in example.headers.items())
    yield f"One of [several examples](../tests/golden/events/{contract.name}):"
    yield format_block(headers)
    if example.payload is not None:
        yield format_block(json.dumps(example.payload, indent=2, ensure_ascii=False), "json")
