"""``docs/events.md``: the events for people who read them."""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from docs.generators.contracts import CONTRACTS, GROUPS, Contract, default_of, meanings
from docs.generators.markdown import block, code, page, prose, slug, table
from services.contracts.envelope import HEADERS, Cause
from services.contracts.events import Intent, Kind, Outcome
from services.contracts.model import Value

WORDS: tuple[type[StrEnum], ...] = (Kind, Intent, Outcome, Cause)
SHOWN = {
    "EmployeeChanged": "changed",
    "AccountRequested": "provision",
    "AccountSynced": "created",
    "DeadLetter": "wrong-schema",
}
"""The golden example of each that tells most on a page."""

INTRODUCTION = """\
Everything the services tell each other goes through Kafka, and stays there for replays and for the operator's own
systems to read. The same for tools: [asyncapi.json](asyncapi.json). `KAFKA_TOPIC_PREFIX` stands before every name of
a topic or consumer group."""

ORDER = """\
The key of every event is `<connection>/<employee id>`, so that all about one person stands in one partition in its
order. Events come at least once, and an older one can come after a newer one (a replay, a retried dead letter). So
for each person keep the highest `revision` seen (and, once mapped, `mapping_version`), and pass over what is lower.
Personio's data is in the values: who may read these topics may read it."""

EVOLUTION = """\
Readers ignore fields that they do not know. A version of an event only ever gets optional fields, which
`tests/unit/contracts` holds against [agreed schemas](../tests/golden/schemas); whatever else changes is a new version,
on a topic of its own."""

VALUES = """\
A value of an attribute or field is a text, a number, a truth value, a list of these, or null. Its type is kept: the
text `"5"` is not the number `5`, and `1` is not `true`. Times are texts as in RFC 3339, with their zone."""

ENVELOPE = """\
Events are [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md)
in binary content mode: the attributes are headers, the value is the event as JSON. All headers are UTF-8. The same
event sent again is the same record, byte for byte, but for its cause."""


def text() -> str:
    return page(
        "Events",
        INTRODUCTION,
        _topics(),
        ORDER,
        EVOLUTION,
        "## Headers",
        ENVELOPE,
        table(("Header", "Meaning"), [(code(name), meaning) for name, meaning in HEADERS.items()]),
        *_words("Cause"),
        "## Values",
        VALUES,
        *(part for contract in CONTRACTS for part in _contract(contract)),
    )


def _topics() -> str:
    days = default_of("kafka_retention_days")
    rows = [
        (
            code(contract.topic.value),
            f"[{contract.name}](#{slug(contract.name)})",
            _names(contract.role.written_by),
            _names(f"{who} (group `{who}`)" if who in GROUPS else who for who in contract.role.read_by),
            f"{days} days",
        )
        for contract in CONTRACTS
    ]
    return table(("Topic", "Carries", "Written by", "Read by", "Kept for (`KAFKA_RETENTION_DAYS`)"), rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _contract(contract: Contract) -> Iterator[str]:
    yield f"## {contract.name}"
    yield prose(contract.model.__doc__)
    if contract.event is None:
        yield "The key is the original record's. Every field is a header, its name after `dl_`."
    else:
        yield f"`ce_type`: `{contract.event.ce_type}`, `ce_source`: `{contract.event.ce_source}`"
    schema = contract.model.model_json_schema()
    yield _fields(schema, "dl_" if contract.event is None else "")
    for name, part in schema.get("$defs", {}).items():
        if "properties" in part:
            yield f"### {name}"
            yield prose(part.get("description"))
            yield _fields(part)
        else:
            yield from _words(name)
    yield from _example(contract)


def _fields(schema: dict[str, Any], prefix: str = "") -> str:
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else code(json.dumps(field["default"]))
        rows.append((code(prefix + name), _kind(field), default, prose(field.get("description"))))
    return table(("Field", "Type", "Default", "Meaning"), rows)


def _kind(field: dict[str, Any]) -> str:
    """The type of a field in words."""
    match field:
        case {"anyOf": kinds} if kinds == _VALUE:
            words = "[value](#values)"
        case {"anyOf": kinds}:
            words = " or ".join(map(_kind, kinds))
        case {"$ref": reference}:
            name = str(reference).rpartition("/")[2]
            words = f"[{name}](#{slug(name)})" if name in _HEADINGS else "text"
        case {"const": value}:
            words = code(json.dumps(value))
        case {"type": "array", "items": items}:
            words = f"list of {_kind(items)}"
        case {"type": "object", "additionalProperties": values}:
            words = f"object of {_kind(values)}"
        case {"format": "date-time"}:
            words = "time"
        case _:
            words = _PLAIN[field["type"]]
    return words


_PLAIN = {"string": "text", "integer": "integer", "null": "null"}
_VALUE = TypeAdapter[Any](Value).json_schema()["anyOf"]
_HEADINGS = frozenset({"Attribute", "DesiredAccount", "ManagerReference", *(words.__name__ for words in WORDS)})


def _words(name: str) -> Iterator[str]:
    for words in WORDS:
        if words.__name__ == name:
            yield f"### {name}"
            yield prose(words.__doc__)
            yield table(("Value", "Meaning"), [(code(word), meaning) for word, meaning in meanings(words).items()])


def _example(contract: Contract) -> Iterator[str]:
    (example,) = (example for example in contract.examples() if example.name == SHOWN[contract.name])
    headers = "\n".join(f"{name}: {value}" for name, value in example.headers.items())
    yield f"One of [several examples](../tests/golden/events/{contract.name}):"
    yield block(headers)
    if example.payload is not None:
        yield block(json.dumps(example.payload, indent=2, ensure_ascii=False), "json")
