"""Turns employees of API v1 into flat attributes. Tolerant, because Personio sends the same value in several forms.

- Null, an empty string and an empty list become None.
- The parts of a nested attribute get dotted keys (``office.id``, ``office.name``). A list of them becomes one list for
  each part.
- Dates become ``YYYY-MM-DD``.
- A value of an unexpected form is kept as a string.
"""

import contextlib
import json
import math
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from services.contracts.employees import Employee, get_string
from services.contracts.ids import EmployeeId
from services.contracts.values import Scalar, Value

MODIFIED_AT = "last_modified_at"
"""Key of Personio's own timestamp of the last change."""
TIMESTAMPS = frozenset({"created_at", MODIFIED_AT})
"""Keys of attributes of type ``date`` that have a time of day."""

PARTS: dict[str, tuple[str, ...]] = {
    "absence_entitlement": ("id", "name", "category", "entitlement"),
    "cost_centers": ("id", "name", "percentage"),
    "department": ("id", "name"),
    "holiday_calendar": ("id", "name", "country", "state"),
    "office": ("id", "name"),
    "subcompany": ("id", "name"),
    "supervisor": ("id", "first_name", "last_name", "email"),
    "team": ("id", "name"),
    "work_schedule": (
        *("id", "name", "valid_from"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    ),
}
"""The parts that each nested attribute always has. They are empty if the attribute is empty."""

UNREADABLE_VALUE = "…"
"""Stands for a value that is nested too deeply to become a string, and for parts of too many elements."""

MAX_ID_LENGTH = 200
"""Maximum length of an employee's id in characters. Personio's ids are numbers. The id is part of keys, log lines and lists."""
MAX_ENTRIES = 8_193
"""Number of entries of a list that are read. A list of this length is too large for a snapshot, even with the shortest entries: a
snapshot has 16 K characters, and an entry two."""
MAX_ELEMENTS, MAX_PARTS = 1_000, 100
"""Maximum number of elements of a nested attribute, and of their parts. Their product decides what the attribute costs."""

_INVALID = re.compile("[\0\ud800-\udfff]")
_CONTAINERS = (list, dict)
_DATE_WITH_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")


def parse_employee(item: object, requested: Collection[str] | None = None) -> Employee | None:
    """Returns the employee in an element of ``data``; None for an element without a valid id.

    Only the ``requested`` attributes are parsed, because Personio may send others as well. None means all attributes.
    """
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if not isinstance(attributes, dict):
        return None
    employee = parse_id(attributes.get("id"))
    if employee is None:
        return None
    values: dict[str, Value] = {}
    for key in attributes if requested is None else requested:
        if key != "id" and key in attributes:
            _add_attribute(values, key, attributes[key])
    return Employee(employee, values, _parse_timestamp(get_string(values, MODIFIED_AT)))


def count_values(item: object) -> int:
    """Returns about how many values an element of ``data`` has: those of its attributes, and the entries of their lists."""
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if not isinstance(attributes, dict):
        return 1
    count = len(attributes)
    for raw in attributes.values():
        value = raw.get("value") if isinstance(raw, dict) else raw
        if isinstance(value, list):
            count += len(value) - 1
    return count


def parse_id(raw: object) -> EmployeeId | None:
    """Returns the id of an employee; None for one that could change a terminal, or is far longer than a number."""
    number = raw.get("value") if isinstance(raw, dict) else raw
    if isinstance(number, bool):
        return None
    if isinstance(number, int):
        text = str(number)
    elif isinstance(number, str):
        text = replace_invalid_characters(number)
    else:
        return None
    return EmployeeId(text) if 0 < len(text) <= MAX_ID_LENGTH and text.isprintable() else None


def _add_attribute(values: dict[str, Value], key: str, raw: object) -> None:
    """Adds the value of an attribute. A nested attribute has one entry for each part."""
    value, kind = (raw.get("value"), raw.get("type")) if isinstance(raw, dict) else (raw, None)
    key = replace_invalid_characters(key)
    if key in PARTS or (isinstance(value, _CONTAINERS) and _is_nested(value)):
        for part, entry in _parse_parts(key, value).items():
            values[f"{key}.{part}"] = entry
    else:
        values[key] = _parse_value(key, kind, value)


def _is_nested(value: list[object] | dict[str, object]) -> bool:
    return isinstance(value, dict) or any(isinstance(entry, dict) for entry in value)


def _parse_parts(key: str, value: object) -> dict[str, Value]:
    names: dict[str, Value] = dict.fromkeys(PARTS.get(key, ("id", "name")))
    if isinstance(value, list):
        if len(value) > MAX_ELEMENTS:
            return dict.fromkeys(names, UNREADABLE_VALUE)
        elements = [_get_members(entry) for entry in value]
        names |= dict.fromkeys(name for members in elements for name in members)
        return {
            name: tuple(_parse_scalar(members.get(name)) for members in elements) or None
            for name in islice(names, MAX_PARTS)
        }
    return names | {name: _parse_scalar(entry) for name, entry in _get_members(value).items()}


def _get_members(value: object) -> dict[str, Any]:
    """Returns the members of a nested value. ``attributes`` contains plain values or objects with a ``value``."""
    inner = value.get("attributes", value) if isinstance(value, dict) else value
    if not isinstance(inner, dict):
        scalar = _parse_scalar(inner)
        return {} if scalar is None else {"id" if isinstance(scalar, int) else "name": scalar}
    return {
        replace_invalid_characters(str(name)): part["value"] if isinstance(part, dict) and "value" in part else part
        for name, part in inner.items()
    }


def _parse_value(key: str, kind: object, value: object) -> Value:
    if kind == "tags":
        return _parse_tags(value)
    if isinstance(value, str):
        is_day = kind == "date" and key not in TIMESTAMPS and _DATE_WITH_TIME.match(value)
        return value[:10] if is_day else replace_invalid_characters(value) or None
    if isinstance(value, list):
        return tuple(_parse_scalar(entry) for entry in value[:MAX_ENTRIES]) or None
    return _parse_scalar(value)


def _parse_scalar(value: object) -> Scalar:
    if isinstance(value, str):
        return replace_invalid_characters(value) or None
    if value is None or isinstance(value, int):  # including booleans
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    try:
        return replace_invalid_characters(json.dumps(value, sort_keys=True, ensure_ascii=False)) if value else None
    except RecursionError:
        return UNREADABLE_VALUE


def replace_invalid_characters(value: str) -> str:
    """Returns the string with unpaired surrogates and NUL replaced by U+FFFD.

    BSON cannot store the former, and SCIM servers reject the latter. The visible replacement character shows that the
    value has to be corrected, and the other employees are not affected.
    """
    if value.isascii() and "\0" not in value:
        return value
    return _INVALID.sub("\ufffd", value)


def _parse_tags(value: object) -> Value:
    """Returns the tags as a list. Personio sends a list, a list as a JSON string, or a string with commas."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    entries: Iterable[object] = (
        value.split(",", MAX_ENTRIES) if isinstance(value, str) else value if isinstance(value, list) else [value]
    )
    scalars = map(_parse_scalar, islice(entries, MAX_ENTRIES))
    tags = [str(scalar).strip() for scalar in scalars if scalar is not None]
    return tuple(tag for tag in tags if tag) or None


def _parse_timestamp(value: str | None) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(value) if value is not None else None
    except ValueError:
        return None
    return stamp if stamp is not None and stamp.tzinfo is not None else None
