"""Converts values from clients into stored values: canonical names, declared types, without read-only attributes."""

from typing import Any

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.errors import bad_request

Resource = dict[str, Any]

SET_BY_SERVER = frozenset({"schemas", "id", "meta"})
"""Case-folded attributes that the server sets. Values from clients are ignored."""


def admit(kind: ResourceType, payload: Resource, *, refuse_unknown: bool) -> Resource:
    """Returns the stored form of the resource in a POST or PUT.

    Read-only attributes are ignored. Null and ``[]`` mean unassigned. Unknown attributes are dropped, or rejected with
    ``invalidSyntax``. Raises ``ScimError`` of type ``invalidValue`` for a wrong type.
    """
    stored: Resource = {}
    for key, value in payload.items():
        folded = key.casefold()
        if folded in SET_BY_SERVER:
            continue
        if (attribute := kind.by_name.get(folded)) is not None:
            _store(stored, attribute, value, refuse_unknown)
        elif (schema := kind.by_urn.get(folded)) is not None:
            extension = _coerce_extension(schema, value, refuse_unknown)
            if extension:
                stored[schema.urn] = extension
        elif refuse_unknown:
            raise bad_request("invalidSyntax", f"unknown attribute {key}")
    return stored


def _coerce_extension(schema: Schema, value: Any, refuse_unknown: bool) -> Resource:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request("invalidValue", f"{schema.urn} must be an object")
    stored: Resource = {}
    for key, item in value.items():
        attribute = schema.by_name.get(key.casefold())
        if attribute is not None:
            _store(stored, attribute, item, refuse_unknown)
        elif refuse_unknown and key.casefold() not in SET_BY_SERVER:
            raise bad_request("invalidSyntax", f"unknown attribute {schema.urn}:{key}")
    return stored


def _store(stored: Resource, attribute: Attribute, value: Any, refuse_unknown: bool) -> None:
    coerced = coerce(attribute, value, refuse_unknown=refuse_unknown)
    if coerced is not None:
        stored[attribute.name] = coerced


def coerce(attribute: Attribute, value: Any, *, refuse_unknown: bool) -> Any:
    """Returns the stored form of a value; None for an unassigned one. Raises ``ScimError`` for a wrong type."""
    if value is None or attribute.mutability == "readOnly":
        return None
    if not attribute.multi_valued:
        return coerce_single(attribute, value, refuse_unknown=refuse_unknown)
    items = value if isinstance(value, list) else [value]
    coerced = [coerce_single(attribute, item, refuse_unknown=refuse_unknown) for item in items if item is not None]
    if sum(1 for item in coerced if isinstance(item, dict) and item.get("primary")) > 1:
        raise bad_request("invalidValue", f"{attribute.name} has more than one primary value")
    return [item for item in coerced if item is not None] or None


def coerce_single(attribute: Attribute, value: Any, *, refuse_unknown: bool) -> Any:
    """Returns the stored form of one value, ignoring ``multi_valued``. Raises ``ScimError`` for a wrong type."""
    if attribute.type == "complex":
        return _coerce_complex(attribute, value, refuse_unknown)
    if attribute.type == "boolean":
        return _coerce_boolean(attribute, value)
    if not isinstance(value, str):
        raise bad_request("invalidValue", f"{attribute.name} must be a string")
    if attribute.closed and value not in attribute.canonical_values:
        raise bad_request("invalidValue", f"{attribute.name} must be one of {', '.join(attribute.canonical_values)}")
    return value


def _coerce_boolean(attribute: Attribute, value: Any) -> bool:
    """Returns the boolean. Entra ID sends the strings "True" and "False"."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in {"true", "false"}:
        return value.casefold() == "true"
    raise bad_request("invalidValue", f"{attribute.name} must be a boolean")


def _coerce_complex(attribute: Attribute, value: Any, refuse_unknown: bool) -> Resource | None:
    """Returns the stored parts of a complex value.

    Entra ID sends a manager as the plain id. A reference without a value names the id at its end.
    """
    if isinstance(value, str) and "value" in attribute.by_name:
        value = {"value": value}
    if not isinstance(value, dict):
        raise bad_request("invalidValue", f"{attribute.name} must be an object")
    stored: Resource = {}
    for key, item in value.items():
        sub = attribute.by_name.get(key.casefold())
        if sub is not None:
            _store(stored, sub, item, refuse_unknown)
        elif refuse_unknown:
            raise bad_request("invalidSyntax", f"unknown attribute {attribute.name}.{key}")
    reference = stored.pop("$ref", None)
    if reference is not None and "value" not in stored:
        stored["value"] = reference.rsplit("/", 1)[-1]
    return stored or None


def find_missing_attribute(kind: ResourceType, resource: Resource) -> str | None:
    """Returns the path of the first required attribute that is missing or empty; None if all are set."""
    for attribute in kind.schema.attributes:
        value = resource.get(attribute.name)
        if not value and value is not False:
            if attribute.required:
                return attribute.name
            continue
        items = value if isinstance(value, list) else [value]
        for sub in attribute.sub_attributes:
            if sub.required and any(not item.get(sub.name) for item in items):
                return f"{attribute.name}.{sub.name}"
    return None
