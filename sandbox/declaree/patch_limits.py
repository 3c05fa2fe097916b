"""PATCH operations that the RFC allows and real servers reject. Administrators are not limited."""

from collections.abc import Iterator
from typing import Any, Literal

from sandbox.declaree.attributes import ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Entry
from sandbox.declaree.errors import ScimError, UnknownAttributeError, bad_request
from sandbox.declaree.paths import PathTarget, resolve
from sandbox.declaree.values import SET_BY_SERVER, Resource


def check_patch(payload: Resource, kind: ResourceType, entry: Entry, behaviour: Behaviour) -> None:
    """Raises ``ScimError`` if this server does not support an operation for the entry."""
    for operation in _list_operations(payload):
        operator = str(operation.get("op", "")).casefold()
        if operator in behaviour.refused_operators:
            raise ScimError(501, f"{operator} is not supported")
        path = operation.get("path")
        if isinstance(path, str) and path.casefold() in kind.by_urn and not behaviour.bare_extension_path:
            raise bad_request("invalidPath", f"invalid path {path}")
        if operator == "replace":
            _check_replacement(operation, kind, entry, behaviour)


def _list_operations(payload: Resource) -> Iterator[Resource]:
    for name, value in payload.items():
        if name.casefold() == "operations" and isinstance(value, list):
            yield from (item for item in value if isinstance(item, dict))


def _check_replacement(operation: Resource, kind: ResourceType, entry: Entry, behaviour: Behaviour) -> None:
    if behaviour.replace_of_absent_part == behaviour.replace_by_value_path == "allowed":
        return
    path, value = operation.get("path"), operation.get("value")
    for name in [path] if path else list(value) if isinstance(value, dict) else []:
        if str(name).casefold() not in SET_BY_SERVER:
            _check_part(str(name), kind, entry, behaviour)


def _check_part(path: str, kind: ResourceType, entry: Entry, behaviour: Behaviour) -> None:
    try:
        target = resolve(kind, path)
    except UnknownAttributeError:
        return
    if target.sub_attribute is None:
        return
    if target.condition is not None:
        _reject(behaviour.replace_by_value_path, path)
    elif not _get_value(entry.resource, target):
        _reject(behaviour.replace_of_absent_part, path)


def _get_value(resource: Resource, target: PathTarget) -> Any:
    """Returns the whole attribute of the target; None if it is absent."""
    holder = resource.get(target.extension.urn, {}) if target.extension else resource
    return holder.get(target.attribute.name) if target.attribute else None


def _reject(verdict: Literal["allowed", "no_target", "error"], path: str) -> None:
    if verdict == "no_target":
        raise bad_request("noTarget", f"{path} has no value")
    if verdict == "error":
        raise ScimError(500, "internal error")
