"""Applies the body of a write to an account, as a server does that stores every field. Pure.

It understands the bodies that ``bodies`` builds, and does not implement PATCH in general.
"""

from typing import Any

from services.contracts.mappings import ENTERPRISE
from services.provisioning import paths
from services.provisioning.bodies import PAGE_PATHS, READ_ONLY
from services.provisioning.calls import Body, CreateAccount, PatchAccount, ReplaceAccount, Write

_RFC_PATHS = {page: path for path, page in PAGE_PATHS.items()}
_BOOLEANS = {"true": True, "false": False}


def apply_write(call: Write, live: Body) -> Body:
    """Returns the account after the write. ``live`` is the account before it; empty for a create."""
    match call:
        case CreateAccount(body):
            return body
        case ReplaceAccount(body=body):
            kept = {name: value for name, value in live.items() if name.lower() in READ_ONLY}
            return body | kept
        case PatchAccount(operations=operations):
            for operation in operations:
                live = _apply_operation(operation, live)
            return live


def _apply_operation(operation: Body, live: Body) -> Body:
    path, value = operation.get("path"), operation.get("value")
    if not isinstance(path, str):
        for name, part in value.items() if isinstance(value, dict) else ():
            live = _set(live, name, part)
        return live
    text = _RFC_PATHS.get(path, path)
    if operation["op"] == "add" and isinstance(value, list):
        before = paths.read_attribute(live, paths.parse(text))
        value = [*(before if isinstance(before, list) else []), *value]
    return _set(live, text, value)


def _set(live: Body, text: str, value: Any) -> Body:
    """Returns the account with the value at a path. The vendor's page has the manager's external id below ``managerId``."""
    if text == "active" and isinstance(value, str):
        value = _BOOLEANS.get(value, value)
    if text == ENTERPRISE and isinstance(value, dict):
        for name, part in value.items():
            live = _set(live, f"{ENTERPRISE}:{name}", part)
        return live
    return paths.write(live, text, value if value not in ({}, []) else None)
