"""Builds the bodies of POST, PUT and PATCH requests (RFC 7644, section 3)."""

from typing import Any

from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body
from services.provisioning.desired import DesiredState

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
"""The URN of the core schema of users."""
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
"""The URN of the message that a PATCH sends."""
READ_ONLY = ("id", "meta", "groups")
"""Attributes that only the server sets, in lowercase. A PUT omits them."""


def build_post_body(desired: DesiredState) -> Body:
    """Returns the body of a ``POST /Users``. Fields without a value are omitted."""
    body: Body = {"schemas": [CORE]}
    for path, value in desired.fields:
        if value is not None:
            body = paths.write(body, path, value)
    return body


def build_put_body(body: Body, difference: DesiredState) -> Body:
    """Returns the body of a ``PUT``: the resource as last read, with the difference applied. No attribute is lost."""
    for path, value in difference.fields:
        body = paths.write(body, path, value)
    return {name: value for name, value in body.items() if name.lower() not in READ_ONLY}


def build_patch_operations(body: Body, difference: DesiredState) -> tuple[Body, ...]:
    """Returns the operations of a ``PATCH``, one for each field, in a form that every known server accepts."""
    return tuple(_build_operation(body, path, value) for path, value in difference.fields)


def _build_operation(body: Body, text: str, value: Value) -> Body:
    path = paths.parse(text)
    json_value: Any = list(value) if isinstance(value, tuple) else value
    if value is None:
        # a list entry or a reference without a value is meaningless, so the operation removes the whole entry or reference
        return {"op": "remove", "path": text.removesuffix(".value")}
    if path.key is not None and paths.find_entry(body, path) is None:
        return {"op": "add", "path": path.list_path, "value": [path.build_entry(json_value)]}
    return {"op": "replace", "path": text, "value": json_value}
