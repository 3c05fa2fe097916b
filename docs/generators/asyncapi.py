"""``docs/asyncapi.json``: topics, keys, headers and payloads for tools, as an AsyncAPI 3.0 document.

FastStream makes such a document too, but it sees raw bytes with no schema, no key and no header: our subscribers
decode record by record, so that one that cannot be read does not spoil its batch.
Specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from docs.generators.contracts import CONTRACTS, GROUPS, Contract, Example, default_of
from docs.generators.markdown import prose
from services.contracts.envelope import CONTENT_TYPE, HEADERS, Cause
from services.contracts.events import Event

Document: TypeAlias = dict[str, Any]

BINDING = {"bindingVersion": "0.5.0"}
DAY_MS = 86_400_000


def document() -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {_channel_id(contract): _channel(contract) for contract in CONTRACTS},
        "operations": dict(operation for contract in CONTRACTS for operation in _operations(contract)),
        "components": {
            "messages": {contract.name: _message(contract) for contract in CONTRACTS},
            "schemas": _schemas(),
        },
    }


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _info() -> Document:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "title": project["name"],
        "version": project["version"],
        "description": f"{project['description']} The events, as CloudEvents 1.0 in Kafka's binary content mode. "
        "KAFKA_TOPIC_PREFIX stands before the name of every topic and consumer group.",
    }


def _channel_id(contract: Contract) -> str:
    return contract.topic.name.lower().replace("_", "-")


def _channel(contract: Contract) -> Document:
    retention = default_of("kafka_retention_days") * DAY_MS
    kafka = {
        "topic": contract.topic.value,
        "partitions": default_of("kafka_partitions"),
        "replicas": default_of("kafka_replication_factor"),
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": retention},
        **BINDING,
    }
    return {
        "address": contract.topic.value,
        "description": f"Carries {contract.role.carries}. Partitions, copies and retention are settings of `init`.",
        "messages": {contract.name: {"$ref": f"#/components/messages/{contract.name}"}},
        "bindings": {"kafka": kafka},
    }


def _operations(contract: Contract) -> Iterator[tuple[str, Document]]:
    for who in contract.role.written_by:
        yield _operation(contract, who, "send", "sends")
    for who in contract.role.read_by:
        yield _operation(contract, who, "receive", "receives")


def _operation(contract: Contract, who: str, action: str, verb: str) -> tuple[str, Document]:
    channel = f"#/channels/{_channel_id(contract)}"
    operation: Document = {
        "action": action,
        "summary": f"{who}: {verb} {contract.name}",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{contract.name}"}],
        "tags": [{"name": who}],
    }
    if action == "receive" and who in GROUPS:
        operation["bindings"] = {"kafka": {"groupId": {"type": "string", "enum": [who]}, **BINDING}}
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{who} {verb} {contract.name}")
    return name, operation


def _message(contract: Contract) -> Document:
    message: Document = {
        "name": contract.event.ce_type if contract.event else contract.name,
        "title": contract.name,
        "summary": prose(contract.model.__doc__),
        "examples": [_example(example) for example in contract.examples()],
    }
    if contract.event is None:
        key = {"description": "The key of the record that cannot be read, if it has one"}
        payload: Document = {"description": "The original bytes, whatever they are"}
        headers = _letter_headers(contract)
        message["contentType"] = "application/octet-stream"
    else:
        key = {
            "type": "string",
            "pattern": "^[^/]+/.+$",
            "description": "Whom it is about: `<connection>/<employee id>`",
        }
        payload = {"$ref": f"#/components/schemas/{contract.name}"}
        headers = _event_headers(contract.event)
        message["contentType"] = CONTENT_TYPE.decode()
    return {**message, "headers": headers, "payload": payload, "bindings": {"kafka": {"key": key, **BINDING}}}


def _example(example: Example) -> Document:
    shown: Document = {"name": example.name, "headers": dict(example.headers)}
    return shown if example.payload is None else {**shown, "payload": example.payload}


def _event_headers(event: type[Event]) -> Document:
    forms: Document = {
        "ce_specversion": {"const": "1.0"},
        "ce_source": {"const": event.ce_source},
        "ce_type": {"const": event.ce_type},
        "ce_time": {"format": "date-time"},
        "ce_cause": {"enum": list(Cause)},
        "content-type": {"const": CONTENT_TYPE.decode()},
        "traceparent": {"pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$"},
    }
    return _texts({name: {"description": meaning, **forms.get(name, {})} for name, meaning in HEADERS.items()})


def _letter_headers(contract: Contract) -> Document:
    fields = contract.model.model_fields.items()
    return _texts({f"dl_{name}": {"description": field.description or ""} for name, field in fields})


def _texts(properties: dict[str, Document]) -> Document:
    """Headers are bytes; ours are all there, and all UTF-8."""
    texts = {name: {"type": "string", **described} for name, described in properties.items()}
    return {"type": "object", "properties": texts, "required": list(texts)}


def _schemas() -> Document:
    """The payloads, and what they are made of, side by side."""
    found: Document = {}
    for contract in CONTRACTS:
        if contract.event is not None:
            schema = contract.event.model_json_schema(ref_template="#/components/schemas/{model}")
            found |= schema.pop("$defs", {}) | {contract.name: schema}
    return {name: {**schema, "description": prose(schema["description"])} for name, schema in sorted(found.items())}
