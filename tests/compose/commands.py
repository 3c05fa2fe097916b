"""Running commands so that nothing of them goes on when they fail, take too long or are interrupted."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class CommandError(Exception):
    """A command ended with another exit code than expected, or not in time; the message holds the end of what it said."""


@dataclass(frozen=True)
class Said:
    code: int
    output: str
    errors: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: float,
    expect: int | None = 0,
    show: bool = False,
) -> Said:
    """``environment`` is all that the command sees. ``show`` lets it speak to the terminal, for what takes minutes."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        close_fds=False,  # the lock of tests.compose.engine is handed on
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandError(f"not done after {seconds:g} s: {' '.join(command)}") from None
            raise
    said = Said(process.returncode, output or "", errors or "")
    if expect is not None and said.code != expect:
        raise CommandError(f"{' '.join(command)} ended with {said.code}:\n{said.output[-1500:]}{said.errors[-3000:]}")
    return said
