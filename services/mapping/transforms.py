"""What a rule does to a value, compiled once into plain functions.

A missing value (None, an empty text or list) passes through everything but a default.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from services.contracts.mappings import DateFormat, Default, Lower, Transform, Trim, ValueTable
from services.contracts.model import Scalar, Value

Function: TypeAlias = Callable[[Value], Value]


class UnfitValueError(ValueError):
    """The value does not fit the rule; the message says how, without the value."""


def missing(value: Value) -> bool:
    return value is None or value in ("", ())


def compiled(transform: Transform) -> Function:
    match transform:
        case Trim():
            return _each(lambda text: text.strip() or None)
        case Lower():
            return _each(str.lower)
        case Default(value=default):
            return lambda value: default if missing(value) else value
        case DateFormat(format=pattern):
            return _each(lambda text: _date(text).strftime(pattern))
        case ValueTable(table=table, otherwise=otherwise):
            return _looked_up(table, otherwise)


def _each(change: Callable[[str], Scalar]) -> Function:
    """A change of texts, for a text or every text of a list; other values stay as they are."""

    def apply(value: Value) -> Value:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, tuple):
            return tuple(change(entry) if isinstance(entry, str) else entry for entry in value)
        return value

    return apply


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d")  # noqa: DTZ007 - a calendar date has no time zone
    except ValueError:
        raise UnfitValueError("is not a date") from None


def _looked_up(table: dict[str, Scalar], otherwise: str) -> Function:
    def look_up(value: Scalar) -> Scalar:
        found = table.get(_spelled(value), value)
        if _spelled(value) in table or otherwise == "keep":
            return found
        if otherwise == "missing":
            return None
        raise UnfitValueError("is not in the value table")

    def apply(value: Value) -> Value:
        if missing(value):
            return value
        return tuple(look_up(entry) for entry in value) if isinstance(value, tuple) else look_up(value)

    return apply


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
