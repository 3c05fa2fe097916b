"""Reads what a SCIM server says about itself (RFC 7644, section 4). Every part of it is optional."""

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import islice

from services.clients.declaree.errors import DeclareeWrongAddressError
from services.clients.declaree.exchange import ScimExchange
from services.clients.declaree.resources import get_member
from services.clients.declaree.schema_fields import parse_fields
from services.clients.http.responses import parse_json_object
from services.contracts.fields import TargetField
from services.provisioning.calls import Body
from services.provisioning.server import ServerDescription

VENDOR_USER_SCHEMA = "/ResourceTypes/urn:ietf:params:scim:schemas:core:2.0:User"
"""Where the vendor's page asks for the schema of users."""
OTHER_SCHEMAS = ("group", "serviceproviderconfig", "resourcetype", "schema")
"""Last words of the URNs of schemas that do not describe users, in lowercase."""
MAX_DEPTH = 4
"""Levels of attributes that are read. A manager within an extension that is listed as an attribute has three."""
MAX_ATTRIBUTES = 2_000
"""Maximum number of attributes that are read. The vendor's schemas have a hundred."""
MAX_NAME = 200
"""Maximum number of characters of a name, a URN or a property. The patterns below need quadratic time on a long text."""
PROPERTIES = ("type", "multiValued", "mutability", "uniqueness")
"""What decides whether a value of an attribute is accepted (RFC 7643, section 7)."""
_USER_NAME = re.compile(r":core:.*:username$")
_MANAGER = re.compile(r":enterprise:.*[:.]manager\.(managerid|value)$")


async def discover(exchange: ScimExchange) -> ServerDescription:
    """Asks the server about itself. A missing or unreadable answer leaves its part unknown.

    Raises the errors of a lookup for 401, 429, 503, and without an answer.
    """
    config = await _get_object(exchange, "/ServiceProviderConfig")
    schemas = await _get_schemas(exchange)
    listed = (attribute for schema in schemas for attribute in _list_attributes(schema))
    attributes = dict(islice(listed, MAX_ATTRIBUTES))
    return ServerDescription(
        patch=_is_supported(config, "patch"),
        etag=_is_supported(config, "etag"),
        manager_by_external_id=_is_manager_external(attributes),
        unique_user_names=_has_unique_user_names(attributes),
        schema=_compute_hash(attributes) if attributes else None,
    )


async def discover_fields(exchange: ScimExchange) -> tuple[TargetField, ...]:
    """Asks the server for the fields of its users; none if it lists no schemas. Raises the errors of ``discover``."""
    schemas = await _get_schemas(exchange)
    return parse_fields(schemas, await _get_object(exchange, "/ResourceTypes")) if schemas else ()


async def _get_schemas(exchange: ScimExchange) -> list[Body]:
    """Returns the schemas of users, from where the RFC or the vendor's page has them."""
    return list_schemas(await _get_object(exchange, "/Schemas")) or list_schemas(
        await _get_object(exchange, VENDOR_USER_SCHEMA)
    )


async def _get_object(exchange: ScimExchange, path: str) -> Body:
    """Returns the JSON object at this path; an empty one if the server has none."""
    try:
        response = await exchange.get(path)
    except DeclareeWrongAddressError:
        return {}
    if response.status_code in {401, 429, 503}:
        exchange.raise_lookup_error(response)
    return (parse_json_object(response) or {}) if response.status_code < 300 else {}


# RFC 7643, section 5
def _is_supported(config: Body, feature: str) -> bool | None:
    option = get_member(config, feature)
    value = get_member(option, "supported") if isinstance(option, dict) else None
    return {"true": True, "false": False}.get(str(value).lower())


# RFC 7643, section 7
def list_schemas(body: Body) -> list[Body]:
    """Returns the schemas of users and their extensions, from a list of schemas or from a single one."""
    entries = get_member(body, "Resources")
    schemas = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else [body]
    return [
        schema
        for schema in schemas
        if isinstance(get_member(schema, "attributes"), list)
        and str(get_member(schema, "id")).lower().rpartition(":")[2] not in OTHER_SCHEMAS
    ]


def _list_attributes(schema: Body) -> Iterator[tuple[str, list[str]]]:
    """Yields the path of each attribute, in lowercase, with what decides whether a value is accepted."""
    yield from _list_below(_read_text(schema, "id"), ":", get_member(schema, "attributes"), MAX_DEPTH)


def _list_below(prefix: str, separator: str, attributes: object, depth: int) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(attributes, list) or depth == 0:
        return
    for attribute in attributes:
        if isinstance(attribute, dict):
            path = f"{prefix}{separator}{_read_text(attribute, 'name')}"
            yield path, [_read_text(attribute, name) for name in PROPERTIES]
            yield from _list_below(path, ".", get_member(attribute, "subAttributes"), depth - 1)


def _read_text(body: Body, name: str) -> str:
    """Returns a text or a boolean in lowercase; empty for any other value, and for one that is too long."""
    value = get_member(body, name)
    text = str(value) if isinstance(value, str | bool) else ""
    return text.lower() if len(text) <= MAX_NAME else ""


def _is_manager_external(attributes: dict[str, list[str]]) -> bool | None:
    """Whether the manager in the enterprise extension is named by ``managerId``, as on the vendor's page."""
    names = {match[1] for match in map(_MANAGER.search, attributes) if match}
    if "managerid" in names:
        return True
    return False if "value" in names else None


def _has_unique_user_names(attributes: dict[str, list[str]]) -> bool | None:
    """Whether the server rejects a second account with a user name; None if the schemas do not say so."""
    stated = {properties[-1] for path, properties in attributes.items() if _USER_NAME.search(path)}
    return {"server": True, "global": True, "none": False}.get(stated.pop()) if len(stated) == 1 else None


def _compute_hash(attributes: dict[str, list[str]]) -> str:
    """Returns a hash that does not depend on the order in which the server lists its attributes."""
    return hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()
