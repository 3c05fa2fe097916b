"""``--state``: what was answered for is there again after a restart, a kill, and a line that was cut short."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.declaree.changelog import UnreadableStateError
from sandbox.declaree.state import Declaree
from tests.sandbox.declaree.stage import ENTERPRISE, Stage, operation, staged, user

GROUP = {"displayName": "Sales"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "declaree.log"


async def everything(stage: Stage) -> Any:
    return [
        await stage.get("/Users"),
        await stage.get("/Groups"),
        await stage.control("GET", "/accounts"),
        await stage.control("GET", "/summary"),
    ]


async def lived_in(stage: Stage) -> Any:
    """Every kind of change; gives what is to be seen afterwards."""
    chief = (await stage.create())["id"]
    ben = await stage.create(user("ben@example.com", externalId="2", **{ENTERPRISE: {"manager": {"value": chief}}}))
    gone = await stage.create(user("gone@example.com"))
    await stage.create({**GROUP, "members": [{"value": ben["id"]}, {"value": gone["id"]}]}, "/Groups")
    stage.clock.move(hours=1)
    await stage.patched(ben["id"], operation("replace", "active", False))
    await stage.control("PATCH", f"/accounts/{chief}", {"invited": True})
    places = [{"name": "Muster GmbH", "sticky": True}]
    await stage.control("PATCH", f"/accounts/{chief}", {"administrations": places})
    await stage.control("DELETE", f"/accounts/{gone['id']}")
    return await everything(stage)


async def test_everything_is_there_after_a_restart(file: Path) -> None:
    async with staged(state_file=file, versions=True) as stage:
        before = await lived_in(stage)
    for _ in range(2):
        async with staged(state_file=file, versions=True) as stage:
            assert await everything(stage) == before


async def test_everything_is_there_without_a_proper_end(file: Path) -> None:
    async with staged(state_file=file, versions=True) as first:
        before = await lived_in(first)
        copy = file.with_name("copy.log")  # what a killed process leaves: nobody closed the file
        copy.write_bytes(file.read_bytes())
        async with staged(state_file=copy, versions=True) as second:
            assert await everything(second) == before


async def test_ids_are_not_given_again_after_a_restart(file: Path) -> None:
    async with staged(state_file=file) as stage:
        deleted = (await stage.create())["id"]
        await stage.control("DELETE", f"/accounts/{deleted}")
    async with staged(state_file=file) as stage:
        assert (await stage.create())["id"] != deleted


async def test_a_regenerated_key_stays_in_force(file: Path) -> None:
    async with staged(state_file=file) as stage:
        new = (await stage.control("POST", "/api-key"))["api_key"]
    for _ in range(2):
        async with staged(state_file=file) as stage:
            assert (await stage.scim("GET", "/Users")).status_code == 401
            assert (await stage.scim("GET", "/Users", authorization=f"Bearer {new}")).status_code == 200


async def test_a_restored_state_and_a_reset_are_kept_too(file: Path) -> None:
    async with staged(state_file=file) as stage:
        await stage.create()
        await stage.control("POST", "/snapshots", {"name": "a"})
        await stage.create(user("ben@example.com"))
        await stage.control("POST", "/snapshots/a/restore")
    async with staged(state_file=file) as stage:
        assert (await stage.control("GET", "/summary"))["total"] == 1
        await stage.control("POST", "/reset")
    async with staged(state_file=file) as stage:
        assert (await stage.control("GET", "/summary"))["total"] == 0


async def test_refused_requests_leave_nothing(file: Path) -> None:
    async with staged(state_file=file) as stage:
        await stage.create()
        before = file.read_bytes()
        await stage.scim("POST", "/Users", user())
        await stage.patch("1001", operation("add", "title", "x"), operation("remove", "userName"))
        await stage.patched("1001", operation("replace", "name.givenName", "Anna"))
        assert file.read_bytes() == before


async def test_a_last_line_that_was_cut_short_is_dropped(file: Path) -> None:
    async with staged(state_file=file) as stage:
        await stage.create(user(title="größer"))
        whole = file.read_bytes()
        await stage.create(user("ben@example.com"))
        both = file.read_bytes()
    for length in range(len(whole), len(both)):
        file.write_bytes(both[:length])
        kept = Declaree(state_file=file)
        kept.close()
        assert [entry.resource["title"] for entry in kept.directory.users.values()] == ["größer"]


async def test_the_history_is_dropped_at_the_next_start(file: Path) -> None:
    async with staged(state_file=file) as stage:
        account = (await stage.create())["id"]
        for number in range(50):
            await stage.patched(account, operation("replace", "title", str(number)))
    async with staged(state_file=file):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[1]["put"]["resource"]["title"] == "49"
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "text",
    ["[]", "[]\n", "7\n", "{}\n", '{"format": 1}', '{"last_number": 7}\n{"put": {}}\n', '{"last_number": 7}\nx\n'],
)
def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "declaree.log"
    file.write_text(text)
    with pytest.raises(UnreadableStateError, match=r"declaree\.log is no state of this sandbox"):
        Declaree(state_file=file)
    assert file.read_text() == text


def test_an_empty_file_is_a_fresh_start(tmp_path: Path) -> None:
    file = tmp_path / "declaree.log"
    file.touch()
    declaree = Declaree(state_file=file)
    declaree.close()
    assert declaree.directory.users == {}
