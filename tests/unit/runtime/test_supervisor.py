"""A group of processes: what dies is started again, and all end in order, whichever way the supervisor ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.runtime.clock import SystemClock
from services.runtime.supervisor import FIRST_PAUSE, LONGEST_PAUSE, STABLE_SECONDS, Supervisor
from tests.fakes import FakeClock

PATIENT = """
import os, signal, sys, time
def end(*_):
    print("ends", os.environ["NAME"], flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("runs", os.environ["NAME"], os.getpid(), flush=True)
while True: signal.pause()
"""
STUBBORN = PATIENT.replace("signal.SIGTERM, end", "signal.SIGTERM, signal.SIG_IGN")
SHORT = 'import os; print("ran", os.environ["NAME"], flush=True); os._exit(3)'


class Log:
    """What the children print, in one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def __call__(self, program: str) -> tuple[str, ...]:
        return ("sh", "-c", 'exec "$0" -c "$1" >>"$2"', sys.executable, program, str(self.file))

    @property
    def lines(self) -> list[str]:
        return self.file.read_text().splitlines()

    def pid(self, name: str) -> int:
        return int(next(line.split()[2] for line in self.lines if line.startswith(f"runs {name} ")))

    async def until(self, *starts: str) -> None:
        async with asyncio.timeout(30):
            while not all(any(line.startswith(start) for line in self.lines) for start in starts):  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # another process writes

    async def has(self, lines: int) -> None:
        async with asyncio.timeout(30):
            while len(self.lines) < lines:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def named(*names: str) -> Mapping[str, Mapping[str, str]]:
    return {name: {"NAME": name} for name in names}


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[None]:
    """Until the end of the block, when the process is told to stop."""
    task = asyncio.create_task(supervisor.main())
    try:
        yield
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 30)


async def test_each_child_has_its_own_variables_and_they_end_in_order(log: Log) -> None:
    commands = {name: log(PATIENT) for name in ("a", "b", "c")}
    async with running(Supervisor(commands, SystemClock(), grace_seconds=30, environments=named(*commands))):
        await log.until("runs a", "runs b", "runs c")
    assert log.lines[3:] == ["ends a", "ends b", "ends c"]


@pytest.mark.expects_errors
async def test_what_dies_is_started_again_after_ever_longer_pauses(log: Log) -> None:
    class Impatient(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.slept) == 8:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)  # cut short by the signal

    clock = Impatient()
    supervisor = Supervisor({"a": log(SHORT)}, clock, grace_seconds=1, environments=named("a"))
    await asyncio.wait_for(supervisor.main(), 60)
    assert clock.slept == [FIRST_PAUSE * 2**number for number in range(6)] + [LONGEST_PAUSE] * 2
    assert log.lines == ["ran a"] * 8


@pytest.mark.expects_errors
async def test_what_has_lived_for_long_is_started_again_soon(log: Log) -> None:
    clock = FakeClock()
    supervisor = Supervisor({"a": log(PATIENT)}, clock, grace_seconds=30, environments=named("a"))
    async with running(supervisor):
        for number in range(1, 4):
            await log.has(number)
            clock.seconds += STABLE_SECONDS + 1
            os.kill(int(log.lines[-1].split()[2]), signal.SIGKILL)
        await log.has(4)
    assert clock.slept == [FIRST_PAUSE] * 3


async def test_who_does_not_end_in_time_is_killed_and_keeps_nobody_from_ending_in_order(log: Log) -> None:
    commands = {"a": log(STUBBORN), "b": log(PATIENT)}
    async with running(Supervisor(commands, SystemClock(), grace_seconds=0.3, environments=named(*commands))):
        await log.until("runs a", "runs b")
    assert log.lines[2:] == ["ends b"]
    assert not Path(f"/proc/{log.pid('a')}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone ends the children of a killed process")
async def test_with_a_killed_supervisor_its_children_end(log: Log) -> None:
    program = f"""
import asyncio
from services.runtime.clock import SystemClock
from services.runtime.supervisor import Supervisor
asyncio.run(Supervisor({{"a": {log(PATIENT)!r}}}, SystemClock(), grace_seconds=30,
                       environments={{"a": {{"NAME": "a"}}}}).main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        await log.until("runs a")
    finally:
        process.kill()
        await process.wait()
    async with asyncio.timeout(30):
        while _runs(log.pid("a")):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)
    assert log.lines == [f"runs a {log.pid('a')}"]


def _runs(pid: int) -> bool:
    """A zombie does not: whoever inherited it may take a while to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
