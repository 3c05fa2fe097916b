"""Parses large JSON in small steps, so that the thread that does it never stops the event loop for long.

Both parsers of JSON that Python has are written in another language, and hold the interpreter's lock for a whole document. Here
they get at most the last of ``STEPS`` at once.
"""

import json
import re
from typing import Any

LARGE_BYTES = 256 * 1024
"""Size of a body above which it is parsed in steps."""
STEPS = (1_024, 8_192, 65_536)
"""Numbers of characters in which an object or a list is parsed at once if it fits: the last takes about a millisecond."""
MAX_DEPTH = 200
"""Maximum number of levels. Code that works on a deeper value would exceed Python's limit of recursion."""
MAX_CONTAINERS = 300_000
"""Maximum number of brackets that open an object or a list. Millions of empty ones take twenty times the memory of their text."""

_decode = json.JSONDecoder().raw_decode
_skip_space = re.compile(r"[ \t\n\r]*").match


def parse_in_steps(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises ``ValueError`` and ``RecursionError``, as ``json.loads`` does, and ``ValueError`` for too many objects and lists.
    """
    if text.count("{") + text.count("[") > MAX_CONTAINERS:
        raise ValueError("the JSON has too many objects")
    try:
        value, end = _read(text, _find_next(text, 0), MAX_DEPTH)
    except IndexError:
        raise ValueError("the JSON is incomplete or invalid") from None
    if _find_next(text, end) != len(text):
        raise ValueError("the JSON is followed by something else")
    return value


def _find_next(text: str, index: int) -> int:
    """Returns the position of the next character other than a space."""
    found = _skip_space(text, index)
    return found.end() if found else index


def _read(text: str, index: int, levels: int) -> tuple[Any, int]:
    """Returns the value at this position, and the position behind it. ``levels`` may be nested in it."""
    if text[index] not in "{[":
        return _decode(text, index)
    if levels == 0:
        raise RecursionError("the JSON is nested too deep")
    for size in STEPS:
        try:
            value, length = _decode(text[index : index + size], 0)
        except ValueError:  # it is larger than this step, or invalid
            continue
        _ensure_shallow(value, levels)
        return value, index + length
    return (_read_object if text[index] == "{" else _read_list)(text, index + 1, levels - 1)


def _read_object(text: str, index: int, levels: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    index = _find_next(text, index)
    if text[index] == "}":
        return members, index + 1
    while True:
        if text[index] != '"':
            raise ValueError("the JSON has a member without a name")
        name, index = _decode(text, index)
        index = _find_next(text, index)
        if text[index] != ":":
            raise ValueError("the JSON has a name without a value")
        members[name], index = _read(text, _find_next(text, index + 1), levels)
        index, is_end = _read_separator(text, index, "}")
        if is_end:
            return members, index


def _read_list(text: str, index: int, levels: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    index = _find_next(text, index)
    if text[index] == "]":
        return values, index + 1
    while True:
        value, index = _read(text, index, levels)
        values.append(value)
        index, is_end = _read_separator(text, index, "]")
        if is_end:
            return values, index


def _read_separator(text: str, index: int, end: str) -> tuple[int, bool]:
    """Returns the position behind a comma or ``end``, and which of them it is."""
    index = _find_next(text, index)
    if text[index] == end:
        return index + 1, True
    if text[index] != ",":
        raise ValueError("the JSON has two values without a comma")
    return _find_next(text, index + 1), False


def _ensure_shallow(value: Any, levels: int) -> None:
    """Raises ``RecursionError`` if more than these levels are nested."""
    if levels == 0:
        raise RecursionError("the JSON is nested too deep")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            _ensure_shallow(child, levels - 1)
