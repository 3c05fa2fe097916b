"""Calls in other processes: real ones, which compute, end early, and end with the process that started them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from services.runtime import processes
from services.runtime.processes import Processes, open_processes
from tests.support.processes import PicklingExecutor

PARENT = """
import asyncio, os, time
from services.runtime.processes import open_processes
from tests.unit.runtime.test_processes import find_process, iterate

async def main():
    with open_processes() as opened:
        opened.start()
        while True:
            async for pid in opened.map(find_process, iterate([0, 1])):
                if pid != os.getpid():
                    print(pid, flush=True)
                    time.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""
"""A program that prints the id of another process, and then waits for its end."""


def double(number: int) -> int:
    """Returns twice the number."""
    return 2 * number


def find_process(_: int) -> int:
    """Returns the id of the process that makes the call."""
    return os.getpid()


def end_other_process(parent: int) -> int:
    """Ends the process that makes the call, unless it is the parent."""
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return parent


def fail(number: int) -> int:
    """Fails."""
    raise ValueError(f"{number} is wrong")


async def iterate(numbers: list[int]) -> AsyncGenerator[int, None]:
    """Yields the numbers."""
    for number in numbers:
        yield number


async def collect(opened: Processes, function: Callable[[int], int], numbers: list[int]) -> list[int]:
    """Returns what the function returns for each number."""
    return [result async for result in opened.map(function, iterate(numbers))]


@pytest.fixture
def opened() -> Iterator[Processes]:
    """Two processes that have started."""
    with open_processes(__name__) as opened:
        opened.start()
        while asyncio.run(collect(opened, find_process, [0])) == [os.getpid()]:
            pass
        yield opened


@pytest.fixture(autouse=True)
def has_two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two processors."""
    monkeypatch.setattr(processes, "_count_processors", lambda: 2)


def is_running(pid: int) -> bool:
    """Returns whether the process exists, and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_results_come_in_the_order_of_their_arguments(opened: Processes) -> None:
    """More of them than are begun at once."""
    assert asyncio.run(collect(opened, double, list(range(100)))) == list(range(0, 200, 2))


def test_calls_are_made_in_other_processes(opened: Processes) -> None:
    """Two of them share the work, so that both processors are used."""
    pids = asyncio.run(collect(opened, find_process, [0] * 50))

    assert os.getpid() not in pids


def test_calls_are_made_in_this_process_before_the_start() -> None:
    """A small company is not worth the second that a process needs."""
    with open_processes(__name__) as opened:
        assert set(asyncio.run(collect(opened, find_process, [0] * 3))) == {os.getpid()}


def test_calls_are_made_in_this_process_on_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process would take its time from this one."""
    monkeypatch.setattr(processes, "_count_processors", lambda: 1)
    with open_processes(__name__) as opened:
        opened.start()

        assert asyncio.run(collect(opened, find_process, [0])) == [os.getpid()]


def test_work_goes_on_when_a_process_is_killed(opened: Processes, caplog: pytest.LogCaptureFixture) -> None:
    """As the system does with one that needs too much memory. No result is missing."""
    parent = os.getpid()

    assert asyncio.run(collect(opened, end_other_process, [parent] * 30)) == [parent] * 30
    assert not opened.is_started
    assert "the work goes on in this process" in caplog.text


def test_error_of_a_function_is_raised(opened: Processes) -> None:
    """It is a defect, and is not hidden."""
    with pytest.raises(ValueError, match="7 is wrong"):
        asyncio.run(collect(opened, fail, [7]))


def test_processes_end_with_the_context() -> None:
    """A command leaves none behind."""
    with open_processes(__name__) as opened:
        opened.start()
        while (pids := asyncio.run(collect(opened, find_process, [0] * 20))) == [os.getpid()] * 20:
            pass

    assert [pid for pid in set(pids) - {os.getpid()} if is_running(pid)] == []


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Otherwise each killed command would leave some behind."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        was_running = is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        pass

    assert was_running
    assert not is_running(pid)


def test_machine_without_semaphores_has_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a container without ``/dev/shm``."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no semaphores")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", refuse)
    with open_processes(__name__) as opened:
        opened.start()

        assert not opened.is_started
        assert asyncio.run(collect(opened, double, [4])) == [8]


class Refusing(PicklingExecutor):
    """The server that begins the processes ends after some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if not self._left:
            raise ConnectionRefusedError
        self._left -= 1
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_server_of_processes_may_end(calls: int) -> None:
    """The work is done in this process: before the first process is there, and later."""
    opened = Processes(Refusing(calls), 2)
    opened.start()

    assert asyncio.run(collect(opened, double, [4, 5, 6, 7])) == [8, 10, 12, 14]
    assert not opened.is_started


async def test_left_calls_are_cancelled() -> None:
    """A preview that ends early leaves no task behind."""
    opened = Processes(PicklingExecutor(), 2)
    opened.start()
    before = asyncio.all_tasks()
    results = opened.map(double, iterate(list(range(40))))

    first = await anext(results)
    await results.aclose()

    assert first == 0
    assert asyncio.all_tasks() == before
