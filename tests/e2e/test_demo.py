"""``make demo`` as its user sees it."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.contracts.ids import ConnectionId
from tests.e2e.troubles import Company
from tests.support.http import open_http
from tests.support.world import wait_until, wait_until_exact

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

EMPLOYEES = 30
SECONDS = 120
"""Limit for each condition that a test waits for."""


class Demo:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        """The lines that were read from the command so far."""

    async def wait_for(self, text: str) -> str:
        """Returns the newest line with the text, printed now or earlier."""
        async with asyncio.timeout(SECONDS):
            while not (matches := [line for line in self.lines if text in line]):
                await self._read_line()
        return matches[-1]

    async def _read_line(self) -> None:
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        assert line, "the demo has ended:\n" + "\n".join(self.lines[-20:])
        self.lines.append(line.rstrip())

    @property
    def writes(self) -> list[str]:
        """The lines about writes to Declaree."""
        return [line for line in self.lines if line.startswith(("+ ", "~ "))]

    async def read_address(self, sandbox: str) -> str:
        """Returns the address of a sandbox from the printed instructions."""
        await self.wait_for("Ctrl-C stops everything")
        text = "\n".join(self.lines)
        pattern = r"POST (http://\S+)/_control" if sandbox == "personio" else r"in Declaree +(http://\S+)/$"
        match = re.search(pattern, text, re.MULTILINE)
        assert match is not None, text
        return match.group(1)

    async def get_company(self) -> Company:
        """Returns the demo's company with the addresses of both sandboxes."""
        return Company(ConnectionId("demo"), await self.read_address("personio"), await self.read_address("declaree"))

    async def end(self, number: signal.Signals) -> int:
        """Sends the signal and returns the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), SECONDS)


@asynccontextmanager
async def run_demo(data: Path) -> AsyncIterator[Demo]:
    """Runs the demo with its data in this folder; kills it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        "--data",
        str(data),
        "--employees",
        str(EMPLOYEES),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def list_processes(data: Path) -> list[str]:
    """Returns the command lines of all processes that the test has started for this folder."""
    commands: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if entry.name != str(os.getpid()) and line and (str(data) in line or f"DEMO_TEST={data}" in environment):
            commands.append(line)
    return commands


async def hire(running: Demo, first_name: str) -> None:
    """Adds an employee and waits until the demo prints the new account, and thus all earlier writes."""
    personio = await running.read_address("personio")
    async with open_http() as http:
        employee = {"first_name": first_name, "last_name": "Lovelace"}
        answer = await http.post(f"{personio}/_control/employees", content=json.dumps(employee))
    assert answer.status_code == 201
    await running.wait_for(f"+ {first_name} Lovelace")


async def test_demo_restarted_repeats_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo syncs new employees, leaves no process behind, and continues after SIGINT, SIGKILL and SIGTERM."""
    data = tmp_path / "data"
    monkeypatch.setenv("DEMO_TEST", str(data))  # children inherit it, so list_processes finds all of them

    async with run_demo(data) as first:
        await first.wait_for(f"{EMPLOYEES} of {EMPLOYEES} active employees have an account")
        await hire(first, "Ada")
        await first.wait_for(f"{EMPLOYEES + 1} of {EMPLOYEES + 1} active employees have an account")
        await wait_until_exact(await first.get_company())  # managers are written after their reports have accounts

        assert len(list_processes(data)) > 6
        assert await first.end(signal.SIGINT) == 0

    assert list_processes(data) == []

    async with run_demo(data) as second:
        await hire(second, "Grace")

        assert [line for line in second.writes if "Grace" not in line] == []

        await second.end(signal.SIGKILL)

    async def have_all_ended() -> bool:
        return list_processes(data) == []

    await wait_until("the kernel has ended all processes of the demo", have_all_ended, 30)

    async with run_demo(data) as third:
        await hire(third, "Edith")

        assert [line for line in third.writes if "Edith" not in line] == []
        assert await third.end(signal.SIGTERM) == 0

    assert list_processes(data) == []
