"""The control API: the journal, other hands at work, and orders that make no sense."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import ENTERPRISE, KEY, Stage, operation, people, refusal, staged, user

# ---------------------------------------------------------------- journal and counters


async def test_the_journal_tells_what_was_asked_and_answered(stage: Stage) -> None:
    account = (await stage.create())["id"]
    stage.clock.move(seconds=1.5)
    await stage.patch(account, operation("replace", "title", "Dr."))
    await stage.found('userName eq "anna.berg@example.com"')
    await stage.scim("GET", "/Users/77")
    journal = await stage.control("GET", "/journal")
    shown = [
        (each["seq"], each["method"], each["path"], each["status"], each["account_id"]) for each in journal["entries"]
    ]
    assert shown == [
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


async def test_the_journal_never_holds_the_key(stage: Stage) -> None:
    await stage.create()
    await stage.scim("GET", "/Users", authorization="Bearer another-key")
    text = (await stage.http.get("/_control/journal")).text
    assert KEY not in text
    assert "another-key" not in text


async def test_the_journal_is_read_on_from_where_one_was(stage: Stage) -> None:
    for number in range(5):
        await stage.scim("GET", f"/Users/{number}")
    assert _seqs(await stage.control("GET", "/journal?since=2&limit=2")) == [3, 4]
    assert _seqs(await stage.control("GET", "/journal?since=5")) == []
    short = await stage.control("GET", "/journal?bodies=false")
    assert all("body" not in each for each in short["entries"])


def _seqs(journal: Any) -> list[int]:
    return [each["seq"] for each in journal["entries"]]


async def test_the_journal_keeps_the_last_requests_and_the_counters_all() -> None:
    async with staged(journal_size=3) as stage:
        for number in range(5):
            await stage.scim("GET", f"/Users/{number}")
        assert _seqs(await stage.control("GET", "/journal?since=0")) == [3, 4, 5]
        assert (await stage.control("GET", "/counters"))["total"] == 5


async def test_the_counters_tell_methods_statuses_and_lost_answers(stage: Stage) -> None:
    await stage.create()
    await stage.scim("POST", "/Users", user())
    await stage.scim("GET", "/Users")
    for after_commit in (False, True):
        await stage.control("POST", "/faults", {"kind": "cut", "after_commit": after_commit})
        with pytest.raises(ConnectionError):
            await stage.scim("GET", "/Users")
    assert await stage.control("GET", "/counters") == {
        "total": 5,
        "undelivered": 2,
        "requests": {"GET": {"cut": 1, "200": 2}, "POST": {"201": 1, "409": 1}},
    }
    assert await stage.control("DELETE", "/journal") == {"last_seq": 5}
    assert (await stage.control("GET", "/counters"))["total"] == 0
    await stage.scim("GET", "/Users")
    assert _seqs(await stage.control("GET", "/journal")) == [6]


async def test_a_body_that_is_no_json_is_in_the_journal_as_text(stage: Stage) -> None:
    await stage.http.post("/SCIM/v2/Users", content="{größer".encode() + b"\xff")
    assert (await stage.control("GET", "/journal"))["entries"][0]["body"] == "{größer\ufffd"


# ---------------------------------------------------------------- other hands


async def test_an_administrator_creates_reads_and_edits_without_a_request(stage: Stage) -> None:
    chief = await stage.control("POST", "/accounts", user())
    account = (await stage.control("POST", "/accounts", user("ben@example.com", externalId="2")))["id"]
    stage.clock.move(minutes=1)
    order = {
        "set": {"name.givenName": "Ben", "active": False, f"{ENTERPRISE}:manager": chief["id"], "externalId": None},
        "invited": True,
        "administrations": [{"name": "Muster GmbH", "sticky": True}],
    }
    assert await stage.control("PATCH", f"/accounts/{account}", order) == {
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
    whole = await stage.control("GET", f"/accounts/{account}")
    assert whole["resource"]["name"] == {"givenName": "Ben", "familyName": "Berg"}
    assert (await stage.get(f"/Users/{account}"))["active"] is False
    assert [each["method"] for each in (await stage.control("GET", "/journal"))["entries"]] == ["GET"]


async def test_an_address_changes_behind_the_writers_back(stage: Stage) -> None:
    account = (await stage.create())["id"]
    await stage.control("POST", f"/accounts/{account}/email", {"email": "anna.neu@example.com"})
    seen = await stage.get(f"/Users/{account}")
    assert seen["userName"] == seen["emails"][0]["value"] == "anna.neu@example.com"
    other = (await stage.create())["id"]
    taken = await stage.http.post(f"/_control/accounts/{other}/email", json={"email": "Anna.Neu@example.com"})
    assert taken.status_code == 409


async def test_an_account_is_deleted_behind_the_writers_back(stage: Stage) -> None:
    account = (await stage.create())["id"]
    assert await stage.control("DELETE", f"/accounts/{account}") == {"deleted": account}
    assert refusal(await stage.scim("GET", f"/Users/{account}")) == (404, None)
    assert (await stage.create())["id"] != account


async def test_an_older_state_is_restored(stage: Stage) -> None:
    first, second = (await stage.create())["id"], (await stage.create(user("ben@example.com")))["id"]
    before = await stage.get(f"/Users/{first}")
    assert await stage.control("POST", "/snapshots", {"name": "monday"}) == {"name": "monday", "entries": 2}
    await stage.patched(first, operation("replace", "userName", "moved@example.com"))
    await stage.control("DELETE", f"/accounts/{second}")
    later = (await stage.create(user("late@example.com")))["id"]
    assert await stage.control("POST", "/snapshots/monday/restore") == {"name": "monday", "entries": 2}
    assert await stage.get(f"/Users/{first}") == before
    assert await stage.found('userName eq "ben@example.com"') == [second]
    assert await stage.found('userName eq "moved@example.com"') == []
    assert (await stage.scim("GET", f"/Users/{later}")).status_code == 404
    newest = (await stage.create(user("newest@example.com")))["id"]
    assert int(newest) > int(later)
    assert await stage.control("GET", "/snapshots") == {"monday": 2}


async def test_accounts_are_listed_in_pages_and_searched(stage: Stage) -> None:
    for body in people(5):
        await stage.create(body)
    await stage.control("PATCH", "/accounts/1003", {"set": {"active": False, "name.familyName": "Größer"}})

    async def listed(query: str) -> tuple[int, list[str]]:
        found = await stage.control("GET", f"/accounts?{query}")
        return found["total"], [account["external_id"] for account in found["accounts"]]

    assert await listed("start=1&limit=2") == (5, ["2", "3"])
    assert await listed("external_id=4") == (1, ["4"])
    assert await listed("user_name=P2@Example.com") == (1, ["2"])
    assert await listed("user_name=p2@example.com&external_id=3") == (0, [])
    assert await listed("active=false") == (1, ["3"])
    assert await listed("active=true&limit=1") == (4, ["1"])
    assert await listed("q=größ") == (1, ["3"])
    assert await stage.control("GET", "/summary") == {"total": 5, "active": 4, "inactive": 1, "groups": 0}


# ---------------------------------------------------------------- the sandbox itself


async def test_a_reset_forgets_everything_but_never_gives_an_id_again(stage: Stage) -> None:
    first = (await stage.create())["id"]
    await stage.control("POST", "/api-key")
    await stage.control("PATCH", "/behaviour", {"patch": False})
    await stage.control("POST", "/faults", {"kind": "cut"})
    await stage.control("PUT", "/outage", {"on": True})
    await stage.control("POST", "/snapshots", {"name": "a"})
    await stage.control("POST", "/reset")
    assert (await stage.get("/ServiceProviderConfig"))["patch"]["supported"] is True
    assert (await stage.control("GET", "/summary"))["total"] == 0
    assert await stage.control("GET", "/snapshots") == {}
    assert int((await stage.create())["id"]) > int(first)


async def test_two_sandboxes_asked_the_same_answer_the_same() -> None:
    answers = []
    for _ in range(2):
        async with staged(id_format="uuid") as stage:
            for body in people(3):
                await stage.create(body)
            answers.append(await stage.get("/Users"))
    assert answers[0] == answers[1]


async def test_the_behaviour_can_be_read_changed_and_replaced(stage: Stage) -> None:
    changed = await stage.control("PATCH", "/behaviour", {"max_page_size": 7})
    assert changed == {**(await stage.control("GET", "/behaviour"))}
    assert (changed["max_page_size"], changed["patch_answer"]) == (7, 200)
    replaced = await stage.control("PUT", "/behaviour", {"patch_answer": 204})
    assert (replaced["max_page_size"], replaced["patch_answer"]) == (100, 204)


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
async def test_a_wrong_order_is_answered_with_what_is_wrong(
    stage: Stage, method: str, path: str, body: bytes, status: int
) -> None:
    created = await stage.create()
    behaviour = stage.declaree.behaviour
    answer = await stage.http.request(method, f"/_control{path}", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert await stage.get("/Users/1001") == created
    assert stage.declaree.behaviour == behaviour
