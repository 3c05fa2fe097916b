"""Prints results and errors."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.text import Text

from services.admin.findings import Finding, Level, get_level

MINUTES, SECONDS = "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"
"""The forms of a time that is shown to the minute, and to the second."""


def print_result(text: str, value: Any, *, as_json: bool) -> None:
    """Prints the result of a command as text or as JSON. Secrets stay masked."""
    print(json.dumps(to_jsonable_python(value), ensure_ascii=False) if as_json else strip_control_characters(text))  # noqa: T201 - a command prints


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a report."""

    text: str
    """The line."""
    level: Level | None = None
    """What it tells, which gives it a colour at a terminal; None for a plain line."""
    is_title: bool = False
    """Whether it is the title of a part."""


_LABELS = {Level.PROBLEM: "PROBLEM", Level.HINT: "hint", Level.WELL: "ok"}
_STYLES = {Level.PROBLEM: "bold red", Level.HINT: "yellow", Level.WELL: "green"}
_LABEL_WIDTH = 9
"""Number of characters of a label, with the spaces behind it."""


def format_finding(finding: Finding, indent: str = "") -> Line:
    """Returns the line of a finding: its level, its subject, since when it is so, and what it tells."""
    level = get_level(finding)
    text = finding.problem or finding.hint or finding.note
    since = f" (since {format_time(finding.since, MINUTES)})" if finding.since else ""
    told = f"{finding.subject}{since}" + (f": {text}" if text else "")
    return Line(f"{indent}{_LABELS[level].ljust(_LABEL_WIDTH)}{told}", level)


def print_lines(lines: Iterable[Line]) -> None:
    """Prints a report. At a terminal, it has colours, and long lines are wrapped behind the label."""
    console = Console(highlight=False)
    for line in lines:
        if console.is_terminal:
            console.print(style_line(line, console.width))
        else:
            print(strip_control_characters(line.text))  # noqa: T201 - a command prints


def style_line(line: Line, width: int) -> Text:
    """Returns a line for a terminal with this number of columns."""
    text = strip_control_characters(line.text)
    lead = len(text) - len(text.lstrip())
    hanging = " " * (lead + (_LABEL_WIDTH if line.level else 0))
    wrapped = wrap(text, max(width, 2 * _LABEL_WIDTH), initial_indent="", subsequent_indent=hanging) or [""]
    styled = Text("\n".join([" " * lead * (not wrapped[0].startswith(" ")) + wrapped[0], *wrapped[1:]]))
    if line.is_title:
        styled.stylize("bold")
    if line.level is not None:
        label = len(_LABELS[line.level]) if text[lead:].startswith(_LABELS[line.level]) else len(text)
        styled.stylize(_STYLES[line.level], lead, lead + label)
    return styled


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
