"""Prints results and errors."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_jsonable_python

MINUTES, SECONDS = "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"
"""The forms of a time that is shown to the minute, and to the second."""


def print_result(text: str, value: Any, *, as_json: bool) -> None:
    """Prints the result of a command as text or as JSON. Secrets stay masked."""
    print(json.dumps(to_jsonable_python(value), ensure_ascii=False) if as_json else strip_control_characters(text))  # noqa: T201 - a command prints


def format_columns(rows: Iterable[Sequence[str]]) -> str:
    """Returns one line for each row. All columns but the last have the width of their longest cell."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]) for row in cells)


def format_time(time: datetime, form: str = SECONDS) -> str:
    """Returns a time in UTC, or as it was recorded: a forged time can be before or after all times of UTC."""
    try:
        return f"{time.astimezone(UTC):{form}} UTC"
    except OverflowError:
        return time.isoformat()


def join_lines(lines: Iterable[str]) -> str:
    """Returns one text. A line break within a line becomes U+FFFD: a recorded text could imitate lines of this program."""
    return "\n".join(line.replace("\n", "\ufffd") for line in lines)


def print_error(text: str) -> None:
    """Prints the reason why a command has no result, to standard error."""
    print(strip_control_characters(text), file=sys.stderr)  # noqa: T201 - a command prints


def strip_control_characters(text: str) -> str:
    """Replaces control characters by U+FFFD. In names and in vendors' answers they could control the terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
