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
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Process, Ready, clear_leftovers, http_ready

WAIT_FOR_EVER = "import signal; print('up', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT_FOR_EVER}"


def python(folder: Path, code: str, *arguments: str, ready: Ready | None = None, start_seconds: float = 20) -> Process:
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    process = Process(
        "child", command, folder=folder, environment={"GREETING": "moin"}, ready=ready, start_seconds=start_seconds
    )
    process._ready = process._ready or says(process, "up")
    return process


def says(process: Process, word: str) -> Ready:
    async def ready() -> bool:
        return word in process.log_tail()

    return ready


async def never() -> bool:
    return False


async def test_a_process_runs_until_it_is_asked_to_end(tmp_path: Path) -> None:
    async with python(tmp_path, WAIT_FOR_EVER) as child:
        assert (child.running, child.exit_code) == (True, None)
    assert not child.running
    assert child.exit_code == -signal.SIGTERM


async def test_it_gets_the_environment_it_was_given_on_top_of_ours(tmp_path: Path) -> None:
    code = "import os; print('up', os.environ['GREETING'], 'PATH' in os.environ)"
    child = python(tmp_path, code)
    child.launch()
    assert await child.wait(20) == 0
    assert child.log_tail() == "up moin True\n"


async def test_one_that_does_not_listen_to_the_request_to_end_is_killed(tmp_path: Path) -> None:
    child = python(tmp_path, DEAF)
    await child.start()
    assert await child.stop(seconds=0.2) == -signal.SIGKILL


async def test_one_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = python(tmp_path, "raise SystemExit('MONGODB_URL is missing')", ready=never)
    with pytest.raises(StackError, match=r"child ended with exit code 1 before it was ready[\s\S]*MONGODB_URL is miss"):
        await child.start()


async def test_another_that_answers_in_its_place_does_not_make_it_ready(tmp_path: Path) -> None:
    child = python(tmp_path, "raise SystemExit('address in use')")

    async def somebody_else_is() -> bool:
        await child.wait(20)
        return True

    child._ready = somebody_else_is
    with pytest.raises(StackError, match=r"ended with exit code 1 before it was ready[\s\S]*address in use"):
        await child.start()


async def test_one_that_does_not_get_ready_in_time_is_reported_and_ended(tmp_path: Path) -> None:
    child = python(tmp_path, WAIT_FOR_EVER, ready=never, start_seconds=0.2)
    with pytest.raises(StackError, match=r"was not ready after 0\.2 s"):
        await child.start()
    assert not child.running


async def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    child = Process("nobody", ["no-such-command"], folder=tmp_path, ready=never)
    with pytest.raises(StackError, match="no-such-command: No such file or directory"):
        await child.start()


async def test_it_is_not_started_twice(tmp_path: Path) -> None:
    async with python(tmp_path, WAIT_FOR_EVER) as child:
        with pytest.raises(StackError, match="already runs"):
            await child.start()


async def test_a_killed_one_starts_again_under_a_new_pid(tmp_path: Path) -> None:
    async with python(tmp_path, WAIT_FOR_EVER) as child:
        first = child.pid
        await child.kill()
        assert child.exit_code == -signal.SIGKILL
        await child.start()
        assert child.pid != first


async def test_a_paused_one_stands_still_and_can_still_be_stopped(tmp_path: Path) -> None:
    async with python(tmp_path, WAIT_FOR_EVER) as child:
        child.pause()
        stopped = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)  # noqa: ASYNC222 - see WNOHANG
        assert stopped is not None
        assert stopped.si_status == signal.SIGSTOP
        assert await child.stop() == -signal.SIGTERM


async def test_waiting_for_one_that_goes_on_times_out(tmp_path: Path) -> None:
    async with python(tmp_path, WAIT_FOR_EVER) as child:
        with pytest.raises(TimeoutError, match="child still runs"):
            await child.wait(0.05)


async def test_ready_is_what_answers_200_over_http(tmp_path: Path) -> None:
    """The server says 503 to the first question."""
    code = textwrap.dedent("""
        import http.server, sys
        class Health(http.server.BaseHTTPRequestHandler):
            statuses = [503]
            def do_GET(self):
                self.send_response(self.statuses.pop() if self.statuses else 200)
                self.end_headers()
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
    """)
    port = free_port()
    ready = http_ready(f"http://127.0.0.1:{port}/health")
    assert not await ready()
    async with python(tmp_path, code, str(port), ready=ready) as child:
        assert "503" in child.log_tail()
        assert await ready()


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another run on the same folder, which has started one process and goes on."""
    code = textwrap.dedent(f"""
        import signal, sys
        from pathlib import Path
        from sandbox.stack.processes import Process
        Process("child", [sys.executable, "-c", {WAIT_FOR_EVER!r}], folder=Path(sys.argv[1])).launch()
        print("up", flush=True)
        signal.pause()
    """)
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        yield run
        run.kill()


async def test_a_killed_run_takes_its_processes_with_it(tmp_path: Path, other_run: subprocess.Popen[bytes]) -> None:
    note = PidNote.read(tmp_path / "child.pid")
    assert note.attended
    other_run.kill()
    async with asyncio.timeout(10):
        while note.alive:  # noqa: ASYNC110 - not our child: the kernel tells nobody but its parent
            await asyncio.sleep(0.01)
    assert await clear_leftovers(tmp_path) == []
    assert not (tmp_path / "child.pid").exists()


async def test_a_run_that_goes_on_is_left_alone(tmp_path: Path, other_run: subprocess.Popen[bytes]) -> None:
    with pytest.raises(StackError, match=f"in use by the process {other_run.pid}: stop it first"):
        await clear_leftovers(tmp_path)
    assert PidNote.read(tmp_path / "child.pid").alive


@pytest.mark.parametrize("code", [WAIT_FOR_EVER, DEAF])
async def test_leftovers_below_a_folder_are_ended(tmp_path: Path, code: str) -> None:
    child = python(tmp_path / "services", code)
    await child.start()
    assert await clear_leftovers(tmp_path, seconds=0.3) == ["child"]
    assert await child.wait(5) in {-signal.SIGTERM, -signal.SIGKILL}
    assert await clear_leftovers(tmp_path) == []


async def test_a_paused_leftover_is_ended(tmp_path: Path) -> None:
    child = python(tmp_path, WAIT_FOR_EVER)
    await child.start()
    child.pause()
    assert await clear_leftovers(tmp_path) == ["child"]
    assert await child.wait(5) == -signal.SIGTERM


async def test_a_pid_that_the_system_gave_to_another_process_is_not_touched(tmp_path: Path) -> None:
    async with python(tmp_path / "new", WAIT_FOR_EVER) as bystander:
        note = PidNote.read(tmp_path / "new" / "child.pid")
        assert note.started is not None
        older = PidNote(pid=note.pid, parent=note.parent, started=note.started - 1, command=note.command)
        other = PidNote(pid=note.pid, parent=note.parent, started=note.started, command=["mongod", "--dbpath", "x"])
        (tmp_path / "old").mkdir()
        older.write(tmp_path / "old" / "mapper.pid")
        other.write(tmp_path / "old" / "mongod.pid")
        assert await clear_leftovers(tmp_path / "old") == []
        assert bystander.running
    assert list((tmp_path / "old").iterdir()) == []
