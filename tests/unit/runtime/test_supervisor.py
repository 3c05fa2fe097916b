"""A group of processes: a child that ends is restarted, and all children end in order with the supervisor."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.runtime.clock import SystemClock
from services.runtime.supervisor import FIRST_PAUSE_SECONDS, STABLE_SECONDS, Supervisor
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

PATIENT = """
import os, signal, sys, time
def end(*_):
    print("ends", os.environ["NAME"], flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("runs", os.environ["NAME"], os.getpid(), flush=True)
while True: signal.pause()
"""
"""A program that runs until SIGTERM."""
STUBBORN = PATIENT.replace("signal.SIGTERM, end", "signal.SIGTERM, signal.SIG_IGN")
"""A program that ignores SIGTERM."""
SHORT = 'import os; print("ran", os.environ["NAME"], flush=True); os._exit(3)'
"""A program that ends at once."""


class Log:
    """A file with everything that the children print."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def make_command(self, program: str) -> tuple[str, ...]:
        """Returns a command that runs the program and appends its output to the file."""
        return ("sh", "-c", 'exec "$0" -c "$1" >>"$2"', sys.executable, program, str(self.file))

    @property
    def lines(self) -> list[str]:
        """The lines that were printed so far. A line that is not yet complete does not count."""
        return self.file.read_text().rpartition("\n")[0].splitlines()

    def read_pid(self, name: str) -> int:
        return int(next(line.split()[2] for line in self.lines if line.startswith(f"runs {name} ")))

    async def wait_until_running(self, *names: str) -> None:
        await wait_until(lambda: all(any(line.startswith(f"runs {name} ") for line in self.lines) for name in names))

    async def wait_until_lines(self, count: int) -> None:
        await wait_until(lambda: len(self.lines) >= count)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def make_environments(*names: str) -> Mapping[str, Mapping[str, str]]:
    return {name: {"NAME": name} for name in names}


def is_running(pid: int) -> bool:
    """Returns whether a process runs. A zombie does not; the process that inherited it may collect it later."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@asynccontextmanager
async def run_supervisor(supervisor: Supervisor) -> AsyncIterator[None]:
    """Runs the supervisor during the block, then tells this process to stop."""
    task = asyncio.create_task(supervisor.main())
    try:
        yield
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 30)


async def test_children_have_own_variables_and_end_in_order(log: Log) -> None:
    """Each child has ended before the next one is told to stop."""
    commands = {name: log.make_command(PATIENT) for name in ("a", "b", "c")}
    environments = make_environments(*commands)

    async with run_supervisor(Supervisor(commands, SystemClock(), grace_seconds=30, environments=environments)):
        await log.wait_until_running("a", "b", "c")

    assert log.lines[3:] == ["ends a", "ends b", "ends c"]


@pytest.mark.expects_errors
async def test_child_that_ends_is_restarted_after_a_pause(log: Log) -> None:
    """A child that ends at once is restarted without a limit."""

    class StoppingClock(FakeClock):
        """Tells this process to stop in the eighth pause."""

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.slept) == 8:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)  # the signal ends it

    clock = StoppingClock()
    commands = {"a": log.make_command(SHORT)}

    supervisor = Supervisor(commands, clock, grace_seconds=1, environments=make_environments("a"))
    await asyncio.wait_for(supervisor.main(), 60)

    assert len(clock.slept) == 8
    assert min(clock.slept) >= FIRST_PAUSE_SECONDS
    assert log.lines == ["ran a"] * 8


@pytest.mark.expects_errors
async def test_child_that_ran_for_long_is_restarted_soon(log: Log) -> None:
    """A long uptime resets the back-off."""
    clock = FakeClock()
    commands = {"a": log.make_command(PATIENT)}

    async with run_supervisor(Supervisor(commands, clock, grace_seconds=30, environments=make_environments("a"))):
        for number in range(1, 4):
            await log.wait_until_lines(number)
            clock.seconds += STABLE_SECONDS + 1
            os.kill(int(log.lines[-1].split()[2]), signal.SIGKILL)
        await log.wait_until_lines(4)

    assert clock.slept == [FIRST_PAUSE_SECONDS] * 3


async def test_child_that_ignores_the_stop_is_killed(log: Log) -> None:
    """The other children still end in order."""
    commands = {"a": log.make_command(STUBBORN), "b": log.make_command(PATIENT)}
    environments = make_environments(*commands)

    async with run_supervisor(Supervisor(commands, SystemClock(), grace_seconds=0.3, environments=environments)):
        await log.wait_until_running("a", "b")

    assert log.lines[2:] == ["ends b"]
    assert not Path(f"/proc/{log.read_pid('a')}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
async def test_killed_supervisor_takes_its_children_along(log: Log) -> None:
    """Children without a supervisor would keep working beside those of the next one."""
    program = f"""
import asyncio
from services.runtime.clock import SystemClock
from services.runtime.supervisor import Supervisor
asyncio.run(Supervisor({{"a": {log.make_command(PATIENT)!r}}}, SystemClock(), grace_seconds=30,
                       environments={{"a": {{"NAME": "a"}}}}).main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        await log.wait_until_running("a")
    finally:
        process.kill()
        await process.wait()

    await wait_until(lambda: not is_running(log.read_pid("a")))
    assert log.lines == [f"runs a {log.read_pid('a')}"]
