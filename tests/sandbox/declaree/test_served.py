"""The sandbox as a process: the line it says, connections it drops, accounts that survive a kill."""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.declaree.__main__ import behaviour, parser
from tests.sandbox.declaree.stage import operation, people, user

LISTENS = re.compile(r"sandbox Declaree listens: (http://127\.0\.0\.1:\d+)/SCIM/v2/ \(page: \1/\)\n")
USERS = "/SCIM/v2/Users"
LOST = (httpx.RemoteProtocolError, httpx.ReadError)


async def _started(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox.declaree",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def served(*arguments: str, kill: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the process; it has to end well when it is told to end, and is killed with ``kill``."""
    process = await _started("--port", "0", *arguments)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        said = LISTENS.fullmatch(line)
        assert said is not None, line
        headers = {"authorization": "Bearer demo-key"}
        async with httpx.AsyncClient(base_url=said.group(1), headers=headers, timeout=30) as http:
            yield http
            if kill:
                process.kill()
                await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
        _, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert kill or (process.returncode, complaints) == (0, b"")


async def test_a_cut_connection_is_closed_without_an_answer_and_the_next_works() -> None:
    async with served() as http:
        for number, after_commit in enumerate((False, True)):
            await http.post("/_control/faults", json={"kind": "cut", "after_commit": after_commit})
            with pytest.raises(LOST):
                await http.post(USERS, json=user(f"{number}@example.com"))
        found = (await http.get(USERS)).json()["Resources"]
        assert [account["userName"] for account in found] == ["1@example.com"]


async def test_a_connection_can_be_cut_after_a_delay_and_while_others_go_on() -> None:
    async with served() as http:
        await http.post("/_control/faults", json={"kind": "slow", "seconds": 0.3})
        await http.post("/_control/faults", json={"kind": "cut"})
        cut = asyncio.create_task(http.get(USERS))
        await _asked(http, 0)
        assert (await http.get("/_control/health")).json()["status"] == "ok"
        with pytest.raises(LOST):
            await cut
        await _asked(http, 1)


async def _asked(http: httpx.AsyncClient, requests: int) -> None:
    assert (await http.get("/_control/counters")).json()["total"] == requests


@pytest.mark.parametrize("kill", [False, True])
async def test_accounts_in_a_file_are_there_after_the_end_and_after_a_kill(tmp_path: Path, kill: bool) -> None:
    options = ("--state", str(tmp_path / "deep" / "declaree.log"))
    async with served(*options, kill=kill) as http:
        created = [(await http.post(USERS, json=body)).json() for body in people(20)]
        change = {"Operations": [operation("replace", "active", value=False)]}
        changed = (await http.patch(f"{USERS}/{created[3]['id']}", json=change)).json()
        before = (await http.get("/_control/accounts")).json()
    async with served(*options) as http:
        assert (await http.get("/_control/accounts")).json() == before
        seen = (await http.get(f"{USERS}/{created[3]['id']}")).json()
        assert (seen["active"], seen["meta"]["created"]) == (False, changed["meta"]["created"])


async def test_a_kill_in_the_middle_of_writes_keeps_all_that_was_answered(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "declaree.log"))
    answered: list[str] = []
    enough = asyncio.Event()

    async def write(http: httpx.AsyncClient) -> None:
        for number, body in enumerate(people(10_000)):
            answered.append((await http.post(USERS, json=body)).json()["id"])
            if number == 25:
                enough.set()

    async with served(*options, kill=True) as http:
        writing = asyncio.create_task(write(http))
        await asyncio.wait_for(enough.wait(), 60)
    with pytest.raises(httpx.TransportError):
        await writing
    async with served(*options) as http:
        kept = {account["id"] for account in (await http.get("/_control/accounts?limit=20000")).json()["accounts"]}
    assert kept >= set(answered)
    assert len(kept) <= len(answered) + 1


async def test_a_key_and_switches_of_ones_own() -> None:
    options = ("--api-key", "mine", "--enable-versions", "--behaviour", '{"max_page_size": 7}')
    async with served(*options) as http:
        assert (await http.get(USERS)).status_code == 401
        config = await http.get("/SCIM/v2/ServiceProviderConfig", headers={"authorization": "Bearer mine"})
        assert config.json()["etag"] == {"supported": True}
        assert config.json()["filter"]["maxResults"] == 7


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--enable-delete"], {"delete": "allowed"}),
        (["--rate-limit", "20/s"], {"rate_limit": 20.0}),
        (["--rate-limit", "0.5"], {"rate_limit": 0.5}),
        (["--no-rate-limit"], {}),
        (
            ["--behaviour", '{"patch": false, "delete": "forbidden"}', "--enable-delete"],
            {"patch": False, "delete": "allowed"},
        ),
    ],
)
def test_options_are_switches_of_the_behaviour(options: list[str], expected: dict[str, object]) -> None:
    read = behaviour(parser().parse_args(["--port", "0", *options]))
    assert read.model_dump(exclude_defaults=True) == expected


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--behaviour", '{"colour": 1}'], "colour"),
        (["--behaviour", "{"], "cannot start"),
        (["--rate-limit", "fast"], "write 20/s"),
        (["--rate-limit", "0"], "above 0"),
        (["--state", "{file}"], "is no state of this sandbox"),
    ],
)
async def test_what_cannot_be_is_said_and_ends_it(tmp_path: Path, options: list[str], complaint: str) -> None:
    file = tmp_path / "other.log"
    file.write_text("something else\n")
    process = await _started("--port", "0", *(option.replace("{file}", str(file)) for option in options))
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode not in {0, None}
    assert complaint in said.decode()
    assert "Traceback" not in said.decode()


async def test_an_address_in_use_is_said() -> None:
    async with served() as http:
        process = await _started("--port", str(http.base_url.port))
        _, said = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 1
        assert "in use" in said.decode()
