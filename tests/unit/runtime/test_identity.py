"""The identity of a process, and when another process counts as dead."""

import asyncio
import os
import sys
from dataclasses import replace

import pytest

from services.runtime.identity import BOOT_ID, PID_NAMESPACE, identify_process, make_death_check


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these files")
def test_host_of_a_process_includes_boot_and_namespace() -> None:
    """Many machines are called localhost, and the same process ids exist on all of them."""
    host = identify_process().host

    assert BOOT_ID.read_text(encoding="ascii").strip() in host
    assert str(PID_NAMESPACE.readlink()) in host


def test_identity_has_a_new_token_each_time() -> None:
    """The token distinguishes two processes that had the same process id."""
    first, second = identify_process(), identify_process()

    assert first != second
    assert replace(first, token=second.token) == second


def test_process_of_another_host_is_not_dead() -> None:
    """Nothing is known about it."""
    own = identify_process()

    assert not make_death_check(own)(replace(own, host="elsewhere", token="x"))


def test_earlier_process_with_the_own_pid_is_dead() -> None:
    """A restarted container has the same process id."""
    own = identify_process()

    assert make_death_check(own)(replace(own, token="before the restart"))


async def test_ended_process_is_dead() -> None:
    """No process has its id."""
    own = identify_process()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()

    assert make_death_check(own)(replace(own, pid=process.pid, token="x"))


def test_living_process_is_not_dead() -> None:
    """The parent of this process lives."""
    own = identify_process()

    assert not make_death_check(own)(replace(own, pid=os.getppid(), token="x"))


def test_process_of_another_user_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal to it is forbidden, so it exists."""

    def forbid(_pid: int, _signal: int) -> None:
        raise PermissionError

    own = identify_process()
    monkeypatch.setattr(os, "kill", forbid)

    assert not make_death_check(own)(replace(own, pid=own.pid + 1, token="x"))
