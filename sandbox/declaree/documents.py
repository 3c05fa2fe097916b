"""SCIM documents of entries, list responses, and the selection of attributes."""

from collections.abc import Iterable
from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.dialect import show_manager
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.schemas import ENTERPRISE_URN, GROUP, USER
from sandbox.declaree.values import Resource
from sandbox.declaree.versions import format_etag

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ALWAYS = frozenset({"schemas", "id"})
"""Attributes that every document contains."""


def build_document(entry: Entry, base_url: str, directory: Directory, behaviour: Behaviour) -> Resource:
    """Returns the entry as a SCIM document, with metadata, references and group memberships."""
    kind = USER if entry.kind == "User" else GROUP
    resource = entry.resource
    urns = [kind.schema.urn, *(schema.urn for schema in kind.extensions if schema.urn in resource)]
    meta = {
        "resourceType": entry.kind,
        "created": entry.created,
        "lastModified": entry.modified,
        "location": f"{base_url}{kind.endpoint}/{entry.id}",
    }
    if behaviour.versions:
        meta["version"] = format_etag(entry, behaviour)
    document: Resource = {"schemas": urns, "id": entry.id, **resource, "meta": meta}
    if entry.kind == "Group":
        if "members" in resource:
            document["members"] = [_add_reference(member, base_url) for member in resource["members"]]
        return document
    enterprise = resource.get(ENTERPRISE_URN, {})
    if "manager" in enterprise:
        manager = enterprise["manager"]
        is_rfc = behaviour.dialect == "rfc"
        shown = _add_reference(manager, base_url) if is_rfc else show_manager(manager, directory)
        document[ENTERPRISE_URN] = {**enterprise, "manager": shown}
    if groups := directory.find_groups_of(entry.id):
        document["groups"] = [_build_membership(group, base_url) for group in groups]
    return document


def _add_reference(item: Resource, base_url: str) -> Resource:
    """Adds the address of the user to a value that holds the user's id."""
    return {**item, "$ref": f"{base_url}/Users/{item['value']}"} if "value" in item else item


def _build_membership(group: Entry, base_url: str) -> Resource:
    return {"value": group.id, "$ref": f"{base_url}/Groups/{group.id}", "display": group.resource["displayName"]}


def build_list_response(resources: list[Resource], total: int, start_index: int) -> Resource:
    """Returns a ListResponse. ``total`` counts all matches, ``start_index`` counts from 1."""
    return {
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def select_attributes(document: Resource, attributes: Iterable[str], excluded: Iterable[str]) -> Resource:
    """Applies the parameters ``attributes`` and ``excludedAttributes`` (RFC 7644, section 3.9).

    The attributes in ``ALWAYS`` stay in the document.
    """
    paths = [_split_path(name, document) for name in attributes]
    if paths:
        selection: Resource = {name: value for name, value in document.items() if name in ALWAYS}
        for path in paths:
            _pick(document, path, selection)
        return selection
    result = document
    for path in (_split_path(name, document) for name in excluded):
        result = _remove(result, path)
    return result


def _split_path(name: str, document: Resource) -> list[str]:
    """Returns the case-folded parts of a path. Dots inside a URN do not separate parts."""
    folded = name.strip().casefold()
    for urn in (USER.schema.urn, GROUP.schema.urn):
        folded = folded.removeprefix(urn.casefold() + ":")
    for key in document:
        urn = key.casefold()
        if folded == urn:
            return [urn]
        if folded.startswith(urn + ":"):
            return [urn, *folded[len(urn) + 1 :].split(".")]
    return [folded] if folded.startswith("urn:") else folded.split(".")


def _pick(source: Any, path: list[str], selection: Resource) -> None:
    for name, value in source.items():
        if name.casefold() != path[0]:
            continue
        if len(path) == 1:
            selection[name] = value
        elif isinstance(value, dict):
            _pick(value, path[1:], selection.setdefault(name, {}))
        elif isinstance(value, list):
            items = selection.setdefault(name, [{} for _ in value])
            for item, part in zip(value, items, strict=True):
                _pick(item, path[1:], part)


def _remove(source: Any, path: list[str]) -> Any:
    if isinstance(source, list):
        return [_remove(item, path) for item in source]
    if not isinstance(source, dict):
        return source
    result: Resource = {}
    for name, value in source.items():
        if name.casefold() != path[0] or name in ALWAYS:
            result[name] = value
        elif len(path) > 1:
            result[name] = _remove(value, path[1:])
    return result
