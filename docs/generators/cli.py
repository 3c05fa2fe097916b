"""``docs/cli.md``: the help of every command, as wide as it is on no particular terminal."""

from collections.abc import Iterator
from dataclasses import dataclass

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from docs.generators.markdown import block, page
from services.cli.__main__ import app

NAME = "personio-declaree"
WIDTH = 100

INTRODUCTION = """\
`personio-declaree` is installed with the project (`.venv/bin/personio-declaree`); `python -m services.cli` is the
same. It reads the [settings](settings.md) from the environment. Exit codes: 0 done, 1 failed, 2 wrong use,
75 try again later (a server does not answer), 78 something is not configured or configured wrongly, 130 ended by
Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command with the words that call it, and what it is told by."""

    words: tuple[str, ...]
    context: typer.Context

    @property
    def options(self) -> frozenset[str]:
        names = [*self.context.command.get_help_option_names(self.context)]
        for parameter in self.context.command.params:
            names += [*parameter.opts, *parameter.secondary_opts]
        return frozenset(name for name in names if name.startswith("-"))

    @property
    def is_group(self) -> bool:
        return isinstance(self.context.command, TyperGroup)


def commands() -> tuple[Command, ...]:
    """All commands and groups of them, each group before its members."""
    return tuple(_walk(get_command(app), (NAME,), None))


def _walk(command: object, words: tuple[str, ...], parent: typer.Context | None) -> Iterator[Command]:
    if not isinstance(command, TyperGroup | TyperCommand):
        raise TypeError(f"{' '.join(words)} is no command that can be documented")
    command.rich_markup_mode = None  # plain text: boxes and colours are the terminal's business
    context = typer.Context(
        command, parent=parent, info_name=words[-1], terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    yield Command(words, context)
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            yield from _walk(command.get_command(context, name), (*words, name), context)


def text() -> str:
    parts = [part for command in commands() for part in (f"## {' '.join(command.words)}", block(_help(command)))]
    return page("Commands", INTRODUCTION, *parts)


def _help(command: Command) -> str:
    lines = command.context.command.get_help(command.context).splitlines()
    return "\n".join(line.rstrip() for line in lines)
