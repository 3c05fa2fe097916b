"""Turns what a client sends into what is stored: canonical names, declared types, nothing that is read-only."""

from typing import Any

from sandbox.declaree.attributes import Attribute, ResourceType, Schema
from sandbox.declaree.errors import invalid

Resource = dict[str, Any]

SET_BY_SERVER = frozenset({"schemas", "id", "meta"})


def admit(kind: ResourceType, payload: Resource, *, refuse_unknown: bool) -> Resource:
    """The resource of a POST or PUT. Read-only attributes are ignored, null and ``[]`` mean unassigned.

    Unknown attributes are dropped, or refused with ``invalidSyntax``. Raises ``invalidValue`` for a wrong type.
    """
    found: Resource = {}
    for key, value in payload.items():
        folded = key.casefold()
        if folded in SET_BY_SERVER:
            continue
        if (attribute := kind.by_name.get(folded)) is not None:
            _store(found, attribute, value, refuse_unknown)
        elif (schema := kind.by_urn.get(folded)) is not None:
            extension = _extension(schema, value, refuse_unknown)
            if extension:
                found[schema.urn] = extension
        elif refuse_unknown:
            raise invalid("invalidSyntax", f"unknown attribute {key}")
    return found


def _extension(schema: Schema, value: Any, refuse_unknown: bool) -> Resource:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid("invalidValue", f"{schema.urn} must be an object")
    found: Resource = {}
    for key, item in value.items():
        attribute = schema.by_name.get(key.casefold())
        if attribute is not None:
            _store(found, attribute, item, refuse_unknown)
        elif refuse_unknown and key.casefold() not in SET_BY_SERVER:
            raise invalid("invalidSyntax", f"unknown attribute {schema.urn}:{key}")
    return found


def _store(found: Resource, attribute: Attribute, value: Any, refuse_unknown: bool) -> None:
    coerced = coerce(attribute, value, refuse_unknown=refuse_unknown)
    if coerced is not None:
        found[attribute.name] = coerced


def coerce(attribute: Attribute, value: Any, *, refuse_unknown: bool) -> Any:
    """The value as it is stored; None for unassigned."""
    if value is None or attribute.mutability == "readOnly":
        return None
    if not attribute.multi_valued:
        return coerce_single(attribute, value, refuse_unknown=refuse_unknown)
    items = value if isinstance(value, list) else [value]
    found = [coerce_single(attribute, item, refuse_unknown=refuse_unknown) for item in items if item is not None]
    if sum(1 for item in found if isinstance(item, dict) and item.get("primary")) > 1:
        raise invalid("invalidValue", f"{attribute.name} has more than one primary value")
    return [item for item in found if item is not None] or None


def coerce_single(attribute: Attribute, value: Any, *, refuse_unknown: bool) -> Any:
    if attribute.type == "complex":
        return _complex(attribute, value, refuse_unknown)
    if attribute.type == "boolean":
        return _boolean(attribute, value)
    if not isinstance(value, str):
        raise invalid("invalidValue", f"{attribute.name} must be a string")
    if attribute.closed and value not in attribute.canonical_values:
        raise invalid("invalidValue", f"{attribute.name} must be one of {', '.join(attribute.canonical_values)}")
    return value


def _boolean(attribute: Attribute, value: Any) -> bool:
    """Entra ID sends "True" and "False" as strings."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in {"true", "false"}:
        return value.casefold() == "true"
    raise invalid("invalidValue", f"{attribute.name} must be a boolean")


def _complex(attribute: Attribute, value: Any, refuse_unknown: bool) -> Resource | None:
    """Entra ID sends a manager as the plain id; a reference without a value stands for the id at its end."""
    if isinstance(value, str) and "value" in attribute.by_name:
        value = {"value": value}
    if not isinstance(value, dict):
        raise invalid("invalidValue", f"{attribute.name} must be an object")
    found: Resource = {}
    for key, item in value.items():
        sub = attribute.by_name.get(key.casefold())
        if sub is not None:
            _store(found, sub, item, refuse_unknown)
        elif refuse_unknown:
            raise invalid("invalidSyntax", f"unknown attribute {attribute.name}.{key}")
    reference = found.pop("$ref", None)
    if reference is not None and "value" not in found:
        found["value"] = reference.rsplit("/", 1)[-1]
    return found or None


def missing(kind: ResourceType, resource: Resource) -> str | None:
    """The path of the first required attribute that is absent or empty; None when nothing is missing."""
    for attribute in kind.schema.attributes:
        found = resource.get(attribute.name)
        if not found and found is not False:
            if attribute.required:
                return attribute.name
            continue
        items = found if isinstance(found, list) else [found]
        for sub in attribute.sub_attributes:
            if sub.required and any(not item.get(sub.name) for item in items):
                return f"{attribute.name}.{sub.name}"
    return None
