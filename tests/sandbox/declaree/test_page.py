"""The page that lists accounts under the labels of Declaree's own user table."""

import re

from tests.sandbox.declaree.in_process import ENTERPRISE, DeclareeSandbox, build_user, build_users


async def get_page(sandbox: DeclareeSandbox, query: str = "") -> str:
    """Returns the HTML of the page."""
    answer = await sandbox.http.get(f"/{query}", headers={"authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def parse_cells(text: str) -> list[list[str]]:
    """Returns the text of all cells, by row."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


async def test_page_lists_accounts_under_declaree_labels(sandbox: DeclareeSandbox) -> None:
    """The labels match Declaree's own user table in English and German."""
    chief = (await sandbox.create())["id"]
    ben = {"givenName": "Ben", "familyName": "Klein"}
    body = build_user(
        "ben@example.com", name=ben, externalId="2", active=False, **{ENTERPRISE: {"manager": {"value": chief}}}
    )
    await sandbox.create(body)

    english = parse_cells(await get_page(sandbox))

    assert english == [
        ["Username", "First name", "Last name", "Enabled", "Invited", "Submits to", "External ID", "Id"],
        ["anna.berg@example.com", "Anna", "Berg", "yes", "no", "–", "–", "1001"],
        ["ben@example.com", "Ben", "Klein", "no", "no", "Anna Berg", "2", "1002"],
    ]

    german = await get_page(sandbox, "?lang=de")

    assert parse_cells(german)[0] == [
        "Benutzername",
        "Vorname",
        "Nachname",
        "Aktiviert",
        "Eingeladen",
        "Einreichen an",
        "Externe ID",
        "Id",
    ]
    assert "2 Benutzer, 1 aktiviert, 1 deaktiviert" in german


async def test_page_shows_that_an_account_is_invited(sandbox: DeclareeSandbox) -> None:
    """The invitation is visible only here and in the control API."""
    account = (await sandbox.create())["id"]
    await sandbox.control("PATCH", f"/accounts/{account}", {"invited": True})

    assert parse_cells(await get_page(sandbox))[1][4] == "yes"


async def test_page_filters_and_pages_accounts(sandbox: DeclareeSandbox) -> None:
    """Invalid page parameters show the first page."""
    for body in build_users(101):
        await sandbox.create(body)
    first = await get_page(sandbox)

    assert len(parse_cells(first)) == 101
    assert ("start=100" in first) is True
    assert [row[0] for row in parse_cells(await get_page(sandbox, "?start=100"))[1:]] == ["p101@example.com"]
    assert [row[0] for row in parse_cells(await get_page(sandbox, "?q=P77@"))[1:]] == ["p77@example.com"]
    assert "No users" in await get_page(sandbox, "?q=missing")
    assert parse_cells(await get_page(sandbox, "?start=many")) == parse_cells(first)


async def test_page_escapes_values_of_accounts(sandbox: DeclareeSandbox) -> None:
    """Names come from outside, so the page must not interpret them as HTML."""
    await sandbox.create(build_user(name={"givenName": "<b>A</b>", "familyName": 'O\'Neill & "Co"'}))
    text = await get_page(sandbox, "?q=%3Cb%3E")

    assert "<b>" not in text
    assert parse_cells(text)[1][1:3] == ["&lt;b&gt;A&lt;/b&gt;", "O&#x27;Neill &amp; &quot;Co&quot;"]
