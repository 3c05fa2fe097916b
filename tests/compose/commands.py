"""Runs commands so that none of their processes survives a failure, a timeout or an interruption."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class CommandError(Exception):
    """A command had an unexpected exit code or exceeded its timeout; the message contains the end of its output."""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command that has ended."""

    code: int
    """The exit code, or minus the number of the signal that ended the command."""
    output: str
    """The text on standard output; empty if it went to the terminal."""
    errors: str
    """The text on standard error; empty if it went to the terminal."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: float,
    expect: int | None = 0,
    show: bool = False,
) -> CommandResult:
    """Runs a command and returns its result.

    ``environment`` is the whole environment of the command. ``seconds`` is the timeout. ``show`` sends the output to
    the terminal, for commands that take minutes. Raises ``CommandError`` at the timeout, or if the exit code is not
    ``expect``; None accepts every code.
    """
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        close_fds=False,  # the command inherits the lock of tests.compose.engine
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandError(f"not done after {seconds:g} s: {' '.join(command)}") from None
            raise
    result = CommandResult(process.returncode, output or "", errors or "")
    if expect is not None and result.code != expect:
        end = f"{result.output[-1500:]}{result.errors[-3000:]}"
        raise CommandError(f"{' '.join(command)} ended with {result.code}:\n{end}")
    return result
