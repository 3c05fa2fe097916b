"""The page that shows accounts under the labels of Declaree's own user table."""

import re

from tests.sandbox.declaree.stage import ENTERPRISE, Stage, people, user


async def page(stage: Stage, query: str = "") -> str:
    answer = await stage.http.get(f"/{query}", headers={"authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def cells(text: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


async def test_accounts_stand_under_declarees_labels_in_english_and_german(stage: Stage) -> None:
    chief = (await stage.create())["id"]
    ben = {"givenName": "Ben", "familyName": "Klein"}
    body = user(
        "ben@example.com", name=ben, externalId="2", active=False, **{ENTERPRISE: {"manager": {"value": chief}}}
    )
    await stage.create(body)
    english = cells(await page(stage))
    assert english == [
        ["Username", "First name", "Last name", "Enabled", "Invited", "Submits to", "External ID", "Id"],
        ["anna.berg@example.com", "Anna", "Berg", "yes", "no", "–", "–", "1001"],
        ["ben@example.com", "Ben", "Klein", "no", "no", "Anna Berg", "2", "1002"],
    ]
    german = await page(stage, "?lang=de")
    assert cells(german)[0] == [
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


async def test_who_was_invited_shows(stage: Stage) -> None:
    account = (await stage.create())["id"]
    await stage.control("PATCH", f"/accounts/{account}", {"invited": True})
    assert cells(await page(stage))[1][4] == "yes"


async def test_the_table_is_searched_and_paged(stage: Stage) -> None:
    for body in people(101):
        await stage.create(body)
    first = await page(stage)
    assert (len(cells(first)), "start=100" in first) == (101, True)
    assert [row[0] for row in cells(await page(stage, "?start=100"))[1:]] == ["p101@example.com"]
    assert [row[0] for row in cells(await page(stage, "?q=P77@"))[1:]] == ["p77@example.com"]
    assert "No users" in await page(stage, "?q=nobody")
    assert cells(await page(stage, "?start=many")) == cells(first)


async def test_nothing_of_an_account_is_taken_for_markup(stage: Stage) -> None:
    await stage.create(user(name={"givenName": "<b>A</b>", "familyName": 'O\'Neill & "Co"'}))
    text = await page(stage, "?q=%3Cb%3E")
    assert "<b>" not in text
    assert cells(text)[1][1:3] == ["&lt;b&gt;A&lt;/b&gt;", "O&#x27;Neill &amp; &quot;Co&quot;"]
