"""Commands at a real terminal: progress is seen, what is secret is not, and Ctrl-C ends without a word."""

import asyncio
import os
import pty
import sys
from collections.abc import Mapping
from contextlib import suppress

import pytest

from tests.fakes import opened_store
from tests.stack import MongoServers
from tests.stored import DECLAREE, NOW, PERSONIO
from tests.unit.cli.conftest import Cli

ADD = ("connections", "add", "Nordlicht", "--personio-client-id", "papi-1")
CTRL_C = b"\x03"
BECOME = (
    "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)
"""Makes the terminal that it is given its own, so that Ctrl-C there concerns it; then becomes the command.

Tests that run in the background have Ctrl-C ignored, and children inherit that.
"""


class Terminal:
    """A command, and whoever sits before it."""

    def __init__(self, process: asyncio.subprocess.Process, side: int) -> None:
        self._process = process
        self._side = side
        self.screen = ""

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in self.screen:
                self.screen += (await asyncio.to_thread(os.read, self._side, 4096)).decode()

    def types(self, keys: bytes) -> None:
        os.write(self._side, keys)

    async def ends(self) -> int:
        code = await asyncio.wait_for(self._process.wait(), 30)
        os.set_blocking(self._side, False)
        with suppress(OSError):  # nothing is left, and nobody is at the other end
            while rest := os.read(self._side, 4096):
                self.screen += rest.decode()
        os.close(self._side)
        return code


async def at_a_terminal(environment: Mapping[str, str], *command: str) -> Terminal:
    ours, theirs = pty.openpty()
    program = (sys.executable, "-m", "services.cli", *command)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BECOME, *program),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    return Terminal(process, ours)


async def test_a_secret_is_asked_for_unseen_and_ctrl_c_ends_the_command(offline: Cli) -> None:
    terminal = await at_a_terminal(offline.environment, *ADD)
    await terminal.shows("Personio client_secret: ")
    terminal.types(b"s3cret\n")
    await terminal.shows("Declaree API key: ")
    terminal.types(CTRL_C)
    assert await terminal.ends() == 130
    assert "s3cret" not in terminal.screen
    assert "Traceback" not in terminal.screen
    assert "Aborted" not in terminal.screen


@pytest.fixture
async def connection(mongo: MongoServers, prepared_database: str) -> str:
    async with opened_store(mongo, prepared_database) as store:
        return (await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)).id


@pytest.mark.mongo
async def test_whoever_waits_sees_for_what_and_may_end_it_with_ctrl_c(cli: Cli, connection: str) -> None:
    terminal = await at_a_terminal(cli.environment, "poll", connection)
    await terminal.shows("waiting for a poller")
    terminal.types(CTRL_C)
    assert await terminal.ends() == 130
    assert "Traceback" not in terminal.screen


@pytest.mark.mongo
def test_where_nobody_looks_there_is_no_progress_beside_the_result(cli: Cli, connection: str) -> None:
    result = cli("poll", connection, "--seconds", "0.1")
    assert result.output.splitlines() == [result.output.strip()], "the error alone"
    assert "no poller has finished" in result.output
