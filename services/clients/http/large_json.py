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

MAX_READS = 300_000
"""Maximum number of values that are read one by one, because the object or list around them does not fit into a step."""
MAX_LARGE = 400
"""Maximum number of objects and lists that do not fit into a step. Each costs a vain attempt; nested, they cost hours."""

_decode = json.JSONDecoder().raw_decode
_skip_space = re.compile(r"[ \t\n\r]*").match


def parse_in_steps(text: str) -> Any:
    """Returns the value of a JSON text, in a time that grows with its length, however it is nested.

    Raises ``ValueError`` and ``RecursionError``, as ``json.loads`` does, and ``ValueError`` for too many objects and lists.
    """
    if text.count("{") + text.count("[") > MAX_CONTAINERS:
        raise ValueError("the JSON has too many objects")
    try:
        value, end = _Parser(text).read(_find_next(text, 0), MAX_DEPTH)
    except IndexError:
        raise ValueError("the JSON is incomplete or invalid") from None
    if _find_next(text, end) != len(text):
        raise ValueError("the JSON is followed by something else")
    return value


def _find_next(text: str, index: int) -> int:
    """Returns the position of the next character other than a space."""
    found = _skip_space(text, index)
    return found.end() if found else index


class _Parser:
    """Parses one text, and counts its own steps."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._reads = 0
        self._large = 0

    def read(self, index: int, levels: int) -> tuple[Any, int]:
        """Returns the value at this position, and the position behind it. ``levels`` may be nested in it."""
        text = self._text
        self._reads += 1
        if self._reads > MAX_READS:
            raise ValueError("the JSON has too many values in one list")
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
        self._large += 1
        if self._large > MAX_LARGE:
            raise ValueError("the JSON has too many large objects")
        return (self._read_object if text[index] == "{" else self._read_list)(index + 1, levels - 1)

    def _read_object(self, index: int, levels: int) -> tuple[dict[str, Any], int]:
        text = self._text
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
            members[name], index = self.read(_find_next(text, index + 1), levels)
            index, is_end = _read_separator(text, index, "}")
            if is_end:
                return members, index

    def _read_list(self, index: int, levels: int) -> tuple[list[Any], int]:
        text = self._text
        values: list[Any] = []
        index = _find_next(text, index)
        if text[index] == "]":
            return values, index + 1
        while True:
            value, index = self.read(index, levels)
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
