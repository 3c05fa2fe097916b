"""The functions that an expression may call.

A function gives the empty value for an argument that it cannot use, such as a text without digits for ``number``. None of them
raises an error: the library would print it together with the values.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, cast

from services.contracts.transforms import MAX_PATTERN
from services.mapping.functions.values import InvalidTransformError, UnfitValueError

if TYPE_CHECKING:
    from services.mapping.functions.patterns import CompiledPattern

Data: TypeAlias = str | bool | int | float | list[object]
"""A value inside an expression. Numbers are decimal numbers; the empty value is the empty text."""

EMPTY = ""
"""The empty value of an expression."""
MAX_RESULT_LENGTH, MAX_RESULT_ENTRIES = 5_000, 100
"""Maximum number of characters of a text that a function makes, and of entries of a list. A larger one is empty."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that an expression may call: as ``trim(x)`` or as ``x.trim()``."""

    call: Callable[..., Data]
    """What it does with its arguments."""
    arguments: tuple[int, int]
    """The smallest and the largest number of arguments."""
    meaning: str
    """What it gives, for the documentation."""


def to_text(value: object) -> str:
    """Returns a value as a text: numbers without a needless fraction, booleans as in JSON. A list gives the empty text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) <= 1 << 53:
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else EMPTY


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> "CompiledPattern":
    """Returns a compiled pattern. Raises ``InvalidTransformError``."""
    from services.mapping.functions.patterns import CompiledPattern  # noqa: PLC0415 - RE2

    if len(pattern) > MAX_PATTERN:
        raise InvalidTransformError(f"the pattern has more than {MAX_PATTERN} characters: shorten it")
    return CompiledPattern(pattern)


def _to_number(value: object) -> Data:
    if isinstance(value, list) or (isinstance(value, str) and "_" in value):
        return EMPTY
    try:
        number = float(cast("str", value))
    except (ValueError, OverflowError):
        return EMPTY
    return number if math.isfinite(number) else EMPTY


def _to_list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [] if value == EMPTY else [value]


def _change_text(change: Callable[[str], str]) -> Callable[[object], Data]:
    return lambda value: change(to_text(value))


def _count(value: object) -> Data:
    return float(len(value if isinstance(value, list) else to_text(value)))


def _matches(value: object, pattern: object) -> Data:
    try:
        return compile_pattern(to_text(pattern)).find(to_text(value)) is not None
    except (InvalidTransformError, UnfitValueError):
        return EMPTY


def _replace(value: object, old: object, new: object) -> Data:
    text, searched, replacement = to_text(value), to_text(old), to_text(new)
    if not searched or len(text) + text.count(searched) * len(replacement) > MAX_RESULT_LENGTH:
        return EMPTY if searched else text
    return text.replace(searched, replacement)


def _select_part(value: object, start: object, end: object = None) -> Data:
    first = _to_number(start)
    last = float(MAX_RESULT_LENGTH) if end is None else _to_number(end)
    if not isinstance(first, float) or not isinstance(last, float):
        return EMPTY
    return to_text(value)[max(int(first), 0) : max(int(last), 0)]


def _split(value: object, separator: object) -> Data:
    text, between = to_text(value), to_text(separator)
    parts = text.split(between, MAX_RESULT_ENTRIES) if between else [text]
    return [part.strip() for part in parts if part.strip()] if len(parts) <= MAX_RESULT_ENTRIES else EMPTY


def _join(values: object, separator: object = ", ") -> Data:
    between = to_text(separator)
    texts = [text for value in _to_list(values) if (text := to_text(value))]
    length = sum(map(len, texts)) + max(len(texts) - 1, 0) * len(between)
    return between.join(texts) if length <= MAX_RESULT_LENGTH else EMPTY


def _find_first(*values: object) -> Data:
    entries = (entry for value in values for entry in _to_list(value))
    return cast("Data", next((entry for entry in entries if entry != EMPTY), EMPTY))


def _is_present(value: object) -> Data:
    return any(entry != EMPTY for entry in _to_list(value))


def _contains(value: object, searched: object) -> Data:
    if isinstance(value, list):
        return searched in value
    return to_text(searched) in to_text(value)


def _round(value: object, decimals: object = 0.0) -> Data:
    number, places = _to_number(value), _to_number(decimals)
    if not isinstance(number, float) or not isinstance(places, float):
        return EMPTY
    return round(number, max(0, min(int(places), 10)))


FUNCTIONS: Mapping[str, Function] = {
    "has": Function(_is_present, (1, 1), "whether the value is not empty"),
    "first": Function(_find_first, (1, 20), "the first value that is not empty, of several values or of a list"),
    "string": Function(to_text, (1, 1), "the value as a text, such as `40` or `true`"),
    "number": Function(_to_number, (1, 1), "the number that a text contains"),
    "round": Function(_round, (1, 2), "the number, rounded to whole numbers or to a number of decimal places"),
    "size": Function(_count, (1, 1), "the number of characters of a text, or of entries of a list"),
    "lower": Function(_change_text(str.lower), (1, 1), "the text in lowercase"),
    "upper": Function(_change_text(str.upper), (1, 1), "the text in uppercase"),
    "trim": Function(_change_text(str.strip), (1, 1), "the text without spaces at both ends"),
    "contains": Function(_contains, (2, 2), "whether a text contains another one, or a list contains an entry"),
    "startsWith": Function(
        lambda value, start: to_text(value).startswith(to_text(start)), (2, 2), "whether a text begins with another one"
    ),
    "endsWith": Function(
        lambda value, end: to_text(value).endswith(to_text(end)), (2, 2), "whether a text ends with another one"
    ),
    "matches": Function(_matches, (2, 2), "whether a text contains what a regular expression (RE2) describes"),
    "replace": Function(_replace, (3, 3), "the text with every occurrence of one text replaced by another"),
    "substring": Function(
        _select_part, (2, 3), "the part of a text from one position to before another; the first is 0"
    ),
    "split": Function(_split, (2, 2), "the list of the parts of a text between separators, without spaces around them"),
    "join": Function(_join, (1, 2), "a list as one text, with a separator between the entries: a comma and a space"),
}
"""The functions by the name that an expression uses."""
