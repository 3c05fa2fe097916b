"""The option ``--state``: answered changes survive a restart, a kill and an incomplete last line."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.declaree.changelog import UnreadableStateError
from sandbox.declaree.state import Declaree
from tests.sandbox.declaree.in_process import ENTERPRISE, DeclareeSandbox, build_operation, build_user, run_sandbox

GROUP = {"displayName": "Sales"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state file in a folder that does not exist."""
    return tmp_path / "deep" / "declaree.log"


async def read_everything(sandbox: DeclareeSandbox) -> Any:
    """Returns all that a client can read."""
    return [
        await sandbox.get("/Users"),
        await sandbox.get("/Groups"),
        await sandbox.control("GET", "/accounts"),
        await sandbox.control("GET", "/summary"),
    ]


async def make_every_change(sandbox: DeclareeSandbox) -> Any:
    """Makes every kind of change, and returns what a client reads afterwards."""
    chief = (await sandbox.create())["id"]
    ben = await sandbox.create(
        build_user("ben@example.com", externalId="2", **{ENTERPRISE: {"manager": {"value": chief}}})
    )
    deleted = await sandbox.create(build_user("gone@example.com"))
    await sandbox.create({**GROUP, "members": [{"value": ben["id"]}, {"value": deleted["id"]}]}, "/Groups")
    sandbox.clock.move(hours=1)
    await sandbox.patch_and_get(ben["id"], build_operation("replace", "active", False))
    await sandbox.control("PATCH", f"/accounts/{chief}", {"invited": True})
    administrations = [{"name": "Muster GmbH", "sticky": True}]
    await sandbox.control("PATCH", f"/accounts/{chief}", {"administrations": administrations})
    await sandbox.control("DELETE", f"/accounts/{deleted['id']}")
    return await read_everything(sandbox)


async def test_state_file_restores_everything_after_a_restart(file: Path) -> None:
    """The second restart reads the file that the first one compacted."""
    async with run_sandbox(state_file=file, versions=True) as sandbox:
        before = await make_every_change(sandbox)

    for _ in range(2):
        async with run_sandbox(state_file=file, versions=True) as sandbox:
            assert await read_everything(sandbox) == before


async def test_state_file_restores_everything_after_a_kill(file: Path) -> None:
    """Every change is in the file before its answer, so a kill loses nothing."""
    async with run_sandbox(state_file=file, versions=True) as first:
        before = await make_every_change(first)
        # The copy is the file that a killed process leaves, because it is not closed.
        copy = file.with_name("copy.log")
        copy.write_bytes(file.read_bytes())

        async with run_sandbox(state_file=copy, versions=True) as second:
            assert await read_everything(second) == before


async def test_state_file_keeps_ids_unique_after_a_restart(file: Path) -> None:
    """The id of a deleted account is not used again."""
    async with run_sandbox(state_file=file) as sandbox:
        deleted = (await sandbox.create())["id"]
        await sandbox.control("DELETE", f"/accounts/{deleted}")

    async with run_sandbox(state_file=file) as sandbox:
        assert (await sandbox.create())["id"] != deleted


async def test_state_file_keeps_a_regenerated_key(file: Path) -> None:
    """The old key stays invalid after a restart."""
    async with run_sandbox(state_file=file) as sandbox:
        new = (await sandbox.control("POST", "/api-key"))["api_key"]

    for _ in range(2):
        async with run_sandbox(state_file=file) as sandbox:
            assert (await sandbox.request("GET", "/Users")).status_code == 401
            assert (await sandbox.request("GET", "/Users", authorization=f"Bearer {new}")).status_code == 200


async def test_state_file_contains_restores_and_resets(file: Path) -> None:
    """A restart does not bring back what a restore or a reset removed."""
    async with run_sandbox(state_file=file) as sandbox:
        await sandbox.create()
        await sandbox.control("POST", "/snapshots", {"name": "a"})
        await sandbox.create(build_user("ben@example.com"))
        await sandbox.control("POST", "/snapshots/a/restore")

    async with run_sandbox(state_file=file) as sandbox:
        assert (await sandbox.control("GET", "/summary"))["total"] == 1

        await sandbox.control("POST", "/reset")

    async with run_sandbox(state_file=file) as sandbox:
        assert (await sandbox.control("GET", "/summary"))["total"] == 0


async def test_rejected_requests_do_not_change_the_state_file(file: Path) -> None:
    """Requests without effect add no line."""
    async with run_sandbox(state_file=file) as sandbox:
        await sandbox.create()
        before = file.read_bytes()
        await sandbox.request("POST", "/Users", build_user())
        await sandbox.patch("1001", build_operation("add", "title", "x"), build_operation("remove", "userName"))
        await sandbox.patch_and_get("1001", build_operation("replace", "name.givenName", "Anna"))

        assert file.read_bytes() == before


async def test_incomplete_last_line_is_dropped(file: Path) -> None:
    """An incomplete line belongs to a request without an answer, wherever the line ends."""
    async with run_sandbox(state_file=file) as sandbox:
        await sandbox.create(build_user(title="größer"))
        one_line = file.read_bytes()
        await sandbox.create(build_user("ben@example.com"))
        two_lines = file.read_bytes()

    for length in range(len(one_line), len(two_lines)):
        file.write_bytes(two_lines[:length])
        restarted = Declaree(state_file=file)
        restarted.close()
        assert [entry.resource["title"] for entry in restarted.directory.users.values()] == ["größer"]


async def test_state_file_is_compacted_at_the_next_start(file: Path) -> None:
    """The file does not grow over restarts, and no temporary file remains."""
    async with run_sandbox(state_file=file) as sandbox:
        account = (await sandbox.create())["id"]
        for number in range(50):
            await sandbox.patch_and_get(account, build_operation("replace", "title", str(number)))
    async with run_sandbox(state_file=file):
        lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert len(lines) == 2
    assert lines[1]["put"]["resource"]["title"] == "49"
    assert [child.name for child in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "text",
    ["[]", "[]\n", "7\n", "{}\n", '{"format": 1}', '{"last_number": 7}\n{"put": {}}\n', '{"last_number": 7}\nx\n'],
)
def test_file_with_another_content_is_rejected_unchanged(tmp_path: Path, text: str) -> None:
    """A wrong path must not destroy a file of the user."""
    file = tmp_path / "declaree.log"
    file.write_text(text)

    with pytest.raises(UnreadableStateError, match=r"not written by this sandbox \(.*declaree\.log\)"):
        Declaree(state_file=file)

    assert file.read_text() == text


def test_empty_file_starts_without_accounts(tmp_path: Path) -> None:
    """A mounted empty file is a valid start."""
    file = tmp_path / "declaree.log"
    file.touch()
    declaree = Declaree(state_file=file)

    declaree.close()

    assert declaree.directory.users == {}
