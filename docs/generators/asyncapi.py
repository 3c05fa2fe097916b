"""Generates ``docs/asyncapi.json``: topics, keys, headers and payloads for tools, as an AsyncAPI 3.0 document.

FastStream can generate such a document as well, but without schemas, keys and headers: it sees raw bytes only. The services
decode each record on their own, so that an unreadable record does not affect the rest of its batch.
Specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from docs.generators.contracts import CONTRACTS, GROUPS, Contract, Example, get_default
from docs.generators.markdown import format_docstring
from services.contracts.cloudevents import CONTENT_TYPE, HEADERS, SendReason
from services.contracts.events import Event

Document: TypeAlias = dict[str, Any]
"""A JSON object."""

BINDING = {"bindingVersion": "0.5.0"}
"""Version of AsyncAPI's Kafka binding."""
DAY_MS = 86_400_000
"""Milliseconds of a day."""


def build_document() -> Document:
    """Returns the document."""
    return {
        "asyncapi": "3.0.0",
        "info": _build_info(),
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {_get_channel_id(contract): _build_channel(contract) for contract in CONTRACTS},
        "operations": dict(operation for contract in CONTRACTS for operation in _build_operations(contract)),
        "components": {
            "messages": {contract.name: _build_message(contract) for contract in CONTRACTS},
            "schemas": _build_schemas(),
        },
    }


def generate() -> str:
    """Returns the document as text."""
    return json.dumps(build_document(), indent=2, ensure_ascii=False) + "\n"


def _build_info() -> Document:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "title": project["name"],
        "version": project["version"],
        "description": f"{project['description']} The events are CloudEvents 1.0 in Kafka's binary content mode. "
        "KAFKA_TOPIC_PREFIX is put before the name of every topic and consumer group.",
    }


def _get_channel_id(contract: Contract) -> str:
    return contract.topic.name.lower().replace("_", "-")


def _build_channel(contract: Contract) -> Document:
    retention = get_default("kafka_retention_days") * DAY_MS
    kafka = {
        "topic": contract.topic.value,
        "partitions": get_default("kafka_partitions"),
        "replicas": get_default("kafka_replication_factor"),
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": retention},
        **BINDING,
    }
    return {
        "address": contract.topic.value,
        "description": f"Carries {contract.role.carries}. "
        "Partitions, replication factor and retention are settings of `init`.",
        "messages": {contract.name: {"$ref": f"#/components/messages/{contract.name}"}},
        "bindings": {"kafka": kafka},
    }


def _build_operations(contract: Contract) -> Iterator[tuple[str, Document]]:
    for actor in contract.role.written_by:
        yield _build_operation(contract, actor, "send", "sends")
    for actor in contract.role.read_by:
        yield _build_operation(contract, actor, "receive", "receives")


def _build_operation(contract: Contract, actor: str, action: str, verb: str) -> tuple[str, Document]:
    """Returns name and operation; ``actor`` is a service or a command."""
    channel = f"#/channels/{_get_channel_id(contract)}"
    operation: Document = {
        "action": action,
        "summary": f"{actor}: {verb} {contract.name}",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{contract.name}"}],
        "tags": [{"name": actor}],
    }
    if action == "receive" and actor in GROUPS:
        operation["bindings"] = {"kafka": {"groupId": {"type": "string", "enum": [actor]}, **BINDING}}
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{actor} {verb} {contract.name}")
    return name, operation


def _build_message(contract: Contract) -> Document:
    message: Document = {
        "name": contract.event.ce_type if contract.event else contract.name,
        "title": contract.name,
        "summary": format_docstring(contract.model.__doc__),
        "examples": [_build_example(example) for example in contract.read_examples()],
    }
    if contract.event is None:
        key = {"description": "The key of the unreadable record, if it has one"}
        payload: Document = {"description": "The bytes of the unreadable record"}
        headers = _build_letter_headers(contract)
        message["contentType"] = "application/octet-stream"
    else:
        key = {
            "type": "string",
            "pattern": "^[^/]+/.+$",
            "description": "The person that the event is about: `<connection>/<employee id>`",
        }
        payload = {"$ref": f"#/components/schemas/{contract.name}"}
        headers = _build_event_headers(contract.event)
        message["contentType"] = CONTENT_TYPE.decode()
    return {**message, "headers": headers, "payload": payload, "bindings": {"kafka": {"key": key, **BINDING}}}


def _build_example(example: Example) -> Document:
    document: Document = {"name": example.name, "headers": dict(example.headers)}
    return document if example.payload is None else {**document, "payload": example.payload}


def _build_event_headers(event: type[Event]) -> Document:
    forms: Document = {
        "ce_specversion": {"const": "1.0"},
        "ce_source": {"const": event.ce_source},
        "ce_type": {"const": event.ce_type},
        "ce_time": {"format": "date-time"},
        "ce_cause": {"enum": list(SendReason)},
        "content-type": {"const": CONTENT_TYPE.decode()},
        "traceparent": {"pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$"},
    }
    return _build_strings({name: {"description": meaning, **forms.get(name, {})} for name, meaning in HEADERS.items()})


def _build_letter_headers(contract: Contract) -> Document:
    fields = contract.model.model_fields.items()
    return _build_strings({f"dl_{name}": {"description": field.description or ""} for name, field in fields})


def _build_strings(properties: dict[str, Document]) -> Document:
    """Returns the schema of headers. Headers are bytes; those of the product are UTF-8, and all are present."""
    strings = {name: {"type": "string", **described} for name, described in properties.items()}
    return {"type": "object", "properties": strings, "required": list(strings)}


def _build_schemas() -> Document:
    """Returns the schemas of all payloads and of the models in them."""
    schemas: Document = {}
    for contract in CONTRACTS:
        if contract.event is not None:
            schema = contract.event.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {contract.name: schema}
    return {
        name: {**schema, "description": format_docstring(schema["description"])}
        for name, schema in sorted(schemas.items())
    }
