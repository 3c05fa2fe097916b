"""The AsyncAPI document: well formed, without loose ends, and true to what is really sent."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft7Validator, FormatChecker

from docs.generators.asyncapi import document
from services.contracts.envelope import DeadLetter, to_record
from services.contracts.events import EVENTS, Event
from services.contracts.topics import Topic
from tests.unit.contracts.golden import CONTRACTS, EVENT_FILES, contract_of, name_of


@cache
def generated() -> dict[str, Any]:
    """Made when it is first asked for: a broken contract must not keep other tests from being run."""
    return document()


def messages() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = generated()["components"]["messages"]
    return found


def operations() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = generated()["operations"]
    return found


ALLOWED = {
    "root": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
    "info": {"title", "version", "description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    "channel": {
        *("address", "messages", "title", "summary", "description"),
        *("servers", "parameters", "tags", "externalDocs", "bindings"),
    },
    "operation": {
        *("action", "channel", "title", "summary", "description", "security"),
        *("tags", "externalDocs", "bindings", "traits", "messages", "reply"),
    },
    "message": {
        *("headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description"),
        *("tags", "externalDocs", "bindings", "examples", "traits"),
    },
    "example": {"name", "summary", "headers", "payload"},
    "channel binding": {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"},
    "operation binding": {"groupId", "clientId", "bindingVersion"},
    "message binding": {
        *("key", "schemaIdLocation", "schemaIdPayloadEncoding", "schemaLookupStrategy", "bindingVersion"),
    },
}
"""Of https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the Kafka binding 0.5.0: what may stand where."""


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "root", generated()
    yield "info", generated()["info"]
    for channel in generated()["channels"].values():
        yield "channel", channel
        yield "channel binding", channel["bindings"]["kafka"]
    for operation in operations().values():
        yield "operation", operation
        if "bindings" in operation:
            yield "operation binding", operation["bindings"]["kafka"]
    for message in messages().values():
        yield "message", message
        yield "message binding", message["bindings"]["kafka"]
        for example in message["examples"]:
            yield "example", example


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for member in part.values():
            yield from references(member)
    elif isinstance(part, list):
        for entry in part:
            yield from references(entry)


def at(reference: str) -> Any:
    found: Any = generated()
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def problems(schema: dict[str, Any], instance: Any) -> list[str]:
    """What somebody else's validator has against it; references lead into the document."""
    whole = {"allOf": [schema], "components": generated()["components"]}
    return [error.message for error in Draft7Validator(whole, format_checker=FormatChecker()).iter_errors(instance)]


# ------------------------------------------------------------ well formed


def test_the_document_holds_nothing_that_the_specification_does_not_know() -> None:
    assert [(kind, sorted(extra)) for kind, part in objects() if (extra := part.keys() - ALLOWED[kind])] == []


def test_faststream_reads_the_document() -> None:
    read = ApplicationSchema.model_validate(generated())
    assert read.asyncapi == "3.0.0"
    assert len(read.channels) == len(Topic)


def test_no_reference_leads_nowhere() -> None:
    found = set(references(generated()))
    assert found
    for reference in found:
        assert isinstance(at(reference), dict), reference


def test_every_schema_is_one_in_the_dialect_of_asyncapi() -> None:
    for schema in generated()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for message in messages().values():
        Draft7Validator.check_schema(message["headers"])


def test_an_operation_is_about_messages_of_its_own_channel() -> None:
    for operation in operations().values():
        (message,) = operation["messages"]
        assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


@pytest.mark.parametrize("topic", Topic)
def test_every_topic_has_a_channel_that_is_written_and_read(topic: Topic) -> None:
    (name,) = (name for name, channel in generated()["channels"].items() if channel["address"] == topic.value)
    actions = {each["action"] for each in operations().values() if each["channel"]["$ref"] == f"#/channels/{name}"}
    assert actions == {"send", "receive"}


# ------------------------------------------------------------ true


@pytest.mark.parametrize("file", EVENT_FILES, ids=name_of)
def test_what_is_sent_fits_headers_key_and_payload_of_the_document(file: Any) -> None:
    contract = contract_of(file)
    message = messages()[contract.__name__]
    if not issubclass(contract, Event):
        assert problems(message["headers"], json.loads(file.read_text(encoding="utf-8"))) == []
        return
    record = to_record(contract.model_validate_json(file.read_bytes()))
    assert problems(message["headers"], {name: value.decode() for name, value in record.headers}) == []
    assert problems(message["bindings"]["kafka"]["key"], (record.key or b"").decode()) == []
    assert problems(message["payload"], json.loads(record.value or b"")) == []


@pytest.mark.parametrize("event", EVENTS)
def test_the_payload_of_the_document_refuses_what_the_event_refuses(event: type[Event]) -> None:
    message = messages()[event.__name__]
    whole = message["examples"][0]["payload"]
    for name, field in event.model_fields.items():
        without = {key: value for key, value in whole.items() if key != name}
        assert bool(problems(message["payload"], without)) is field.is_required(), name
        assert problems(message["payload"], whole | {name: {"un": ["fit"]}}), name


@pytest.mark.parametrize("name", [contract.__name__ for contract in CONTRACTS])
def test_a_message_without_one_of_its_headers_does_not_fit(name: str) -> None:
    message = messages()[name]
    whole = message["examples"][0]["headers"]
    for header in whole:
        assert problems(message["headers"], {key: value for key, value in whole.items() if key != header}), header


def test_dead_letters_are_described_by_their_headers_and_may_hold_any_bytes() -> None:
    message = messages()["DeadLetter"]
    assert message["headers"]["required"] == [f"dl_{name}" for name in DeadLetter.model_fields]
    assert problems(message["payload"], "anything") == []
    assert message["contentType"] == "application/octet-stream"
