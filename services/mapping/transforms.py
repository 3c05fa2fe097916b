"""What a rule does to a value, compiled once into plain functions.

A missing value (None, an empty text, a list of nothing else) passes through everything but a default; in a list of
several, what is missing leaves the list.
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
    if isinstance(value, tuple):
        return not filled(value)
    return value is None or value == ""


def filled(values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """A list without its empty places."""
    return tuple(value for value in values if value is not None and value != "")


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
    return _entries(lambda value: change(value) if isinstance(value, str) else value)


def _entries(change: Callable[[Scalar], Scalar]) -> Function:
    """A change of a value, or of each value of a list."""

    def apply(value: Value) -> Value:
        if missing(value):
            return value
        if isinstance(value, tuple):
            return filled(tuple(change(entry) for entry in filled(value)))
        return change(value)

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

    return _entries(look_up)


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
