"""Regular expressions of a mapping, in time linear in the text.

The author of a mapping is not trusted with the time of the mapper, which works for many companies. RE2 never goes back in a
text. It needs at most one step for each byte of the text and each instruction of the compiled pattern.
"""

import re2

from services.contracts.transforms import Extract, Matching
from services.contracts.values import Scalar, Value
from services.mapping.functions.values import (
    Filled,
    Function,
    InvalidTransformError,
    UnfitValueError,
    build_fallback,
    map_entries,
    write_text,
)

MAX_MEMORY = 1 << 20
"""Maximum memory of a compiled pattern, in bytes."""
MAX_INSTRUCTIONS = 2_000
"""Maximum number of instructions of a compiled pattern."""
MAX_GROUPS = 20
"""Maximum number of groups of a pattern. RE2 keeps the places of all groups for each alternative that it follows."""
MAX_STEPS = 4_000_000
"""Maximum product of the instructions of a pattern and the bytes of a text. RE2 needs about 50 ms for this number of steps."""


class CompiledPattern:
    """A regular expression that is compiled once."""

    def __init__(self, pattern: str) -> None:
        """Compiles ``pattern``. Raises ``InvalidTransformError``."""
        options = re2.Options()
        options.max_mem, options.log_errors = MAX_MEMORY, False
        try:
            expression = re2.compile(pattern, options)
        except re2.error as error:
            raise InvalidTransformError(f"the pattern is not valid ({_read_detail(error)}): correct it") from None
        if expression.groups > MAX_GROUPS:
            raise InvalidTransformError(f"the pattern has more than {MAX_GROUPS} groups: use fewer, or (?:…)")
        if expression.programsize > MAX_INSTRUCTIONS:
            raise InvalidTransformError("the pattern is too large: shorten it, or use smaller repetitions")
        self.groups: int = expression.groups
        """Number of groups."""
        self.names: dict[str, int] = expression.groupindex
        """Numbers of the named groups."""
        self._search = expression.search
        self._max_bytes = MAX_STEPS // max(1, expression.programsize)

    def find(self, text: str, group: int = 0) -> str | None:
        """Returns what a group matches at the first place of the text that matches; None if no place does.

        Raises ``UnfitValueError`` if the text is damaged, or too long for the pattern.
        """
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise UnfitValueError("contains a damaged character") from None
        if len(encoded) > self._max_bytes:
            raise UnfitValueError("is too long for the pattern")
        match = self._search(encoded)
        part: bytes | None = match and match.group(group)
        # the escape \C matches a part of a character
        return None if part is None else part.decode(errors="replace")

    def limit(self, function: Function) -> Function:
        """Returns the function with a limit for the bytes of a whole list: one for each entry would allow a list any time."""

        def apply(value: Value) -> Value:
            if isinstance(value, tuple) and sum(map(_count_bytes, value)) > self._max_bytes:
                raise UnfitValueError("is too long for the pattern")
            return function(value)

        return apply


def _count_bytes(entry: Scalar) -> int:
    return len(entry.encode(errors="replace")) if isinstance(entry, str) else 0


def _read_detail(error: Exception) -> str:
    """Returns the reason that RE2 gives, as bytes."""
    detail = error.args[0] if error.args else b""
    return (detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail))[:100]


def compile_extract(transform: Extract) -> Function:
    """Returns the function that selects a part of a text. Raises ``InvalidTransformError``."""
    pattern = CompiledPattern(transform.pattern)
    group = _find_group(pattern, transform.group)
    fall_back = build_fallback(transform.otherwise, "does not match the pattern")

    def change(value: Filled) -> Scalar:
        part = pattern.find(write_text(value), group)
        return fall_back(value) if part is None else part or None

    return pattern.limit(map_entries(change))


def _find_group(pattern: CompiledPattern, group: int | str | None) -> int:
    """Returns the number of a group. Raises ``InvalidTransformError`` if the pattern does not have it."""
    if group is None:
        return min(pattern.groups, 1)
    number = pattern.names.get(group, -1) if isinstance(group, str) else group
    if not 0 <= number <= pattern.groups:
        raise InvalidTransformError("the pattern does not have the group: correct the number or the name")
    return number


def compile_matching(transform: Matching) -> Function:
    """Returns the function that keeps the values that match. Raises ``InvalidTransformError``."""
    pattern = CompiledPattern(transform.pattern)
    return pattern.limit(map_entries(lambda value: value if pattern.find(write_text(value)) is not None else None))
