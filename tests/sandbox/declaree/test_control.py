"""The control API: journal, changes by an administrator, and invalid requests."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import (
    ENTERPRISE,
    KEY,
    DeclareeSandbox,
    build_operation,
    build_user,
    build_users,
    read_error,
    run_sandbox,
)

# ---------------------------------------------------------------- journal and counters


async def test_journal_lists_requests_and_answers_in_order(sandbox: DeclareeSandbox) -> None:
    """Tests read from the journal which requests reached Declaree, and with which result."""
    account = (await sandbox.create())["id"]
    sandbox.clock.move(seconds=1.5)
    await sandbox.patch(account, build_operation("replace", "title", "Dr."))
    await sandbox.find_ids('userName eq "anna.berg@example.com"')
    await sandbox.request("GET", "/Users/77")
    journal = await sandbox.control("GET", "/journal")

    requests = [
        (entry["seq"], entry["method"], entry["path"], entry["status"], entry["account_id"])
        for entry in journal["entries"]
    ]

    assert requests == [
        (1, "POST", "/Users", 201, account),
        (2, "PATCH", f"/Users/{account}", 200, account),
        (3, "GET", "/Users", 200, account),
        (4, "GET", "/Users/77", 404, None),
    ]
    assert journal["last_seq"] == 4
    assert journal["entries"][1] == {
        "seq": 2,
        "time": "2026-03-02T12:00:01.500+00:00",
        "method": "PATCH",
        "path": f"/Users/{account}",
        "query": "",
        "status": 200,
        "delivered": True,
        "account_id": account,
        "fault": None,
        "body": {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "title", "value": "Dr."}],
        },
    }
    assert journal["entries"][2]["query"] == "filter=userName+eq+%22anna.berg%40example.com%22"


async def test_journal_never_contains_the_api_key(sandbox: DeclareeSandbox) -> None:
    """The journal can be printed and shared, so it contains neither valid nor invalid keys."""
    await sandbox.create()
    await sandbox.request("GET", "/Users", authorization="Bearer another-key")

    text = (await sandbox.http.get("/_control/journal")).text

    assert KEY not in text
    assert "another-key" not in text


async def test_journal_after_a_sequence_number_lists_newer_entries(sandbox: DeclareeSandbox) -> None:
    """A reader continues at its last position and can omit the bodies."""
    for number in range(5):
        await sandbox.request("GET", f"/Users/{number}")

    assert _read_sequence_numbers(await sandbox.control("GET", "/journal?since=2&limit=2")) == [3, 4]
    assert _read_sequence_numbers(await sandbox.control("GET", "/journal?since=5")) == []

    without_bodies = await sandbox.control("GET", "/journal?bodies=false")

    assert all("body" not in entry for entry in without_bodies["entries"])


def _read_sequence_numbers(journal: Any) -> list[int]:
    return [entry["seq"] for entry in journal["entries"]]


async def test_full_journal_drops_old_entries_but_counts_all() -> None:
    """The journal is bounded, and the counters still include the dropped requests."""
    async with run_sandbox(journal_size=3) as sandbox:
        for number in range(5):
            await sandbox.request("GET", f"/Users/{number}")

        assert _read_sequence_numbers(await sandbox.control("GET", "/journal?since=0")) == [3, 4, 5]
        assert (await sandbox.control("GET", "/counters"))["total"] == 5


async def test_counters_group_by_method_status_and_lost_answers(sandbox: DeclareeSandbox) -> None:
    """The counters separate answered requests from cut ones, and clearing them keeps the sequence numbers."""
    await sandbox.create()
    await sandbox.request("POST", "/Users", build_user())
    await sandbox.request("GET", "/Users")

    for after_commit in (False, True):
        await sandbox.control("POST", "/faults", {"kind": "cut", "after_commit": after_commit})
        with pytest.raises(ConnectionError):
            await sandbox.request("GET", "/Users")

    assert await sandbox.control("GET", "/counters") == {
        "total": 5,
        "undelivered": 2,
        "requests": {"GET": {"cut": 1, "200": 2}, "POST": {"201": 1, "409": 1}},
    }
    assert await sandbox.control("DELETE", "/journal") == {"last_seq": 5}
    assert (await sandbox.control("GET", "/counters"))["total"] == 0

    await sandbox.request("GET", "/Users")

    assert _read_sequence_numbers(await sandbox.control("GET", "/journal")) == [6]


async def test_journal_shows_a_body_that_is_not_json_as_text(sandbox: DeclareeSandbox) -> None:
    """Invalid bytes are replaced, so the journal itself is always valid JSON."""
    await sandbox.http.post("/SCIM/v2/Users", content="{größer".encode() + b"\xff")

    assert (await sandbox.control("GET", "/journal"))["entries"][0]["body"] == "{größer\ufffd"


# ---------------------------------------------------------------- changes by an administrator


async def test_administrator_edits_accounts_without_scim_requests(sandbox: DeclareeSandbox) -> None:
    """Changes of an administrator take effect and are not in the journal."""
    chief = await sandbox.control("POST", "/accounts", build_user())
    account = (await sandbox.control("POST", "/accounts", build_user("ben@example.com", externalId="2")))["id"]
    sandbox.clock.move(minutes=1)

    edit = {
        "set": {"name.givenName": "Ben", "active": False, f"{ENTERPRISE}:manager": chief["id"], "externalId": None},
        "invited": True,
        "administrations": [{"name": "Muster GmbH", "sticky": True}],
    }

    assert await sandbox.control("PATCH", f"/accounts/{account}", edit) == {
        "id": account,
        "external_id": None,
        "user_name": "ben@example.com",
        "emails": ["ben@example.com"],
        "first_name": "Ben",
        "last_name": "Berg",
        "enabled": False,
        "invited": True,
        "manager_id": chief["id"],
        "manager_name": "Anna Berg",
        "administrations": [{"name": "Muster GmbH", "sticky": True}],
        "created": "2026-03-02T12:00:00.000Z",
        "modified": "2026-03-02T12:01:00.000Z",
        "version": 2,
    }

    account_document = await sandbox.control("GET", f"/accounts/{account}")

    assert account_document["resource"]["name"] == {"givenName": "Ben", "familyName": "Berg"}
    assert (await sandbox.get(f"/Users/{account}"))["active"] is False
    assert [entry["method"] for entry in (await sandbox.control("GET", "/journal"))["entries"]] == ["GET"]


async def test_administrator_changes_user_name_and_email_together(sandbox: DeclareeSandbox) -> None:
    """Declaree's form has one field for both, and uniqueness applies to administrators as well."""
    account = (await sandbox.create())["id"]
    await sandbox.control("POST", f"/accounts/{account}/email", {"email": "anna.neu@example.com"})

    resource = await sandbox.get(f"/Users/{account}")

    assert resource["userName"] == resource["emails"][0]["value"] == "anna.neu@example.com"

    other = (await sandbox.create())["id"]
    conflict = await sandbox.http.post(f"/_control/accounts/{other}/email", json={"email": "Anna.Neu@example.com"})

    assert conflict.status_code == 409


async def test_administrator_deletion_removes_the_account(sandbox: DeclareeSandbox) -> None:
    """The account is gone over SCIM, and its id is not used again."""
    account = (await sandbox.create())["id"]

    assert await sandbox.control("DELETE", f"/accounts/{account}") == {"deleted": account}
    assert read_error(await sandbox.request("GET", f"/Users/{account}")) == (404, None)
    assert (await sandbox.create())["id"] != account


async def test_restored_snapshot_replaces_all_accounts(sandbox: DeclareeSandbox) -> None:
    """A restore simulates a backup: later changes disappear, and ids still continue."""
    first, second = (await sandbox.create())["id"], (await sandbox.create(build_user("ben@example.com")))["id"]
    before = await sandbox.get(f"/Users/{first}")

    assert await sandbox.control("POST", "/snapshots", {"name": "monday"}) == {"name": "monday", "entries": 2}

    await sandbox.patch_and_get(first, build_operation("replace", "userName", "moved@example.com"))
    await sandbox.control("DELETE", f"/accounts/{second}")
    later = (await sandbox.create(build_user("late@example.com")))["id"]

    assert await sandbox.control("POST", "/snapshots/monday/restore") == {"name": "monday", "entries": 2}
    assert await sandbox.get(f"/Users/{first}") == before
    assert await sandbox.find_ids('userName eq "ben@example.com"') == [second]
    assert await sandbox.find_ids('userName eq "moved@example.com"') == []
    assert (await sandbox.request("GET", f"/Users/{later}")).status_code == 404

    newest = (await sandbox.create(build_user("newest@example.com")))["id"]

    assert int(newest) > int(later)
    assert await sandbox.control("GET", "/snapshots") == {"monday": 2}


async def test_accounts_are_listed_in_pages_and_by_filter(sandbox: DeclareeSandbox) -> None:
    """Filters combine, and the total counts all matches."""
    for body in build_users(5):
        await sandbox.create(body)
    await sandbox.control("PATCH", "/accounts/1003", {"set": {"active": False, "name.familyName": "Größer"}})

    async def list_accounts(query: str) -> tuple[int, list[str]]:
        answer = await sandbox.control("GET", f"/accounts?{query}")
        return answer["total"], [account["external_id"] for account in answer["accounts"]]

    assert await list_accounts("start=1&limit=2") == (5, ["2", "3"])
    assert await list_accounts("external_id=4") == (1, ["4"])
    assert await list_accounts("user_name=P2@Example.com") == (1, ["2"])
    assert await list_accounts("user_name=p2@example.com&external_id=3") == (0, [])
    assert await list_accounts("active=false") == (1, ["3"])
    assert await list_accounts("active=true&limit=1") == (4, ["1"])
    assert await list_accounts("q=größ") == (1, ["3"])
    assert await sandbox.control("GET", "/summary") == {"total": 5, "active": 4, "inactive": 1, "groups": 0}


# ---------------------------------------------------------------- the sandbox itself


async def test_reset_clears_everything_but_never_reuses_an_id(sandbox: DeclareeSandbox) -> None:
    """A reset restores the first start, except that a new account never gets an old id."""
    first = (await sandbox.create())["id"]
    await sandbox.control("POST", "/api-key")
    await sandbox.control("PATCH", "/behaviour", {"patch": False})
    await sandbox.control("POST", "/faults", {"kind": "cut"})
    await sandbox.control("PUT", "/outage", {"on": True})
    await sandbox.control("POST", "/snapshots", {"name": "a"})

    await sandbox.control("POST", "/reset")

    assert (await sandbox.get("/ServiceProviderConfig"))["patch"]["supported"] is True
    assert (await sandbox.control("GET", "/summary"))["total"] == 0
    assert await sandbox.control("GET", "/snapshots") == {}
    assert int((await sandbox.create())["id"]) > int(first)


async def test_same_requests_to_two_sandboxes_get_same_answers() -> None:
    """Ids and times are deterministic, so a test run can be repeated exactly."""
    answers = []
    for _ in range(2):
        async with run_sandbox(id_format="uuid") as sandbox:
            for body in build_users(3):
                await sandbox.create(body)
            answers.append(await sandbox.get("/Users"))

    assert answers[0] == answers[1]


async def test_behaviour_is_read_changed_and_replaced(sandbox: DeclareeSandbox) -> None:
    """PATCH keeps the other switches, and PUT resets them to their defaults."""
    changed = await sandbox.control("PATCH", "/behaviour", {"max_page_size": 7})

    assert changed == {**(await sandbox.control("GET", "/behaviour"))}
    assert changed["max_page_size"] == 7
    assert changed["patch_answer"] == 200

    replaced = await sandbox.control("PUT", "/behaviour", {"patch_answer": 204})

    assert replaced["max_page_size"] == 100
    assert replaced["patch_answer"] == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/accounts", b"{broken", 400),
        ("POST", "/accounts", b"[]", 400),
        ("POST", "/accounts", b"{}", 400),
        ("GET", "/accounts?start=first", b"", 400),
        ("GET", "/accounts/77", b"", 404),
        ("PATCH", "/accounts/77", b"{}", 404),
        ("PATCH", "/accounts/1001", b'{"colour": "red"}', 422),
        ("PATCH", "/accounts/1001", b'{"set": {"userName": null}}', 400),
        ("DELETE", "/accounts/77", b"", 404),
        ("POST", "/accounts/1001/email", b"{}", 422),
        ("POST", "/snapshots", b'{"name": ""}', 422),
        ("POST", "/snapshots/none/restore", b"", 404),
        ("POST", "/api-key", b'{"key": ""}', 422),
        ("PATCH", "/behaviour", b'{"colour": "red"}', 422),
        ("PATCH", "/behaviour", b"[1]", 400),
        ("PUT", "/behaviour", b'{"max_page_size": 0}', 422),
        ("POST", "/faults", b'{"kind": "earthquake"}', 422),
        ("POST", "/faults", b'{"kind": "status", "status": 200}', 422),
        ("PUT", "/outage", b"{}", 422),
    ],
)
async def test_invalid_control_request_gets_an_error_and_no_effect(
    sandbox: DeclareeSandbox, method: str, path: str, body: bytes, status: int
) -> None:
    """An invalid request to the control API names its error and changes nothing."""
    created = await sandbox.create()
    behaviour = sandbox.declaree.behaviour

    answer = await sandbox.http.request(method, f"/_control{path}", content=body)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert await sandbox.get("/Users/1001") == created
    assert sandbox.declaree.behaviour == behaviour
