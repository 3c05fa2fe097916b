"""Writes that are carried out late: after their answer, or after the client gave up."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from sandbox.declaree.app import create_app
from sandbox.declaree.faults import Fault
from sandbox.declaree.state import Declaree
from sandbox.serving import ConnectionCutError
from tests.sandbox.declaree.in_process import KEY, DeclareeSandbox, build_operation, build_user, read_error
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until


def rename(name: str) -> dict[str, Any]:
    """Returns an operation that changes the last name."""
    return build_operation("replace", "name.familyName", name)


async def read_last_name(sandbox: DeclareeSandbox, account: str) -> Any:
    return (await sandbox.get(f"/Users/{account}"))["name"]["familyName"]


async def test_late_create_is_answered_504_and_lands_on_order(sandbox: DeclareeSandbox) -> None:
    """The client sees an error, and the account appears afterwards."""
    await sandbox.order_fault("late", status=504, body="html")

    answer = await sandbox.request("POST", "/Users", build_user(externalId="1"))

    assert answer.status_code == 504
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert sandbox.list_user_names() == set()
    assert await sandbox.control("POST", "/late-writes/land") == {"statuses": [201]}
    assert await sandbox.find_ids('externalId eq "1"') == ["1001"]


async def test_late_writes_land_in_any_order(sandbox: DeclareeSandbox) -> None:
    """An older write can overwrite a newer one, as on a server that is slow for one request only."""
    account = (await sandbox.create())["id"]
    await sandbox.order_fault("late", method="PATCH", count=2)
    for name in ("King", "Byron"):
        assert read_error(await sandbox.patch(account, rename(name))) == (503, None)

    await sandbox.patch(account, rename("Noel"))
    written = [write["body"]["Operations"][0]["value"] for write in await list_open(sandbox)]

    assert written == ["King", "Byron"]
    assert await read_last_name(sandbox, account) == "Noel"
    assert await sandbox.control("POST", "/late-writes/2/land") == {"status": 200}
    assert await read_last_name(sandbox, account) == "Byron"
    assert await sandbox.control("POST", "/late-writes/1/land") == {"status": 200}
    assert await read_last_name(sandbox, account) == "King"
    assert await list_open(sandbox) == []
    assert (await sandbox.http.post("/_control/late-writes/1/land")).status_code == 404


async def list_open(sandbox: DeclareeSandbox) -> Any:
    return (await sandbox.control("GET", "/late-writes"))["late_writes"]


async def test_journal_lists_the_request_and_its_landing(sandbox: DeclareeSandbox) -> None:
    """A test can see when the write took effect, and with which status."""
    await sandbox.order_fault("late", status=504)
    await sandbox.request("POST", "/Users", build_user())
    await sandbox.create()
    await sandbox.control("POST", "/late-writes/land")

    entries = [(entry.fault, entry.status, entry.delivered) for entry in sandbox.declaree.journal.read_since(0, 9)]

    assert entries == [("late", 504, True), (None, 201, True), ("landing", 409, False)]


async def test_late_write_can_be_cut(sandbox: DeclareeSandbox) -> None:
    """The connection ends without an answer, and the write still lands."""
    await sandbox.order_fault("late", late_answer="cut")
    with pytest.raises(ConnectionCutError):
        await sandbox.request("POST", "/Users", build_user())

    (entry,) = sandbox.declaree.journal.read_since(0, 9)

    assert entry.status is None
    assert entry.delivered is False

    await sandbox.control("POST", "/late-writes/land")

    assert sandbox.list_user_names() == {"anna.berg@example.com"}


async def test_late_write_can_hang_until_the_client_gives_up(sandbox: DeclareeSandbox) -> None:
    """The write is kept although its client is gone."""
    await sandbox.order_fault("late", late_answer="hang")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sandbox.request("POST", "/Users", build_user()), 0.1)

    assert len(await list_open(sandbox)) == 1
    assert sandbox.declaree.journal.read_since(0, 9)[0].delivered is False


async def test_late_write_lands_after_its_seconds(sandbox: DeclareeSandbox) -> None:
    """Answer and write come in real time, each after its own seconds."""
    await sandbox.order_fault("late", answer_after=0.05, lands_after=0.1)
    start = time.perf_counter()
    answer = await sandbox.request("POST", "/Users", build_user())

    assert answer.status_code == 503
    assert time.perf_counter() - start >= 0.05

    await wait_until(sandbox.list_user_names)

    assert await list_open(sandbox) == []


async def test_landed_write_does_not_land_again(sandbox: DeclareeSandbox) -> None:
    """A landing that a test orders before its time happens once."""
    for name in ("first@example.com", "second@example.com"):
        await sandbox.order_fault("late", lands_after=0.05)
        await sandbox.request("POST", "/Users", build_user(name))
    await sandbox.control("POST", "/late-writes/1/land")
    await wait_until(lambda: "second@example.com" in sandbox.list_user_names())

    landings = [entry for entry in sandbox.declaree.journal.read_since(0, 9) if entry.fault == "landing"]

    assert [entry.status for entry in landings] == [201, 201]


async def test_served_late_write_survives_its_client() -> None:
    """The client gives up before the landing, and its connection is closed without an answer."""
    declaree = Declaree(api_key=KEY)
    declaree.faults.order(Fault(kind="late", late_answer="hang", lands_after=0.5))
    headers = {"authorization": f"Bearer {KEY}"}
    with serve_in_thread(create_app(declaree)) as address:
        timeout = httpx.Timeout(30, read=0.1)
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=timeout) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post("/SCIM/v2/Users", json=build_user())

        await wait_until(lambda: declaree.directory.users)

        assert not declaree.late_writes


async def test_late_read_is_not_kept(sandbox: DeclareeSandbox) -> None:
    """A read has no effect, so nothing lands."""
    await sandbox.order_fault("late", status=504)

    assert (await sandbox.request("GET", "/Users")).status_code == 504
    assert await list_open(sandbox) == []


async def test_reset_removes_late_writes(sandbox: DeclareeSandbox) -> None:
    """A write of an earlier test does not land in the next one."""
    await sandbox.order_fault("late")
    await sandbox.request("POST", "/Users", build_user())
    await sandbox.control("POST", "/reset")

    assert await sandbox.control("POST", "/late-writes/land") == {"statuses": []}
