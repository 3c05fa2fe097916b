"""Mapping documents: format, parse, export."""

import json

import pytest

from services.admin.mappings import InvalidMappingError, export_document, format_document, parse_document
from services.contracts.connections import Connection
from services.contracts.mappings import default_mapping
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import CONNECTION, NOW


def test_formatted_document_is_parsed_to_the_same_mapping() -> None:
    """An export can be imported unchanged."""
    assert parse_document(format_document(default_mapping())) == default_mapping()


@pytest.mark.parametrize(
    ("document", "location"),
    [
        ("{", "document"),
        ("{}", "rules"),
        ('{"rules": [], "rule": []}', "rule: unknown field"),
        ('{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}', "rules.0"),
        ('{"rules": [{"target": "name.", "source": {"kind": "constant", "value": 1}}]}', "rules.0: 'name.'"),
    ],
    ids=["JSON", "missing field", "unknown field", "reserved target", "target"],
)
def test_invalid_document_names_the_location(document: str, location: str) -> None:
    """The message says what happened, names the location, and is written for the author of the file."""
    with pytest.raises(InvalidMappingError) as error:
        parse_document(document)

    assert str(error.value).startswith(f"nothing was published, because the document is not a mapping: {location}")
    assert "Value error" not in str(error.value)


async def test_exported_document_is_the_published_mapping(store: Store, connection: Connection) -> None:
    """The export has the content of the newest version."""
    await store.mappings.publish(connection.id, default_mapping(), now=NOW, expected_version=None)

    document = await export_document(store, connection.id)

    assert json.loads(document) == default_mapping().model_dump(mode="json")


async def test_export_without_a_mapping_is_an_error(store: Store, connection: Connection) -> None:
    """An empty document would look like a mapping without rules."""
    with pytest.raises(InvalidMappingError, match=connection.id):
        await export_document(store, connection.id)


async def test_export_of_an_unknown_connection_is_an_error(store: Store) -> None:
    """A typing error in the id must not look like a connection without a mapping."""
    with pytest.raises(UnknownConnectionError):
        await export_document(store, CONNECTION)
