"""How entries look on the wire: SCIM documents, lists, and the part of them that a client asked for."""

from collections.abc import Iterable
from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.schemas import ENTERPRISE_URN, GROUP, USER
from sandbox.declaree.values import Resource

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ALWAYS = frozenset({"schemas", "id"})


def etag(entry: Entry) -> str:
    return f'W/"{entry.version}"'


def document(entry: Entry, base_url: str, directory: Directory, behaviour: Behaviour) -> Resource:
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
        meta["version"] = etag(entry)
    found: Resource = {"schemas": urns, "id": entry.id, **resource, "meta": meta}
    if entry.kind == "Group":
        if "members" in resource:
            found["members"] = [_with_reference(member, base_url) for member in resource["members"]]
        return found
    enterprise = resource.get(ENTERPRISE_URN, {})
    if "manager" in enterprise:
        found[ENTERPRISE_URN] = {**enterprise, "manager": _with_reference(enterprise["manager"], base_url)}
    if groups := directory.groups_of(entry.id):
        found["groups"] = [_membership(group, base_url) for group in groups]
    return found


def display_name(entry: Entry) -> str:
    name = entry.resource["name"]
    return str(entry.resource.get("displayName") or f"{name['givenName']} {name['familyName']}")


def _with_reference(item: Resource, base_url: str) -> Resource:
    """A user is referred to by its id; its address is made from that (RFC 7643, section 2.3.7)."""
    return {**item, "$ref": f"{base_url}/Users/{item['value']}"} if "value" in item else item


def _membership(group: Entry, base_url: str) -> Resource:
    return {"value": group.id, "$ref": f"{base_url}/Groups/{group.id}", "display": group.resource["displayName"]}


def listing(resources: list[Resource], total: int, start_index: int) -> Resource:
    return {
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def projected(found: Resource, attributes: Iterable[str], excluded: Iterable[str]) -> Resource:
    """``attributes`` and ``excludedAttributes`` of RFC 7644, section 3.9; the id and the schemas always stay."""
    wanted = [_split(name, found) for name in attributes]
    if wanted:
        kept: Resource = {name: value for name, value in found.items() if name in ALWAYS}
        for path in wanted:
            _pick(found, path, kept)
        return kept
    result = found
    for path in (_split(name, found) for name in excluded):
        result = _without(result, path)
    return result


def _split(name: str, found: Resource) -> list[str]:
    """A path's parts, folded; the dots inside a URN separate nothing."""
    folded = name.strip().casefold()
    for urn in (USER.schema.urn, GROUP.schema.urn):
        folded = folded.removeprefix(urn.casefold() + ":")
    for key in found:
        urn = key.casefold()
        if folded == urn:
            return [urn]
        if folded.startswith(urn + ":"):
            return [urn, *folded[len(urn) + 1 :].split(".")]
    return [folded] if folded.startswith("urn:") else folded.split(".")


def _pick(source: Any, path: list[str], kept: Resource) -> None:
    for name, value in source.items():
        if name.casefold() != path[0]:
            continue
        if len(path) == 1:
            kept[name] = value
        elif isinstance(value, dict):
            _pick(value, path[1:], kept.setdefault(name, {}))
        elif isinstance(value, list):
            items = kept.setdefault(name, [{} for _ in value])
            for item, part in zip(value, items, strict=True):
                _pick(item, path[1:], part)


def _without(source: Any, path: list[str]) -> Any:
    if isinstance(source, list):
        return [_without(item, path) for item in source]
    if not isinstance(source, dict):
        return source
    result: Resource = {}
    for name, value in source.items():
        if name.casefold() != path[0] or name in ALWAYS:
            result[name] = value
        elif len(path) > 1:
            result[name] = _without(value, path[1:])
    return result
