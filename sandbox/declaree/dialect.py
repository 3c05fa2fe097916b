"""The forms of the vendor's page about SCIM, translated into those of the RFC.

The page names a manager by the external id of the manager's account, and has its own PATCH paths. Resources are stored
as the RFC has them, so that administrators and the switches of ``Behaviour`` work in every dialect.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sandbox.declaree.attributes import Attribute
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry, get_display_name
from sandbox.declaree.errors import UnknownAttributeError, bad_request, not_found
from sandbox.declaree.paths import resolve
from sandbox.declaree.schemas import ENTERPRISE_SCHEMA, ENTERPRISE_URN, USER
from sandbox.declaree.values import Resource

MANAGER_PATH = f"{ENTERPRISE_URN}:manager".casefold()
"""Case-folded path of the manager."""
NAME_PARTS = {"familyname": "name.familyName", "givenname": "name.givenName"}
"""Paths of the RFC by the page's case-folded paths."""

_LENIENT = re.compile(r"(\w+)\[(?:\w+\.)?(\w+) +eq +(?:'([^']*)'|\"([^\"]*)\")\](\.\w+)?\Z", re.IGNORECASE)
_STRICT = re.compile(r"(?P<singular>\w+)s\[(?P=singular)\.\w+ +eq +'[^']*'\]\Z", re.IGNORECASE)
_NO_CHANGE = {"op": "add", "value": dict[str, Any]()}

_MANAGER = Attribute(
    name="manager",
    type="complex",
    description="Submits to",
    sub_attributes=(
        Attribute(name="managerId", case_exact=True, description="External id of the manager's account"),
        Attribute(name="displayName", mutability="readOnly"),
    ),
)
PAGE_ENTERPRISE_SCHEMA = replace(
    ENTERPRISE_SCHEMA,
    attributes=(*(item for item in ENTERPRISE_SCHEMA.attributes if item.name != "manager"), _MANAGER),
)
"""The enterprise extension with the manager as on the vendor's page."""


def read_resource(payload: Resource, directory: Directory, behaviour: Behaviour) -> Resource:
    """Returns the user in a POST or PUT in the form of the RFC. Raises ``ScimError`` for an unknown manager."""
    if behaviour.dialect == "rfc":
        return payload
    kept = {key: value for key, value in payload.items() if key.casefold() != "password"}
    return dict(_read_attributes(kept, directory, behaviour))


def find_replaced(payload: Resource, directory: Directory) -> Entry:
    """Returns the account that a PUT without an id in its path names: by id, external id or user name.

    Raises ``ScimError`` 404 if the account does not exist.
    """
    if "id" in payload:
        found = [entry for entry in [directory.users.get(str(payload["id"]))] if entry]
    elif "externalId" in payload:
        found = directory.find_by_external_id("User", str(payload["externalId"]))
    else:
        found = directory.find_users_by_name(str(payload.get("userName", "")))
    if not found:
        raise not_found("the account of the body")
    return found[0]


def read_patch(payload: Resource, directory: Directory, behaviour: Behaviour) -> Resource:
    """Returns a PatchOp message for a user in the form of the RFC.

    Raises ``ScimError`` for an unknown manager; in the strict dialect, ``invalidPath`` for a path that the page lacks.
    """
    if behaviour.dialect == "rfc":
        return payload
    return {
        key: [_read_operation(item, directory, behaviour) if isinstance(item, dict) else item for item in value]
        if key.casefold() == "operations" and isinstance(value, list)
        else value
        for key, value in payload.items()
    }


def show_manager(manager: Resource, directory: Directory) -> Resource:
    """Returns the manager as on the vendor's page.

    A manager without an account keeps the stored text, and one without an external id has a name only.
    """
    value = manager.get("value", "")
    entry = directory.users.get(value)
    if entry is None:
        return {"managerId": value}
    identified = {"managerId": entry.resource["externalId"]} if "externalId" in entry.resource else {}
    return {**identified, "displayName": get_display_name(entry)}


def _read_attributes(
    attributes: Resource, directory: Directory, behaviour: Behaviour, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yields the attributes of a resource, of an extension, or of an operation without a path."""
    for key, value in attributes.items():
        path = f"{prefix}{key}".casefold()
        if path == MANAGER_PATH:
            managers = _read_manager(value, directory, behaviour)
            yield from ((key, manager) for manager in managers)
        elif path == ENTERPRISE_URN.casefold() and isinstance(value, dict):
            yield key, dict(_read_attributes(value, directory, behaviour, f"{key}:"))
        else:
            yield key, value


def _read_manager(value: Any, directory: Directory, behaviour: Behaviour) -> list[Any]:
    """Returns the manager in the form of the RFC, None for no manager; an empty list if the value is ignored."""
    if value is None:
        return [None]
    parts = {name.casefold(): item for name, item in value.items()} if isinstance(value, dict) else {}
    if "managerid" not in parts:
        is_ignored = behaviour.dialect == "page_strict" or set(parts) == {"displayname"}
        return [] if is_ignored else [_drop_display_name(value)]
    external_id = parts["managerid"]
    if external_id is None:
        return [None]
    holders = directory.find_by_external_id("User", str(external_id))
    if holders:
        return [{"value": holders[0].id}]
    if behaviour.manager == "must_exist":
        raise bad_request("invalidValue", "managerId is not the external id of an account")
    return [{"value": str(external_id)}] if behaviour.manager == "stored" else []


def _drop_display_name(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name.casefold() != "displayname"}


def _read_operation(operation: Resource, directory: Directory, behaviour: Behaviour) -> Resource:
    path, value = operation.get("path"), operation.get("value")
    is_strict = behaviour.dialect == "page_strict"
    if not isinstance(path, str) or not path:
        if is_strict:
            raise bad_request("invalidPath", "an operation needs a path")
        if not isinstance(value, dict):
            return operation
        named = {_translate_path(str(key)): item for key, item in value.items()}
        return {**operation, "value": dict(_read_attributes(named, directory, behaviour))}
    if is_strict:
        _require_page_path(path, value)
    folded = path.casefold()
    if folded == f"{MANAGER_PATH}.managerid":
        path, folded, value = MANAGER_PATH, MANAGER_PATH, {"managerId": value}
    if "value" not in operation:
        return {**operation, "path": _translate_path(path)}
    if folded == MANAGER_PATH:
        managers = _read_manager(value, directory, behaviour)
        return {**operation, "path": path, "value": managers[0]} if managers else _NO_CHANGE
    if folded == ENTERPRISE_URN.casefold() and isinstance(value, dict):
        value = dict(_read_attributes(value, directory, behaviour, f"{ENTERPRISE_URN}:"))
    return {**operation, "path": _translate_path(path), "value": value}


def _translate_path(path: str) -> str:
    """Returns the path of the RFC for one of the page."""
    match = _LENIENT.match(path)
    if match is None:
        return NAME_PARTS.get(path.casefold(), path)
    name, sub, single, double, suffix = match.groups()
    return f'{name}[{sub} eq "{double if single is None else single}"]{suffix or ""}'


def _require_page_path(path: str, value: Any) -> None:
    """Raises ``ScimError`` for a path that the page lacks. Attributes with simple values are named as by the RFC."""
    if path.casefold() in NAME_PARTS:
        return
    if _STRICT.match(path):
        if not isinstance(value, str):
            raise bad_request("invalidValue", f"{path} needs a string")
        return
    if "[" in path or "." in path.rpartition(":")[2] or not _is_simple(path):
        raise bad_request("invalidPath", f"invalid path {path}")


def _is_simple(path: str) -> bool:
    """Returns whether the path names an attribute with simple values, the manager, or an unknown attribute."""
    folded = path.casefold()
    try:
        attribute = resolve(USER, path).attribute
    except UnknownAttributeError:
        return True
    is_core_urn = folded.startswith(USER.schema.urn.casefold())
    return not is_core_urn and attribute is not None and (attribute.type != "complex" or folded == MANAGER_PATH)
