"""The sandbox as a process: the line it says, connections it drops, and the company that survives restarts."""

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
from tests.sandbox.personio.stage import EMPLOYEES, NOW, SECRETS

LISTENING = re.compile(r"Personio sandbox listening on (http://127\.0\.0\.1:\d+)\n")


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[httpx.AsyncClient]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.personio", "--port", "0", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        said = LISTENING.fullmatch(line)
        assert said is not None, line
        async with httpx.AsyncClient(base_url=said.group(1), timeout=10) as http:
            yield http
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def _log_in(http: httpx.AsyncClient) -> None:
    token = (await http.post("/v1/auth", json=SECRETS)).json()["data"]["token"]
    http.headers["authorization"] = f"Bearer {token}"


async def test_a_cut_connection_is_closed_without_an_answer_and_the_next_works() -> None:
    async with served("--employees", "5") as http:
        assert (await http.get("/_control/health")).json()["status"] == "up"
        await _log_in(http)
        await http.post("/_control/faults", json={"kind": "cut"})
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.get(EMPLOYEES)
        assert (await http.get(EMPLOYEES)).status_code == 200


async def test_a_company_in_a_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    options = ("--employees", "12", "--state", str(tmp_path / "deep" / "personio.json"))
    async with served(*options) as http:
        hired = (await http.post("/_control/employees", json={"first_name": "Ada"})).json()
        await http.patch("/_control/whitelist", json={"remove": ["team"]})
        await http.post("/_control/clock/advance", json={"days": 2})
        before = (await http.get("/_control/employees")).json()
    async with served(*options, "--seed", "2") as http:
        assert (await http.get("/_control/employees")).json() == before
        assert (await http.get(f"/_control/employees/{hired['id']}")).json() == hired
        assert "team" not in (await http.get("/_control/whitelist")).json()["attributes"]
        hired_later = (await http.post("/_control/employees")).json()
        assert hired_later["id"] == hired["id"] + 1


async def test_a_client_id_and_secret_of_ones_own() -> None:
    async with served("--employees", "5", "--client-id", "mine", "--client-secret", "secret") as http:
        assert (await http.post("/v1/auth", json=SECRETS)).status_code == 403
        mine = {"client_id": "mine", "client_secret": "secret"}
        assert (await http.post("/v1/auth", json=mine)).status_code == 200


async def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    file = tmp_path / "personio.json"
    file.write_text('{"format": 99}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.personio", "--state", str(file), stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert str(file) in said.decode()
    assert file.read_text() == '{"format": 99}'


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "personio.json"
    state = State.generated(seed=3, employees=20, clock=Clock(lambda: NOW))
    save(state, file)
    again = load(file, Credential("demo-client", "other"), Clock(lambda: NOW))
    assert again.company.listed() == state.company.listed()
    assert again.company.units.all() == state.company.units.all()
    assert [each.name for each in tmp_path.iterdir()] == ["personio.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_a_broken_file_is_unreadable(tmp_path: Path, text: str) -> None:
    file = tmp_path / "personio.json"
    file.write_text(text)
    with pytest.raises(UnreadableStateError, match="delete it"):
        load(file, Credential("a", "b"), Clock())
