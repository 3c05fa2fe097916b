"""``make demo`` as its user sees it: people arrive, changes follow, it can be stopped, killed and started again."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.contracts.ids import ConnectionId
from tests.e2e.troubles import Company
from tests.e2e.world import exact, until

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(300)]

PEOPLE = 30
SECONDS = 120


class Demo:
    """The running command; ``said`` is what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def until(self, text: str) -> str:
        """The line that holds the text, said now or earlier."""
        async with asyncio.timeout(SECONDS):
            while not (found := [line for line in self.said if text in line]):
                await self._hear()
        return found[-1]

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        assert line, "the demo has ended:\n" + "\n".join(self.said[-20:])
        self.said.append(line.rstrip())

    @property
    def writes(self) -> list[str]:
        return [line for line in self.said if line.startswith(("+ ", "~ "))]

    async def address(self, what: str) -> str:
        await self.until("Ctrl-C stops everything")
        text = "\n".join(self.said)
        found = re.search(
            r"POST (http://\S+)/_control" if what == "personio" else r"in Declaree +(http://\S+)/$", text, re.MULTILINE
        )
        assert found is not None, text
        return found.group(1)

    async def company(self) -> Company:
        return Company(ConnectionId("demo"), await self.address("personio"), await self.address("declaree"))

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), SECONDS)


@asynccontextmanager
async def demo(data: Path) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        "--data",
        str(data),
        "--employees",
        str(PEOPLE),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def processes_of(data: Path) -> list[str]:
    """The command lines of all processes that have to do with this folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if entry.name != str(os.getpid()) and line and (str(data) in line or f"DEMO_TEST={data}" in environment):
            found.append(line)
    return found


async def hire(running: Demo, first_name: str) -> None:
    """A new colleague, who has come through with everything that was to be said before."""
    personio = await running.address("personio")
    async with httpx.AsyncClient() as http:
        wish = {"first_name": first_name, "last_name": "Lovelace"}
        answer = await http.post(f"{personio}/_control/employees", content=json.dumps(wish))
    assert answer.status_code == 201
    await running.until(f"+ {first_name} Lovelace")


async def test_people_arrive_changes_follow_and_what_is_kept_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("DEMO_TEST", str(data))  # marks every process that comes of it
    async with demo(data) as first:
        await first.until(f"{PEOPLE} of {PEOPLE} active employees have an account")
        await hire(first, "Ada")
        await first.until(f"{PEOPLE + 1} of {PEOPLE + 1} active employees have an account")
        await exact(await first.company())  # reports come to have their supervisor after they have an account
        assert len(processes_of(data)) > 6
        assert await first.end(signal.SIGINT) == 0
    assert processes_of(data) == []

    async with demo(data) as second:
        await hire(second, "Grace")
        assert [line for line in second.writes if "Grace" not in line] == []
        await second.end(signal.SIGKILL)

    async def all_gone() -> bool:
        return processes_of(data) == []

    await until("the kernel has ended everything with the demo", all_gone, 30)

    async with demo(data) as third:
        await hire(third, "Edith")
        assert [line for line in third.writes if "Edith" not in line] == []
        assert await third.end(signal.SIGTERM) == 0
    assert processes_of(data) == []
