"""Reads a guide: its commands, what they print, and the rules that its reader edits."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.support.documentation import FENCE, ROOT

GUIDE, GERMAN_GUIDE = ROOT / "docs" / "first-mapping.md", ROOT / "docs" / "first-mapping.de.md"
"""The guide to the first mapping, in both languages."""
OMISSION = "…"
"""A line that stands for any lines."""
ANSWER = re.compile(r"\[y/N\]: (\w)$", re.MULTILINE)
"""The answer to a question."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the guide."""

    language: str
    """``sh`` for commands, ``text`` for what the last of them prints, ``yaml`` for rules."""
    text: str
    """Its lines."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the guide."""

    words: tuple[str, ...]
    """The words after the name of the program."""
    target: str | None
    """Name of the file that gets the result; None for the terminal."""


def read_blocks(page: Path) -> tuple[Block, ...]:
    """Returns the blocks of code, in their order."""
    return tuple(Block(language, text) for language, text in FENCE.findall(page.read_text(encoding="utf-8")))


def parse_commands(block: Block) -> tuple[Command, ...]:
    """Returns the commands of a block. Raises ``ValueError`` for a line that is not one of the program."""
    return tuple(map(_parse, block.text.splitlines()))


def _parse(line: str) -> Command:
    program, *words = shlex.split(line)
    if program != "personio-declaree":
        raise ValueError(f"{line!r} is not a command of the program")
    if ">" in words:
        position = words.index(">")
        return Command(tuple(words[:position]), words[position + 1])
    return Command(tuple(words), None)


def find_missing_line(block: Block, output: str) -> str | None:
    """Returns the first line of a block that the output has not, in the order of the block; None if it has all.

    Numbers, times, names of users, prefixes of topics and the width of columns are not compared.
    """
    position, found = 0, _simplify(output)
    for line in block.text.splitlines():
        wanted = _simplify(ANSWER.sub("[y/N]:", line))
        if line.strip() in {"", OMISSION}:
            continue
        position = found.find(wanted, position)
        if position < 0:
            return line
        position += len(wanted)
    return None


def _simplify(text: str) -> str:
    text = re.sub(r"(UTC[ \t]+)[\w-]+", r"\1USER", text)
    text = re.sub(r"\bc[a-z2-7]{12}\b", "ID", text)
    text = re.sub(r"\be2e-[0-9a-f]{8}-", "", text)  # tests share a Kafka: their topics have a prefix
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+", "0", text))
