"""What the functions of all transforms share: empty values, lists, limits, and values that do not fit.

An empty value (None, an empty string, a list of empty values) passes through every function except a default. Empty
entries of a list are removed.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from services.contracts.transforms import Otherwise
from services.contracts.values import Scalar, Value

Function: TypeAlias = Callable[[Value], Value]
"""A compiled transform. It raises ``UnfitValueError``."""
Filled: TypeAlias = str | bool | int | float
"""A scalar that is not None."""

MAX_CHARACTERS = 10_000
"""Maximum number of characters of a value before and after a transform; those of a list are added up."""
MAX_ENTRIES = 1_000
"""Maximum number of entries of a list before and after a transform."""
MAX_BITS = 1_000
"""Maximum number of bits of an integer that is read as a text. Python refuses to write integers with thousands of digits."""


class UnfitValueError(ValueError):
    """A value does not fit a transform. The message is a predicate such as "is not a date", without the value."""


class InvalidTransformError(ValueError):
    """A transform cannot be compiled. The message says what is wrong and what to do."""


def is_empty(value: Value) -> bool:
    """Returns whether the value is an empty string, None, or a list of such entries only."""
    if isinstance(value, tuple):
        return not remove_empty(value)
    return value is None or value == ""


def remove_empty(values: Iterable[Scalar]) -> tuple[Filled, ...]:
    """Returns the list without its empty entries."""
    return tuple(value for value in values if value is not None and value != "")


def map_entries(change: Callable[[Filled], Scalar]) -> Function:
    """Returns the function that applies a change to a value, or to each value of a list."""

    def apply(value: Value) -> Value:
        if value is None or value == "":
            return value
        if isinstance(value, tuple):
            entries = check_size(remove_empty(value))
            return check_size(remove_empty(change(entry) for entry in entries))
        _check_length(value)
        changed = change(value)
        _check_length(changed)
        return changed

    return apply


def map_texts(change: Callable[[str], Scalar]) -> Function:
    """Returns the function that applies a change to a text, or to each text of a list. Other values stay unchanged."""
    apply_to_any = map_entries(lambda value: change(value) if isinstance(value, str) else value)

    def apply(value: Value) -> Value:
        # most values are short texts: the shortest way for them
        if type(value) is str and 0 < len(value) <= MAX_CHARACTERS:
            changed = change(value)
            if type(changed) is str and len(changed) > MAX_CHARACTERS:
                _check_length(changed)
            return changed
        return apply_to_any(value)

    return apply


def check_size(entries: tuple[Filled, ...]) -> tuple[Filled, ...]:
    """Returns the list. Raises ``UnfitValueError`` if it is too long."""
    if len(entries) > MAX_ENTRIES:
        raise UnfitValueError(f"has more than {MAX_ENTRIES:,} entries")
    if sum(len(entry) for entry in entries if isinstance(entry, str)) > MAX_CHARACTERS:
        raise UnfitValueError(f"has more than {MAX_CHARACTERS:,} characters")
    return entries


def _check_length(value: Scalar) -> None:
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise UnfitValueError(f"has more than {MAX_CHARACTERS:,} characters")


def write_text(value: Filled) -> str:
    """Returns a value as a text. Numbers and booleans are written as in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise UnfitValueError("is too large a number")
    return str(value)


def build_fallback(otherwise: Otherwise, reason: str) -> Callable[[Filled], Scalar]:
    """Returns what is done with a value that does not fit. ``reason`` is the message of the error for ``reject``."""
    if otherwise == "keep":
        return lambda value: value
    if otherwise == "missing":
        return lambda _: None

    def reject(_: Filled) -> Scalar:
        raise UnfitValueError(reason)

    return reject
