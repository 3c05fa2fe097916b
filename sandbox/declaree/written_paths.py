"""What a write contains: the paths of its values, the identities that it names, and whether it disables an account."""

import re
from collections.abc import Iterator
from typing import Any

from sandbox.declaree.values import Resource

_CONDITION = re.compile(r"\[.*\]", re.DOTALL)


def list_written_values(payload: Any) -> list[tuple[str, Any]]:
    """Returns the case-folded path and the value of everything that a resource or a PatchOp message writes.

    Parts of a value are listed after the value. Filters are left out of paths. Null and removals are left out.
    """
    if not isinstance(payload, dict):
        return []
    operations = next((value for key, value in payload.items() if key.casefold() == "operations"), None)
    if operations is None:
        return list(_walk("", payload))
    written: list[tuple[str, Any]] = []
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict) and str(operation.get("op", "")).casefold() != "remove":
            written += _walk(_CONDITION.sub("", str(operation.get("path") or "")), operation.get("value"))
    return written


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value is None:
        return
    if path:
        yield path.casefold(), value
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from _walk_parts(path, item)
    elif isinstance(value, dict):
        yield from _walk_parts(path, value)


def _walk_parts(path: str, value: Resource) -> Iterator[tuple[str, Any]]:
    """Yields the parts of an object. A colon follows the identifier of an extension, a dot any other attribute."""
    is_extension = path.casefold().startswith("urn:") and path.casefold().endswith(":user")
    separator = "" if not path else ":" if is_extension else "."
    for name, item in value.items():
        yield from _walk(f"{path}{separator}{name}", item)


def is_disabling(payload: Any) -> bool:
    """Returns whether the write sets ``active`` to false, as a boolean or as a text."""
    return any(path == "active" and str(value).casefold() == "false" for path, value in list_written_values(payload))
