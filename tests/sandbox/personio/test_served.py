"""The sandbox as a process: its announcement, cut connections, and a company that survives restarts."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from sandbox.personio.storage import UnreadableStateError, load, save
from tests.sandbox.personio.in_process import EMPLOYEES, NOW, SECRETS

LISTENING = re.compile(r"Personio sandbox listening on (http://127\.0\.0\.1:\d+)\n")


@asynccontextmanager
async def run_process(*arguments: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of a sandbox that runs as a process with these arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.personio", "--port", "0", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        announcement = LISTENING.fullmatch(line)
        assert announcement is not None, line
        async with httpx.AsyncClient(base_url=announcement.group(1), timeout=10) as http:
            yield http
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def _log_in(http: httpx.AsyncClient) -> None:
    token = (await http.post("/v1/auth", json=SECRETS)).json()["data"]["token"]
    http.headers["authorization"] = f"Bearer {token}"


async def test_cut_closes_one_connection_without_a_response() -> None:
    """The client gets a protocol or read error, and its next request succeeds."""
    async with run_process("--employees", "5") as http:
        assert (await http.get("/_control/health")).json()["status"] == "up"

        await _log_in(http)
        await http.post("/_control/faults", json={"kind": "cut"})
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.get(EMPLOYEES)

        assert (await http.get(EMPLOYEES)).status_code == 200


async def test_state_file_restores_the_company_after_a_restart(tmp_path: Path) -> None:
    """Employees, whitelist and clock survive a restart, and the file takes precedence over the seed."""
    options = ("--employees", "12", "--state", str(tmp_path / "deep" / "personio.json"))
    async with run_process(*options) as http:
        hired = (await http.post("/_control/employees", json={"first_name": "Ada"})).json()
        await http.patch("/_control/whitelist", json={"remove": ["team"]})
        await http.post("/_control/clock/advance", json={"days": 2})
        before = (await http.get("/_control/employees")).json()

    async with run_process(*options, "--seed", "2") as http:
        assert (await http.get("/_control/employees")).json() == before
        assert (await http.get(f"/_control/employees/{hired['id']}")).json() == hired
        assert "team" not in (await http.get("/_control/whitelist")).json()["attributes"]

        hired_later = (await http.post("/_control/employees")).json()

        assert hired_later["id"] == hired["id"] + 1


async def test_command_line_sets_client_id_and_secret() -> None:
    """Only the specified credential can log in."""
    async with run_process("--employees", "5", "--client-id", "mine", "--client-secret", "secret") as http:
        mine = {"client_id": "mine", "client_secret": "secret"}

        assert (await http.post("/v1/auth", json=SECRETS)).status_code == 403
        assert (await http.post("/v1/auth", json=mine)).status_code == 200


async def test_start_with_unknown_file_names_it_and_keeps_it(tmp_path: Path) -> None:
    """The process ends with code 1 and does not overwrite a file of another format."""
    file = tmp_path / "personio.json"
    file.write_text('{"format": 99}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.personio", "--state", str(file), stderr=asyncio.subprocess.PIPE
    )

    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert str(file) in errors.decode()
    assert file.read_text() == '{"format": 99}'


def test_load_returns_the_saved_company(tmp_path: Path) -> None:
    """Employees and units are equal after saving and loading, and no temporary file remains."""
    file = tmp_path / "personio.json"
    state = State.generate(seed=3, employees=20, clock=Clock(lambda: NOW))
    save(state, file)

    loaded = load(file, Credential("demo-client", "other"), Clock(lambda: NOW))

    assert loaded.company.list_employees() == state.company.list_employees()
    assert loaded.company.units.list_all() == state.company.units.list_all()
    assert [path.name for path in tmp_path.iterdir()] == ["personio.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_load_of_a_broken_file_raises_with_the_next_step(tmp_path: Path, text: str) -> None:
    """The error tells the user to delete the file."""
    file = tmp_path / "personio.json"
    file.write_text(text)

    with pytest.raises(UnreadableStateError, match="delete it"):
        load(file, Credential("a", "b"), Clock())
