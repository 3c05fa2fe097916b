"""Which fields the independent SCIM servers list: those of RFC 7643."""

import httpx

from services.clients.declaree.discovery import list_schemas
from services.clients.declaree.schema_fields import parse_fields
from services.contracts.fields import TargetField
from services.contracts.targets import MANAGER, find_misuse
from services.mapping.documented_fields import DOCUMENTED_FIELDS

FURTHER = {
    "name.formatted",
    "nickName",
    "timezone",
    "userType",
    'emails[type eq "home"].value',
    'phoneNumbers[type eq "work"].value',
    'addresses[type eq "home"].postalCode',
}
"""Some fields of the RFC that the vendor does not document."""


async def list_fields(client: httpx.AsyncClient) -> tuple[TargetField, ...]:
    """Returns the fields that the server lists."""
    schemas, types = [(await client.get(path)).json() for path in ("/Schemas", "/ResourceTypes")]
    return parse_fields(list_schemas(schemas), types)


async def test_documented_fields_are_among_the_listed_ones(client: httpx.AsyncClient) -> None:
    """Their paths follow the RFC."""
    listed = {field.path for field in await list_fields(client)}

    assert {field.path for field in DOCUMENTED_FIELDS} - listed == set()
    assert FURTHER - listed == set()


async def test_listed_fields_can_be_targets_of_rules(client: httpx.AsyncClient) -> None:
    """The schemas have all attributes of a user, also those that decide about rights."""
    fields = await list_fields(client)

    assert [field.path for field in fields if field.path != MANAGER and find_misuse(field.path)] == []
    assert all(field.is_writable for field in fields)
