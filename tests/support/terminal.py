"""A command at a real terminal (a pseudo-terminal): keys go in, the screen comes out."""

import asyncio
import os
import pty
import sys
from collections.abc import Mapping
from contextlib import suppress

CTRL_C = b"\x03"
"""The key by which a terminal sends SIGINT to its foreground process."""
SECONDS = 30
"""Maximum time in seconds that a text or the end of the command may take."""
TAKE_TERMINAL = (
    "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)
"""Makes standard input the controlling terminal, so that Ctrl-C reaches the process, and then becomes the command.

Processes of a test run in the background ignore SIGINT, and children inherit that.
"""


class Terminal:
    """A running command and its terminal."""

    def __init__(self, process: asyncio.subprocess.Process, file_descriptor: int) -> None:
        self.screen = ""
        self._process = process
        self._file_descriptor = file_descriptor

    async def wait_for(self, text: str) -> None:
        """Returns once the screen has shown the text. Raises ``TimeoutError``."""
        async with asyncio.timeout(SECONDS):
            while text not in self.screen:
                self.screen += (await asyncio.to_thread(os.read, self._file_descriptor, 4096)).decode()

    def type_keys(self, keys: bytes) -> None:
        """Sends keys to the command."""
        os.write(self._file_descriptor, keys)

    async def wait_for_exit(self) -> int:
        """Returns the exit code once the command has ended, with its last output on the screen."""
        code = await asyncio.wait_for(self._process.wait(), SECONDS)
        os.set_blocking(self._file_descriptor, False)
        with suppress(OSError):  # Linux raises EIO at the end of the output: the other side is closed
            while rest := os.read(self._file_descriptor, 4096):
                self.screen += rest.decode()
        os.close(self._file_descriptor)
        return code


async def start_at_terminal(environment: Mapping[str, str], *command: str) -> Terminal:
    """Starts a command of the command line at a terminal of its own."""
    own_side, command_side = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-m", "services.cli", *command),
        stdin=command_side,
        stdout=command_side,
        stderr=command_side,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
        start_new_session=True,
    )
    os.close(command_side)
    return Terminal(process, own_side)
