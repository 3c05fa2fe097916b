"""Builds the bodies of POST, PUT and PATCH requests (RFC 7644, section 3), in the ways that servers understand."""

from typing import Any

from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body, PatchAccount, ReplaceAccount, Resource, Write
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, DesiredState
from services.provisioning.server import ServerMemory, Way

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
"""The URN of the core schema of users."""
PAGE_CORE = "urn:scim:schemas:core:1.0"
"""The URN of the core schema in the examples on the vendor's page."""
READ_ONLY = ("id", "meta", "groups")
"""Attributes that only the server sets, in lowercase. A PUT omits them."""
PAGE_PATHS = {
    "name.givenName": "givenName",
    "name.familyName": "familyName",
    WORK_EMAIL: "emails[email.type eq 'work']",
}
"""Paths of a PATCH as on the vendor's page, by SCIM path."""


def build_post_body(desired: DesiredState, memory: ServerMemory, *, schema: str = CORE) -> Body:
    """Returns the body of a ``POST /Users``. Fields without a value are omitted."""
    body: Body = {"schemas": [schema]}
    for path, value in _name_manager(desired, by_external_id=memory.manager_by_external_id).fields:
        if value is not None:
            body = paths.write(body, path, value)
    return body


def build_update(
    way: Way, live: Resource, difference: DesiredState, memory: ServerMemory
) -> PatchAccount | ReplaceAccount:
    """Returns the request that writes the difference in this way."""
    named = name_fields(way, difference, memory)
    version = live.version if memory.uses_etags else None
    if way.is_patch:
        return PatchAccount(live.id, _build_operations(way, live.body, named), version)
    body = _build_put_body(live.body, named)
    if way is Way.PUT_COLLECTION:
        return ReplaceAccount(None, body | {"id": live.id, "schemas": [PAGE_CORE, ENTERPRISE]}, version)
    return ReplaceAccount(live.id, body | ({"id": live.id} if way is Way.PUT_WITH_ID else {}), version)


def is_built_on_account(way: Way, difference: DesiredState) -> bool:
    """Returns whether the request repeats parts of the account, or depends on the entries of its lists."""
    fields = [paths.parse(path) for path in difference.paths]
    return not way.is_patch or any(path.key or (path.sub and not names_entries(way)) for path in fields)


def names_entries(way: Way) -> bool:
    """Returns whether this way names an entry of a list or a part of an attribute, and does not repeat what is around it."""
    return way in {Way.PATHS, Way.PAGE}


def name_fields(way: Way, difference: DesiredState, memory: ServerMemory) -> DesiredState:
    """Returns the fields as this way names them: the manager by account id, or by the external id of that account."""
    return _name_manager(difference, by_external_id=names_by_external_id(way, memory))


def names_by_external_id(way: Way, memory: ServerMemory) -> bool:
    """Returns whether this way names the manager by the external id of the manager's account."""
    return memory.manager_by_external_id or way in {Way.PAGE, Way.PUT_COLLECTION}


def _build_operations(way: Way, body: Body, difference: DesiredState) -> tuple[Body, ...]:
    match way:
        case Way.WHOLE:
            return _build_whole_operations(body, difference)
        case Way.PATHLESS:
            return ({"op": "replace", "value": _build_whole_values(body, difference)},)
        case Way.PAGE:
            return tuple(_build_page_operation(path, value) for path, value in difference.fields)
    return tuple(_build_operation(body, path, value) for path, value in difference.fields)


def has_additions(write: Write) -> bool:
    """Returns whether a PATCH has an operation ``add`` or ``remove``, which some servers do not implement."""
    return isinstance(write, PatchAccount) and any(operation["op"] != "replace" for operation in write.operations)


def _name_manager(desired: DesiredState, *, by_external_id: bool) -> DesiredState:
    """Returns the fields with the manager in the form that the server understands."""
    if not by_external_id:
        return desired
    fields = tuple(
        (MANAGER_BY_EXTERNAL_ID, value and desired.manager_external_id) if path == MANAGER else (path, value)
        for path, value in desired.fields
        if path != MANAGER or value is None or desired.manager_external_id is not None
    )
    return DesiredState(fields, desired.manager_external_id)


def _build_put_body(body: Body, difference: DesiredState) -> Body:
    """Returns the resource as last read, with the difference applied. No attribute is lost."""
    for path, value in difference.fields:
        body = paths.write(body, path, value)
    return {name: value for name, value in body.items() if name.lower() not in READ_ONLY}


def _build_operation(body: Body, text: str, value: Value) -> Body:
    """Returns the operation of one field with a path of RFC 7644, in the form that most servers accept."""
    path = paths.parse(text)
    json_value: Any = list(value) if isinstance(value, tuple) else value
    if text in {MANAGER, MANAGER_BY_EXTERNAL_ID}:
        return _build_manager_operation(body, text, json_value)
    if value is None:
        # a list entry without a value is meaningless, so the operation removes the whole entry
        return {"op": "remove", "path": text.removesuffix(".value")}
    if path.key is not None and paths.has_untyped_entry(body, path):
        # no filter can name the entry, so the whole list is replaced
        return {
            "op": "replace",
            "path": path.list_path,
            "value": paths.read_attribute(paths.write(body, text, value), path),
        }
    if path.key is not None and paths.find_entry(body, path) is None:
        return {"op": "add", "path": path.list_path, "value": [path.build_entry(json_value)]}
    return {"op": "replace", "path": text, "value": json_value}


def _build_manager_operation(body: Body, text: str, value: Any) -> Body:
    path = paths.parse(text)
    if value is None:
        return {"op": "remove", "path": path.list_path}
    is_set = paths.read_attribute(body, path) is not None
    return {"op": "replace" if is_set else "add", "path": path.list_path, "value": {path.sub: value}}


def _build_whole_values(body: Body, difference: DesiredState) -> dict[str, Any]:
    """Returns the whole values of the attributes that the difference touches, merged with the live ones, by path."""
    changed = body
    for path, value in difference.fields:
        changed = paths.write(changed, path, value)
    attributes = {parsed.list_path: parsed for parsed in map(paths.parse, difference.paths)}
    return {name: paths.read_attribute(changed, parsed) for name, parsed in attributes.items()}


def _build_whole_operations(body: Body, difference: DesiredState) -> tuple[Body, ...]:
    return tuple(
        {"op": "remove", "path": path} if value is None else {"op": "replace", "path": path, "value": value}
        for path, value in _build_whole_values(body, difference).items()
    )


def _build_page_operation(text: str, value: Value) -> Body:
    """Returns the operation of one field in the form of the vendor's page: booleans are strings, lists take one value."""
    json_value: Any = list(value) if isinstance(value, tuple) else value
    if isinstance(value, bool):
        json_value = str(value).lower()
    if text == MANAGER_BY_EXTERNAL_ID:
        path = paths.parse(text)
        return {"op": "replace", "path": path.list_path, "value": {path.sub: value}}
    return {"op": "replace", "path": PAGE_PATHS.get(text, text), "value": json_value}
