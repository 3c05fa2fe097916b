"""Processes that are started, watched and ended by pid; each has a log file and a pid file.

A run that ends in order stops its processes. If the run is killed, the kernel kills its processes (``parent_death``).
If the kernel did not, the next run ends them with ``clear_leftovers``.
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

from sandbox.stack import parent_death
from sandbox.stack.errors import StackError
from sandbox.stack.pidfiles import PidNote, read_notes

ReadyCheck = Callable[[], Awaitable[bool]]
"""Returns whether a process can be used; called repeatedly until it returns True."""

_LOG_TAIL_BYTES = 3_000


def create_http_check(url: str) -> ReadyCheck:
    """Returns a check that is True when ``url`` answers 200; a refused connection or a timeout is False."""

    async def check() -> bool:
        try:
            # without TLS no certificates are loaded, which would take most of the time of a check
            async with httpx.AsyncClient(timeout=2, trust_env=False, verify=False) as client:  # noqa: S501
                return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return check


class Process:
    """One command that can be started, ended and started again; it writes ``<folder>/<name>.log`` and ``.pid``.

    ``environment`` is added to the environment of this process. ``ready`` is called until it returns True, for at most
    ``start_seconds``.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        ready: ReadyCheck | None = None,
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
        """Pid of the last start. Raises ``StackError`` before the first start."""
        return self._get_child().pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, or minus the number of the signal that ended the process; None before its start and end."""
        return None if self._child is None else self._child.poll()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts the process and waits until it is ready.

        Raises ``StackError`` with the end of the log if the process does not become ready.
        """
        self.launch()
        try:
            await self.wait_until_ready()
        except BaseException:
            await self.kill()
            raise

    def launch(self) -> None:
        """Starts the process without waiting. Raises ``StackError`` if it already runs."""
        if self.is_running:
            raise StackError(f"{self.name} already runs (pid {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*_build_parent_death_command(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C at the terminal then reaches only this process, which stops the child
            )
        PidNote.create(self._child.pid, self.command).write(self._pid_file)

    async def wait_until_ready(self) -> None:
        """Waits for the check to return True. Raises ``StackError`` if the process ends before, or at the timeout."""
        if self._ready is None:
            return
        try:
            async with asyncio.timeout(self._start_seconds):
                while True:
                    is_ready = await self._ready()
                    if not self.is_running:  # another process on the same port may have answered the check
                        raise StackError(
                            self._describe_failure(f"ended with exit code {self.exit_code} before it was ready")
                        )
                    if is_ready:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise StackError(self._describe_failure(f"was not ready after {self._start_seconds:g} s")) from error

    async def wait(self, seconds: float) -> int:
        """Waits for the end of the process and returns its exit code. Raises ``TimeoutError`` after ``seconds``."""
        try:
            return await asyncio.to_thread(self._get_child().wait, seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {seconds:g} s") from error

    async def stop(self, seconds: float = 30) -> int | None:
        """Sends SIGTERM, then SIGKILL if the process still runs after ``seconds``; returns the exit code."""
        if self.is_running:
            self.resume()  # a suspended process does not handle SIGTERM
            self.send(signal.SIGTERM)
            try:
                await self.wait(seconds)
            except TimeoutError:
                await self.kill()
        self._pid_file.unlink(missing_ok=True)
        return self.exit_code

    async def kill(self) -> None:
        """Ends the process with SIGKILL; on return it has ended and its ports are free."""
        if self.is_running:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self._get_child().wait)
        self._pid_file.unlink(missing_ok=True)

    def pause(self) -> None:
        """Suspends the process with SIGSTOP; on return it keeps its connections open but does not answer."""
        if self.is_running:
            self.send(signal.SIGSTOP)
            # after the signal, threads on other processors run on for a moment, so wait for the stop
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Resumes the process after ``pause``."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process. Raises ``StackError`` before the first start."""
        self._get_child().send_signal(number)

    def read_log_tail(self) -> str:
        """Returns the last kilobytes of the log; empty if the log does not exist."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")

    def _get_child(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child

    def _describe_failure(self, event: str) -> str:
        return f"{self.name} {event}. The end of {self.log}:\n{self.read_log_tail()}"


async def clear_leftovers(folder: Path, *, seconds: float = 10) -> list[str]:
    """Ends the processes that a killed run left behind in the folder and its subfolders; returns their names.

    ``seconds`` is the time that a process has to end after each signal. Raises ``StackError`` if another run uses the
    folder or a process does not end.
    """
    notes = read_notes(folder)
    for note in notes.values():
        if note.has_parent and note.parent != os.getpid():
            raise StackError(f"{folder} is in use by the process {note.parent}: stop it first, then start again.")
    names = [path.stem for path, note in notes.items() if await _end(note, seconds)]
    for path in notes:
        path.unlink(missing_ok=True)
    return names


async def _end(note: PidNote, seconds: float) -> bool:
    """Sends SIGTERM, then SIGKILL; returns whether the process was alive."""
    if not note.is_alive:
        return False
    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, number)
        if number is not signal.SIGCONT and await _wait_for_end(note, seconds):
            return True
    raise StackError(f"the process {note.pid} of an earlier run does not end: {' '.join(note.command)}")


async def _wait_for_end(note: PidNote, seconds: float) -> bool:
    """Polls until the process has ended, because only its parent can wait for it; returns False after ``seconds``."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while note.is_alive and clock.time() < deadline:  # noqa: ASYNC110 - the kernel offers no event to wait for
        await asyncio.sleep(0.02)
    return not note.is_alive


def _build_parent_death_command() -> list[str]:
    return [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
