"""Processes: start, readiness, end, and the leftovers of a killed run."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.pidfiles import PidNote
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, ReadyCheck, clear_leftovers, create_http_check

WAIT_FOREVER = "import signal; print('up', flush=True); signal.pause()"
IGNORE_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT_FOREVER}"


def create_child(
    folder: Path, code: str, *arguments: str, ready: ReadyCheck | None = None, start_seconds: float = 20
) -> Process:
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    process = Process(
        "child", command, folder=folder, environment={"GREETING": "moin"}, ready=ready, start_seconds=start_seconds
    )
    process._ready = process._ready or create_log_check(process, "up")
    return process


def create_log_check(process: Process, word: str) -> ReadyCheck:
    async def ready() -> bool:
        return word in process.read_log_tail()

    return ready


async def fail_check() -> bool:
    return False


async def test_process_runs_until_the_end_of_its_context(tmp_path: Path) -> None:
    """Leaving the context ends the process with SIGTERM."""
    async with create_child(tmp_path, WAIT_FOREVER) as child:
        was_running = child.is_running
        code_while_running = child.exit_code

    assert was_running
    assert code_while_running is None
    assert not child.is_running
    assert child.exit_code == -signal.SIGTERM


async def test_environment_is_added_to_the_environment_of_the_run(tmp_path: Path) -> None:
    """A process needs both its own variables and those of the run, such as PATH."""
    code = "import os; print('up', os.environ['GREETING'], 'PATH' in os.environ)"
    child = create_child(tmp_path, code)

    child.launch()

    assert await child.wait(20) == 0
    assert child.read_log_tail() == "up moin True\n"


async def test_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A process that ignores SIGTERM must not block the end of the run."""
    child = create_child(tmp_path, IGNORE_SIGTERM)
    await child.start()

    assert await child.stop(seconds=0.2) == -signal.SIGKILL


async def test_early_end_is_reported_with_the_end_of_the_log(tmp_path: Path) -> None:
    """The cause of a failed start is in the log, so the error quotes it."""
    child = create_child(tmp_path, "raise SystemExit('MONGODB_URL is missing')", ready=fail_check)

    with pytest.raises(StackError, match=r"child ended with exit code 1 before it was ready[\s\S]*MONGODB_URL is miss"):
        await child.start()


async def test_answer_of_another_program_does_not_make_it_ready(tmp_path: Path) -> None:
    """A program on the same port can answer the check of a process that has ended."""
    child = create_child(tmp_path, "raise SystemExit('address in use')")

    async def answer_after_end() -> bool:
        await child.wait(20)
        return True

    child._ready = answer_after_end

    with pytest.raises(StackError, match=r"ended with exit code 1 before it was ready[\s\S]*address in use"):
        await child.start()


async def test_process_not_ready_in_time_is_reported_and_ended(tmp_path: Path) -> None:
    """A failed start leaves no process behind."""
    child = create_child(tmp_path, WAIT_FOREVER, ready=fail_check, start_seconds=0.2)

    with pytest.raises(StackError, match=r"was not ready after 0\.2 s"):
        await child.start()

    assert not child.is_running


async def test_missing_command_is_named(tmp_path: Path) -> None:
    """The error names the command that does not exist."""
    child = Process("child", ["no-such-command"], folder=tmp_path, ready=fail_check)

    with pytest.raises(StackError, match="no-such-command: No such file or directory"):
        await child.start()


async def test_second_start_of_a_running_process_is_an_error(tmp_path: Path) -> None:
    """A second start would lose the pid of the first."""
    async with create_child(tmp_path, WAIT_FOREVER) as child:
        with pytest.raises(StackError, match="already runs"):
            await child.start()


async def test_killed_process_restarts_with_a_new_pid(tmp_path: Path) -> None:
    """A process can be started again after a kill."""
    async with create_child(tmp_path, WAIT_FOREVER) as child:
        first = child.pid

        await child.kill()

        assert child.exit_code == -signal.SIGKILL

        await child.start()

        assert child.pid != first


async def test_paused_process_is_suspended_and_can_be_stopped(tmp_path: Path) -> None:
    """Stopping resumes the process first, because a suspended process does not handle SIGTERM."""
    async with create_child(tmp_path, WAIT_FOREVER) as child:
        child.pause()
        state = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)  # noqa: ASYNC222 - see WNOHANG

        assert state is not None
        assert state.si_status == signal.SIGSTOP
        assert await child.stop() == -signal.SIGTERM


async def test_wait_for_a_running_process_times_out(tmp_path: Path) -> None:
    """Waiting for a process that keeps running ends with an error."""
    async with create_child(tmp_path, WAIT_FOREVER) as child:
        with pytest.raises(TimeoutError, match="child still runs"):
            await child.wait(0.05)


async def test_http_check_is_true_only_for_status_200(tmp_path: Path) -> None:
    """A refused connection and the first answer, 503, do not make the process ready."""
    code = textwrap.dedent("""
        import http.server, sys
        class Health(http.server.BaseHTTPRequestHandler):
            statuses = [503]
            def do_GET(self):
                self.send_response(self.statuses.pop() if self.statuses else 200)
                self.end_headers()
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
    """)
    port = reserve_port()
    ready = create_http_check(f"http://127.0.0.1:{port}/health")

    assert not await ready()

    async with create_child(tmp_path, code, str(port), ready=ready) as child:
        assert "503" in child.read_log_tail()
        assert await ready()


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another run on the same folder, which has started one process and keeps running."""
    code = textwrap.dedent(f"""
        import signal, sys
        from pathlib import Path
        from sandbox.stack.processes import Process
        Process("child", [sys.executable, "-c", {WAIT_FOREVER!r}], folder=Path(sys.argv[1])).launch()
        print("up", flush=True)
        signal.pause()
    """)
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        yield run
        run.kill()


async def test_killed_run_ends_its_processes(tmp_path: Path, other_run: subprocess.Popen[bytes]) -> None:
    """The kernel kills the processes of a run that was killed."""
    note = PidNote.read(tmp_path / "child.pid")
    async with asyncio.timeout(10):
        while not note.has_parent:  # noqa: ASYNC110 - a program that is just being executed has no command line
            await asyncio.sleep(0.01)

    other_run.kill()
    async with asyncio.timeout(10):
        while note.is_alive:  # noqa: ASYNC110 - the kernel reports the end to the parent only
            await asyncio.sleep(0.01)

    assert await clear_leftovers(tmp_path) == []
    assert not (tmp_path / "child.pid").exists()


async def test_processes_of_a_live_run_are_not_cleared(tmp_path: Path, other_run: subprocess.Popen[bytes]) -> None:
    """Two runs on one folder would damage its data, so the second is rejected."""
    with pytest.raises(StackError, match=f"in use by the process {other_run.pid}: stop it first"):
        await clear_leftovers(tmp_path)

    assert PidNote.read(tmp_path / "child.pid").is_alive


@pytest.mark.parametrize("code", [WAIT_FOREVER, IGNORE_SIGTERM])
async def test_leftovers_in_subfolders_are_ended(tmp_path: Path, code: str) -> None:
    """Leftovers end with SIGTERM, or with SIGKILL if they ignore it."""
    child = create_child(tmp_path / "services", code)
    await child.start()

    assert await clear_leftovers(tmp_path, seconds=0.3) == ["child"]
    assert await child.wait(5) in {-signal.SIGTERM, -signal.SIGKILL}
    assert await clear_leftovers(tmp_path) == []


async def test_paused_leftover_is_ended(tmp_path: Path) -> None:
    """A suspended leftover is resumed, so that it handles SIGTERM."""
    child = create_child(tmp_path, WAIT_FOREVER)
    await child.start()

    child.pause()

    assert await clear_leftovers(tmp_path) == ["child"]
    assert await child.wait(5) == -signal.SIGTERM


async def test_reused_pid_of_another_process_is_not_ended(tmp_path: Path) -> None:
    """A pid file matches only a process with the same start time and command."""
    async with create_child(tmp_path / "new", WAIT_FOREVER) as bystander:
        note = PidNote.read(tmp_path / "new" / "child.pid")
        assert note.started is not None

        older = PidNote(pid=note.pid, parent=note.parent, started=note.started - 1, command=note.command)
        other = PidNote(pid=note.pid, parent=note.parent, started=note.started, command=["mongod", "--dbpath", "x"])
        (tmp_path / "old").mkdir()
        older.write(tmp_path / "old" / "mapper.pid")
        other.write(tmp_path / "old" / "mongod.pid")

        assert await clear_leftovers(tmp_path / "old") == []
        assert bystander.is_running

    assert list((tmp_path / "old").iterdir()) == []
