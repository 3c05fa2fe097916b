"""Regular expressions that people write: evaluated by RE2, in time linear in the text, with bounded memory."""

from functools import lru_cache

import re2

MAX_PATTERN_LENGTH = 500
"""Largest number of characters of a pattern."""
MAX_PATTERN_MEMORY = 1 << 20
"""Memory that a compiled pattern may use, in bytes."""


class InvalidPatternError(ValueError):
    """A text is not a regular expression, or one that is too large. The message says so, without the pattern."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> "re2._Regexp[str]":
    """Returns a compiled pattern. Raises ``InvalidPatternError``."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidPatternError(f"is longer than {MAX_PATTERN_LENGTH} characters")
    options = re2.Options()
    options.max_mem = MAX_PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError):
        raise InvalidPatternError("is not a regular expression that RE2 can use") from None
