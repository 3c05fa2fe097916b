"""The sandbox as a process: its first line, cut connections, and accounts that survive a kill."""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.declaree.__main__ import build_parser, read_behaviour
from tests.sandbox.declaree.in_process import build_operation, build_user, build_users

LISTENS = re.compile(r"sandbox Declaree listens: (http://127\.0\.0\.1:\d+)/SCIM/v2/ \(page: \1/\)\n")
USERS = "/SCIM/v2/Users"
LOST = (httpx.RemoteProtocolError, httpx.ReadError)


async def _start_process(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox.declaree",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def serve_process(*arguments: str, kill: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of the process. The process must exit cleanly, or is killed with ``kill``."""
    process = await _start_process("--port", "0", *arguments)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        message = LISTENS.fullmatch(line)
        assert message is not None, line
        headers = {"authorization": "Bearer demo-key"}
        async with httpx.AsyncClient(base_url=message.group(1), headers=headers, timeout=30) as http:
            yield http
            if kill:
                process.kill()
                await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
        _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert kill or (process.returncode, stderr) == (0, b"")


async def test_cut_connection_closes_without_an_answer() -> None:
    """The client sees a lost connection, and its next request works."""
    async with serve_process() as http:
        for number, after_commit in enumerate((False, True)):
            await http.post("/_control/faults", json={"kind": "cut", "after_commit": after_commit})
            with pytest.raises(LOST):
                await http.post(USERS, json=build_user(f"{number}@example.com"))
        accounts = (await http.get(USERS)).json()["Resources"]

        assert [account["userName"] for account in accounts] == ["1@example.com"]


async def test_cut_after_a_delay_does_not_block_other_requests() -> None:
    """A delayed request occupies only its own connection."""
    async with serve_process() as http:
        await http.post("/_control/faults", json={"kind": "slow", "seconds": 0.3})
        await http.post("/_control/faults", json={"kind": "cut"})
        cut = asyncio.create_task(http.get(USERS))
        await _check_request_count(http, 0)

        assert (await http.get("/_control/health")).json()["status"] == "ok"

        with pytest.raises(LOST):
            await cut
        await _check_request_count(http, 1)


async def _check_request_count(http: httpx.AsyncClient, requests: int) -> None:
    """Asserts the number of SCIM requests so far."""
    assert (await http.get("/_control/counters")).json()["total"] == requests


@pytest.mark.parametrize("kill", [False, True])
async def test_accounts_survive_a_stop_and_a_kill(tmp_path: Path, kill: bool) -> None:
    """The state file contains every answered write, even without an orderly stop."""
    options = ("--state", str(tmp_path / "deep" / "declaree.log"))
    async with serve_process(*options, kill=kill) as http:
        created = [(await http.post(USERS, json=body)).json() for body in build_users(20)]
        change = {"Operations": [build_operation("replace", "active", value=False)]}
        changed = (await http.patch(f"{USERS}/{created[3]['id']}", json=change)).json()
        before = (await http.get("/_control/accounts")).json()

    async with serve_process(*options) as http:
        assert (await http.get("/_control/accounts")).json() == before

        resource = (await http.get(f"{USERS}/{created[3]['id']}")).json()

        assert resource["active"] is False
        assert resource["meta"]["created"] == changed["meta"]["created"]


async def test_kill_during_writes_keeps_all_answered_accounts(tmp_path: Path) -> None:
    """At most the one unanswered write is stored in addition."""
    options = ("--state", str(tmp_path / "declaree.log"))
    answered_ids: list[str] = []
    enough = asyncio.Event()

    async def write(http: httpx.AsyncClient) -> None:
        for number, body in enumerate(build_users(10_000)):
            answered_ids.append((await http.post(USERS, json=body)).json()["id"])
            if number == 25:
                enough.set()

    async with serve_process(*options, kill=True) as http:
        writing = asyncio.create_task(write(http))
        await asyncio.wait_for(enough.wait(), 60)
    with pytest.raises(httpx.TransportError):
        await writing

    async with serve_process(*options) as http:
        stored_ids = {
            account["id"] for account in (await http.get("/_control/accounts?limit=20000")).json()["accounts"]
        }

    assert stored_ids >= set(answered_ids)
    assert len(stored_ids) <= len(answered_ids) + 1


async def test_options_set_the_key_and_the_behaviour() -> None:
    """Options of the command line reach the running server."""
    options = ("--api-key", "mine", "--enable-versions", "--behaviour", '{"max_page_size": 7}')

    async with serve_process(*options) as http:
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
def test_options_override_fields_of_the_behaviour(options: list[str], expected: dict[str, object]) -> None:
    """A single option takes precedence over the same field in the JSON object."""
    parsed = read_behaviour(build_parser().parse_args(["--port", "0", *options]))

    assert parsed.model_dump(exclude_defaults=True) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--behaviour", '{"colour": 1}'], "colour"),
        (["--behaviour", "{"], "cannot start"),
        (["--rate-limit", "fast"], "write 20/s"),
        (["--rate-limit", "0"], "above 0"),
        (["--state", "{file}"], "was not written by this sandbox"),
    ],
)
async def test_invalid_option_ends_the_process_with_a_message(
    tmp_path: Path, options: list[str], expected: str
) -> None:
    """The message names the error, without a traceback."""
    file = tmp_path / "other.log"
    file.write_text("something else\n")
    process = await _start_process("--port", "0", *(option.replace("{file}", str(file)) for option in options))

    _, message = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode not in {0, None}
    assert expected in message.decode()
    assert "Traceback" not in message.decode()


async def test_port_in_use_ends_the_process_with_a_message() -> None:
    """Exit code 1 and a message tell that the port is occupied."""
    async with serve_process() as http:
        process = await _start_process("--port", str(http.base_url.port))
        _, message = await asyncio.wait_for(process.communicate(), 60)

        assert process.returncode == 1
        assert "in use" in message.decode()
