"""The transforms of a rule, compiled into functions.

An empty value (None, an empty string, a list of empty values) passes through every transform except a default. Empty
entries of a list are removed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from services.contracts.transforms import DateFormat, Default, Lower, Transform, Trim, ValueTable
from services.contracts.values import Scalar, Value

Function: TypeAlias = Callable[[Value], Value]
"""A compiled transform."""


class UnfitValueError(ValueError):
    """A value does not fit a transform. The message is a predicate such as "is not a date", without the value."""


def is_empty(value: Value) -> bool:
    """Returns whether the value is an empty string, None, or a list of such entries only."""
    if isinstance(value, tuple):
        return not remove_empty(value)
    return value is None or value == ""


def remove_empty(values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """Returns the list without its empty entries."""
    return tuple(value for value in values if value is not None and value != "")


def compile_transform(transform: Transform) -> Function:
    """Returns the function of a transform. The function raises ``UnfitValueError``."""
    match transform:
        case Trim():
            return _map_strings(lambda text: text.strip() or None)
        case Lower():
            return _map_strings(str.lower)
        case Default(value=default):
            return lambda value: default if is_empty(value) else value
        case DateFormat(format=pattern):
            return _map_strings(lambda text: _parse_date(text).strftime(pattern))
        case ValueTable(table=table, otherwise=otherwise):
            return _compile_table(table, otherwise)


def _map_strings(change: Callable[[str], Scalar]) -> Function:
    """Applies the change to a string, or to each string of a list. Other values stay unchanged."""
    return _map_scalars(lambda value: change(value) if isinstance(value, str) else value)


def _map_scalars(change: Callable[[Scalar], Scalar]) -> Function:
    """Applies the change to a value, or to each value of a list."""

    def apply(value: Value) -> Value:
        if is_empty(value):
            return value
        if isinstance(value, tuple):
            return remove_empty(tuple(change(entry) for entry in remove_empty(value)))
        return change(value)

    return apply


def _parse_date(text: str) -> datetime:
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d")  # noqa: DTZ007 - a calendar date has no time zone
    except ValueError:
        raise UnfitValueError("is not a date") from None


def _compile_table(table: dict[str, Scalar], otherwise: str) -> Function:
    def look_up(value: Scalar) -> Scalar:
        key = _to_key(value)
        if key in table:
            return table[key]
        if otherwise == "keep":
            return value
        if otherwise == "missing":
            return None
        raise UnfitValueError("is not in the value table")

    return _map_scalars(look_up)


def _to_key(value: Scalar) -> str:
    """Returns the key of a value in a table. Booleans are written as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)
