"""Generates ``docs/cli.md``: the help of every command, with the same width on every terminal."""

from collections.abc import Iterator
from dataclasses import dataclass

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from docs.generators.markdown import build_page, format_block
from services.cli.app import app

NAME = "personio-declaree"
"""Name of the program."""
WIDTH = 100
"""Characters of a line."""

INTRODUCTION = """\
`personio-declaree` is installed with the project (`.venv/bin/personio-declaree`); `python -m services.cli` is the
same program. It reads the [settings](settings.md) from the environment.

| Exit code | Meaning |
| --- | --- |
| 0 | The command succeeded. |
| 1 | The command failed; its help says when. |
| 2 | An option or argument is missing or invalid. |
| 75 | A server or the poller did not answer in time. Try again later. |
| 78 | A setting, credential, address or mapping is missing or invalid. |
| 130 | Ctrl-C ended the command. |"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of commands."""

    words: tuple[str, ...]
    """The words that call it, from the name of the program."""
    context: typer.Context
    """Typer's context, with the command in it."""

    @property
    def options(self) -> frozenset[str]:
        """Names of the options, with their dashes."""
        names = [*self.context.command.get_help_option_names(self.context)]
        for parameter in self.context.command.params:
            names += [*parameter.opts, *parameter.secondary_opts]
        return frozenset(name for name in names if name.startswith("-"))

    @property
    def is_group(self) -> bool:
        """Whether this is a group of commands."""
        return isinstance(self.context.command, TyperGroup)


def list_commands() -> tuple[Command, ...]:
    """Returns all commands and groups, each group before its members."""
    return tuple(_walk(get_command(app), (NAME,), None))


def _walk(command: object, words: tuple[str, ...], parent: typer.Context | None) -> Iterator[Command]:
    if not isinstance(command, TyperGroup | TyperCommand):
        raise TypeError(f"{' '.join(words)} is not a command of typer: extend the generator")
    command.rich_markup_mode = None  # plain text: boxes and colours depend on the terminal
    context = typer.Context(
        command, parent=parent, info_name=words[-1], terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    yield Command(words, context)
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            yield from _walk(command.get_command(context, name), (*words, name), context)


def generate() -> str:
    """Returns the page."""
    parts = [
        part
        for command in list_commands()
        for part in (f"## {' '.join(command.words)}", format_block(_get_help(command)))
    ]
    return build_page("Commands", INTRODUCTION, *parts)


def _get_help(command: Command) -> str:
    lines = command.context.command.get_help(command.context).splitlines()
    return "\n".join(line.rstrip() for line in lines)
