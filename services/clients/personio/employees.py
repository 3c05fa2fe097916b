"""Personio's employees as flat attributes, read tolerantly: the vendor sends the same thing in several ways.

Nothing becomes None (``null``, an empty text, an empty list). Nested things keep their parts under dotted keys
(``office.id``, ``office.name``), lists of them become lists per part. Dates are ``YYYY-MM-DD``. What is of another
shape than expected is kept as a text rather than lost.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.contracts.events import Attribute, text_of
from services.contracts.ids import EmployeeId
from services.contracts.model import Scalar, Value

TIMESTAMPS = frozenset({"created_at", "last_modified_at"})
"""Declared as dates, but with a time of day."""

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
"""The parts that a nested attribute has at least; they are there, empty, also when the whole is empty."""


_BROKEN = re.compile("[\0\ud800-\udfff]")
_ATTRIBUTES = TypeAdapter(dict[str, Attribute])
_DATE_WITH_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")


@dataclass(frozen=True, slots=True)
class Employee:
    id: EmployeeId
    attributes: dict[str, Attribute]
    modified_at: datetime | None


def parse_employee(item: object) -> Employee | None:
    """An element of ``data``; None for one without an id, which cannot be anybody."""
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if not isinstance(attributes, dict):
        return None
    plain: dict[str, dict[str, Any]] = {}
    for key, raw in attributes.items():
        plain |= _attribute(text(key), raw)
    number = plain.pop("id", {}).get("value")
    if not isinstance(number, int | str) or isinstance(number, bool) or not str(number):
        return None
    flat = _ATTRIBUTES.validate_python(plain)  # all at once: some two thirds of the time that one by one takes
    return Employee(EmployeeId(str(number)), flat, _timestamp(text_of(flat, "last_modified_at")))


def _attribute(key: str, raw: object) -> dict[str, dict[str, Any]]:
    """The fields of one attribute, or of one per part of a nested one."""
    if not isinstance(raw, dict):
        raw = {"value": raw}
    label, kind = text(str(raw.get("label") or "")), text(str(raw.get("type") or "standard"))
    value = raw.get("value")
    if key in PARTS or _is_nested(value):
        parts = _parts(key, value)
        return {f"{key}.{part}": {"value": parts[part], "label": label, "type": kind} for part in parts}
    return {key: {"value": _plain(key, kind, value), "label": label, "type": kind}}


def _is_nested(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(entry, dict) for entry in value)
    return isinstance(value, dict)


def _parts(key: str, value: object) -> dict[str, Value]:
    names = dict.fromkeys(PARTS.get(key, ("id", "name")))
    if isinstance(value, list):
        members = [_members(entry) for entry in value]
        names |= dict.fromkeys(name for member in members for name in member)
        return {name: tuple(_scalar(member.get(name)) for member in members) or None for name in names}
    member = _members(value)
    names |= dict.fromkeys(member)
    return {name: _scalar(member.get(name)) for name in names}


def _members(value: object) -> dict[str, Any]:
    """The members of a nested thing: ``attributes`` holds plain values, or again ``{label, value, type}``."""
    inner = value.get("attributes", value) if isinstance(value, dict) else value
    if not isinstance(inner, dict):
        plain = _scalar(inner)
        return {} if plain is None else {"id" if isinstance(plain, int) else "name": plain}
    return {
        text(str(name)): part["value"] if isinstance(part, dict) and "value" in part else part
        for name, part in inner.items()
    }


def _plain(key: str, kind: str, value: object) -> Value:
    if kind == "tags":
        return _tags(value)
    if isinstance(value, list):
        return tuple(_scalar(entry) for entry in value) or None
    if kind == "date" and key not in TIMESTAMPS and isinstance(value, str) and _DATE_WITH_TIME.match(value):
        return value[:10]
    return _scalar(value)


def _scalar(value: object) -> Scalar:
    if isinstance(value, str):
        return text(value) or None
    if value is None or isinstance(value, int):  # truth values are among them
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    try:
        return text(json.dumps(value, sort_keys=True, ensure_ascii=False)) if value else None
    except RecursionError:
        return "…"


def text(value: str) -> str:
    """JSON may hold halves of characters, which neither events nor the database can, and NUL, at which servers of
    accounts stumble. Each becomes the sign for a broken character, so that the person is seen to and nobody else held.
    """
    if value.isascii() and "\0" not in value:
        return value
    return _BROKEN.sub("\ufffd", value)


def _tags(value: object) -> Value:
    """A list, a list as JSON text, or texts separated by commas: all three occur in one account."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    entries: Iterable[object] = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    )
    tags = [str(scalar).strip() for scalar in map(_scalar, entries) if scalar is not None]
    return tuple(tag for tag in tags if tag) or None


def _timestamp(value: str | None) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(value) if value is not None else None
    except ValueError:
        return None
    return stamp if stamp is not None and stamp.tzinfo is not None else None
