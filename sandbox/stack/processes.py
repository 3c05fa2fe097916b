"""Processes started, watched and ended by pid, with a log file and a pid file each.

A run that ends in order stops what it started. When it is killed, the kernel kills its processes with it (`leash`).
Where that did not happen, the next run calls `clear_leftovers`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from sandbox.stack import leash
from sandbox.stack.errors import StackError
from sandbox.stack.pidfiles import PidNote, notes_below

Ready = Callable[[], Awaitable[bool]]

_LOG_TAIL_BYTES = 3_000


def http_ready(url: str) -> Ready:
    """Ask `url` whether its process is ready: yes is status 200, a refused connection or a time-out is no."""

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
                return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return ready


class Process:
    """One command that may be started, ended and started again; `<folder>/<name>.log` and `.pid` belong to it.

    `environment` is added to that of this process. `ready` is asked until it says yes, at most `start_seconds` long.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        ready: Ready | None = None,
        start_seconds: float = 60,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment or {})
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._ready = ready
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; minus the number of the signal that ended it."""
        return None if self._child is None else self._child.poll()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it is ready; raise StackError, with the end of its log, if it does not get there."""
        self.launch()
        try:
            await self.wait_until_ready()
        except BaseException:
            await self.kill()
            raise

    def launch(self) -> None:
        """Start it without waiting."""
        if self.running:
            raise StackError(f"{self.name} already runs (pid {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*_leash(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C at the terminal is for the one who started it
            )
        PidNote.of(self._child.pid, self.command).write(self._pid_file)

    async def wait_until_ready(self) -> None:
        if self._ready is None:
            return
        try:
            async with asyncio.timeout(self._start_seconds):
                while True:
                    ready = await self._ready()
                    if not self.running:  # whoever said yes then was somebody else on the same port
                        raise StackError(self._report(f"ended with exit code {self.exit_code} before it was ready"))
                    if ready:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise StackError(self._report(f"was not ready after {self._start_seconds:g} s")) from error

    async def wait(self, seconds: float) -> int:
        """Return the exit code once it has ended by itself; raise TimeoutError when it still runs after `seconds`."""
        try:
            return await asyncio.to_thread(self._started().wait, seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {seconds:g} s") from error

    async def stop(self, seconds: float = 30) -> int | None:
        """Ask it to end (SIGTERM), and kill it if it has not done so after `seconds`; return the exit code."""
        if self.running:
            self.resume()  # a stopped process would not hear of it
            self.send(signal.SIGTERM)
            try:
                await self.wait(seconds)
            except TimeoutError:
                await self.kill()
        self._pid_file.unlink(missing_ok=True)
        return self.exit_code

    async def kill(self) -> None:
        """SIGKILL; when this returns the process is gone and its ports are free."""
        if self.running:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self._started().wait)
        self._pid_file.unlink(missing_ok=True)

    def pause(self) -> None:
        """Stop it where it stands (SIGSTOP), and return once it does: it keeps its connections and answers nothing."""
        if self.running:
            self.send(signal.SIGSTOP)
            # the signal alone leaves its threads on other processors a moment to go on in
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        self._started().send_signal(number)

    def log_tail(self) -> str:
        """Return the last few kilobytes of the log."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child

    def _report(self, what: str) -> str:
        return f"{self.name} {what}. The end of {self.log}:\n{self.log_tail()}"


async def clear_leftovers(folder: Path, *, seconds: float = 10) -> list[str]:
    """End what an earlier run that was killed left behind in `folder` and below; return the names of the processes.

    Raise StackError if another run still goes on there.
    """
    notes = notes_below(folder)
    for note in notes.values():
        if note.attended and note.parent != os.getpid():
            raise StackError(f"{folder} is in use by the process {note.parent}: stop it first, then start again.")
    ended = [path.stem for path, note in notes.items() if await _end(note, seconds)]
    for path in notes:
        path.unlink(missing_ok=True)
    return ended


async def _end(note: PidNote, seconds: float) -> bool:
    """SIGTERM, then SIGKILL; tell whether there was something to end."""
    if not note.alive:
        return False
    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, number)
        if number is not signal.SIGCONT and await _gone(note, seconds):
            return True
    raise StackError(f"the process {note.pid} of an earlier run does not end: {' '.join(note.command)}")


async def _gone(note: PidNote, seconds: float) -> bool:
    """Wait for the end of a process that is not our child, so that only asking again and again tells."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while note.alive and clock.time() < deadline:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.02)
    return not note.alive


def _leash() -> list[str]:
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
