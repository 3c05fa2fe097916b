"""Runs commands of the command line in the process of the test, and compares what they print with recorded texts."""

import logging
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.runtime.log import NOISY, SILENT
from tests.support.keys import make_key

PROGRAM = "personio-declaree"
"""Name of the program in its help and errors."""

GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
"""Folder of the recorded texts, one file for each command."""
UPDATE = "UPDATE_GOLDEN"
"""The variable that makes tests write the recorded texts in place of a comparison."""

COMMANDS = (
    "init",
    "up",
    "poll",
    "resync",
    "replay",
    "verify",
    "status",
    "doctor",
    "connections add",
    "connections list",
    "connections check",
    "connections start",
    "connections pause",
    "connections rename",
    "connections resume",
    "connections release-disabling",
    "connections remove",
    "connections secrets",
    "connections rotate-keys",
    "links list",
    "links accept",
    "links refuse",
    "links hand-over",
    "mapping attributes",
    "mapping diff",
    "mapping discard",
    "mapping examples",
    "mapping explain",
    "mapping export",
    "mapping fields",
    "mapping history",
    "mapping import",
    "mapping lint",
    "mapping preview",
    "mapping publish",
    "mapping rollback",
    "mapping schema",
    "mapping suggest",
    "mapping test",
    "mapping unpin",
    "people find",
    "people show",
    "people list",
    "people disable",
    "people acknowledge",
    "people reset",
    "people forget",
    "dead-letters list",
    "dead-letters retry",
    "dead-letters show",
    "users kafka",
    "users mongodb",
)
"""All commands, with their group."""

ADD_CONNECTION = ("connections", "add", "Nordlicht", "--personio-client-id", "papi-1")
SECRET, KEY = "a-personio-secret", "a-declaree-key"
SECRETS = {"PERSONIO_CLIENT_SECRET": SECRET, "DECLAREE_KEY": KEY}
"""The environment from which a command reads both secrets of a connection."""

RANDOM_IDS = {r"\bc[a-z2-7]{12}\b": "CONNECTION", r"\br[0-9a-f]{16}\b": "TASK"}
"""Patterns of generated ids, and the words that stand for them in recorded texts."""


@contextmanager
def restore_logging() -> Iterator[None]:
    """Restores the logging of the process after the block. Commands configure it for the whole process."""
    root, names = logging.getLogger(), (*SILENT, *NOISY)
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)


def build_settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Returns settings of servers that do not answer. Variables that a command sets are removed after the test."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL", "ENCRYPTION_KEYS", "PERSONIO_CLIENT_SECRET", "DECLAREE_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "MONGODB_URL": "mongodb://127.0.0.1:9",
        "MONGODB_TIMEOUT_MS": "200",
        "ENCRYPTION_KEYS": make_key(),
        "ALLOW_PRIVATE_ADDRESSES": "true",
    }


@dataclass(frozen=True)
class Cli:
    """Runs a command with this environment only."""

    environment: Mapping[str, str]
    """The settings of the command."""

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """Returns the result of the command: its exit code, and its output with the errors in between."""
        settings = {**self.environment, **environment}
        return CliRunner().invoke(app, arguments, input=stdin, env=settings, prog_name=PROGRAM)

    def add_settings(self, **environment: str) -> "Cli":
        """Returns a command line with additional settings."""
        return Cli({**self.environment, **environment})


class Transcript:
    """The texts of one command in several situations, as a terminal of 100 columns shows them.

    ``replacements`` holds patterns of content that differs from run to run, and the words that stand for it.
    """

    def __init__(self, cli: Cli, replacements: Mapping[str, str] | None = None) -> None:
        self._cli = cli
        self._replacements = {**(replacements or {}), **RANDOM_IDS}
        self._text = ""

    def record(self, situation: str, *arguments: str, **options: Any) -> Result:
        """Runs a command, records what it prints, and returns its result. ``options`` are those of ``Cli``."""
        result = self._cli(*arguments, **{"COLUMNS": "100", **options})
        self.append(situation, arguments, result)
        return result

    def append(self, situation: str, arguments: tuple[str, ...], result: Result) -> None:
        """Records the result of a command."""
        lines = [f"# {situation}", f"$ {PROGRAM} {shlex.join(arguments)}", *result.output.splitlines()]
        text = "\n".join([*(line.rstrip() for line in lines), f"(exit code {result.exit_code})"])
        for pattern, word in self._replacements.items():
            text = re.sub(pattern, word, text)
        self._text += f"{text}\n\n"

    def compare(self, name: str) -> None:
        """Compares the recorded texts with ``tests/golden/cli/NAME.txt``; writes the file if UPDATE_GOLDEN is 1."""
        file = GOLDEN / f"{name}.txt"
        text = self._text.rstrip() + "\n"
        if os.environ.get(UPDATE) == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        recorded = file.read_text(encoding="utf-8") if file.exists() else ""
        assert text == recorded, f"{file.name} differs from what the commands print: run `make docs` and review it"
