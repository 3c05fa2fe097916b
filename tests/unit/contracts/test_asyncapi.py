"""The AsyncAPI document is well formed and describes the records that are published."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft7Validator, FormatChecker

from docs.generators.asyncapi import Document, build_document
from services.contracts.cloudevents import to_record
from services.contracts.dead_letters import DeadLetter
from services.contracts.events import EVENTS, Event
from services.contracts.topics import Topic
from tests.unit.contracts.golden import CONTRACTS, EVENT_FILES, find_contract, format_name


@cache
def get_document() -> Document:
    """Returns the document. It is built on first use, so that a broken contract does not prevent other tests."""
    return build_document()


def get_messages() -> dict[str, Document]:
    messages: dict[str, Document] = get_document()["components"]["messages"]
    return messages


def get_operations() -> dict[str, Document]:
    operations: dict[str, Document] = get_document()["operations"]
    return operations


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
"""Allowed fields: https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the Kafka binding 0.5.0."""


def walk_objects() -> Iterator[tuple[str, Document]]:
    """Yields the kind and the content of each object that the specification defines."""
    yield "root", get_document()
    yield "info", get_document()["info"]
    for channel in get_document()["channels"].values():
        yield "channel", channel
        yield "channel binding", channel["bindings"]["kafka"]
    for operation in get_operations().values():
        yield "operation", operation
        if "bindings" in operation:
            yield "operation binding", operation["bindings"]["kafka"]
    for message in get_messages().values():
        yield "message", message
        yield "message binding", message["bindings"]["kafka"]
        for example in message["examples"]:
            yield "example", example


def find_references(part: Any) -> Iterator[str]:
    """Yields every ``$ref`` in a part of the document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for member in part.values():
            yield from find_references(member)
    elif isinstance(part, list):
        for entry in part:
            yield from find_references(entry)


def resolve(reference: str) -> Any:
    """Returns the target of a reference. Raises ``KeyError``."""
    target: Any = get_document()
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def find_problems(schema: Document, instance: Any) -> list[str]:
    """Returns the messages of another implementation's validator. References are resolved in the document."""
    whole = {"allOf": [schema], "components": get_document()["components"]}
    return [error.message for error in Draft7Validator(whole, format_checker=FormatChecker()).iter_errors(instance)]


# ------------------------------------------------------------ well formed


def test_document_has_only_fields_of_the_specification() -> None:
    """A field with a wrong name would be ignored by tools."""
    assert [(kind, sorted(extra)) for kind, part in walk_objects() if (extra := part.keys() - ALLOWED[kind])] == []


def test_document_is_read_by_faststream() -> None:
    """Another implementation of AsyncAPI 3.0 accepts the document."""
    application = ApplicationSchema.model_validate(get_document())

    assert application.asyncapi == "3.0.0"
    assert len(application.channels) == len(Topic)


def test_references_have_a_target() -> None:
    """Every `$ref` points to an object of the document."""
    references = set(find_references(get_document()))

    assert references
    for reference in references:
        assert isinstance(resolve(reference), dict), reference


def test_schemas_are_valid_in_the_dialect_of_asyncapi() -> None:
    """AsyncAPI 3.0 uses JSON Schema draft 7."""
    for schema in get_document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for message in get_messages().values():
        Draft7Validator.check_schema(message["headers"])


def test_operation_names_a_message_of_its_channel() -> None:
    """The specification forbids a message of another channel."""
    for operation in get_operations().values():
        (message,) = operation["messages"]
        assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


@pytest.mark.parametrize("topic", Topic)
def test_topic_has_a_channel_with_writer_and_reader(topic: Topic) -> None:
    """Every topic is in the document, with both directions."""
    (name,) = (name for name, channel in get_document()["channels"].items() if channel["address"] == topic.value)
    channel = f"#/channels/{name}"

    actions = {
        operation["action"] for operation in get_operations().values() if operation["channel"]["$ref"] == channel
    }

    assert actions == {"send", "receive"}


# ------------------------------------------------------------ records that are published


@pytest.mark.parametrize("file", EVENT_FILES, ids=format_name)
def test_golden_example_fits_the_document(file: Any) -> None:
    """Headers, key and payload of a published record are as the document says."""
    contract = find_contract(file)
    message = get_messages()[contract.__name__]
    if not issubclass(contract, Event):
        assert find_problems(message["headers"], json.loads(file.read_text(encoding="utf-8"))) == []
        return

    record = to_record(contract.model_validate_json(file.read_bytes()))

    assert find_problems(message["headers"], {name: value.decode() for name, value in record.headers}) == []
    assert find_problems(message["bindings"]["kafka"]["key"], (record.key or b"").decode()) == []
    assert find_problems(message["payload"], json.loads(record.value or b"")) == []


@pytest.mark.parametrize("event", EVENTS)
def test_payload_schema_is_as_strict_as_the_event(event: type[Event]) -> None:
    """The document rejects a missing or invalid field exactly if the event does."""
    message = get_messages()[event.__name__]
    whole = message["examples"][0]["payload"]
    for name, field in event.model_fields.items():
        without = {key: value for key, value in whole.items() if key != name}
        assert bool(find_problems(message["payload"], without)) is field.is_required(), name
        assert find_problems(message["payload"], whole | {name: {"un": [["fit"]]}}), name


@pytest.mark.parametrize("name", [contract.__name__ for contract in CONTRACTS])
def test_message_without_a_header_does_not_fit(name: str) -> None:
    """Every header of a message is required."""
    message = get_messages()[name]
    whole = message["examples"][0]["headers"]
    for header in whole:
        assert find_problems(message["headers"], {key: value for key, value in whole.items() if key != header}), header


def test_dead_letter_is_described_by_its_headers() -> None:
    """The value of a dead letter may be any bytes."""
    message = get_messages()["DeadLetter"]

    assert message["headers"]["required"] == [f"dl_{name}" for name in DeadLetter.model_fields]
    assert find_problems(message["payload"], "anything") == []
    assert message["contentType"] == "application/octet-stream"
