"""ETags, which have to be switched on: nothing is known of them at Declaree."""

import pytest

from tests.sandbox.declaree.stage import Stage, operation, refusal, staged, user


async def test_without_versions_if_match_means_nothing(stage: Stage) -> None:
    answer = await stage.scim("POST", "/Users", user())
    assert "etag" not in answer.headers
    assert "version" not in answer.json()["meta"]
    account = answer.json()["id"]
    assert (await stage.scim("PUT", f"/Users/{account}", user(title="x"), if_match='W/"99"')).status_code == 200
    assert (await stage.scim("GET", f"/Users/{account}", if_none_match='W/"2"')).status_code == 200


async def test_every_change_makes_a_new_version_and_no_change_none() -> None:
    async with staged(versions=True) as stage:
        created = await stage.scim("POST", "/Users", user())
        account = created.json()["id"]
        assert created.headers["etag"] == created.json()["meta"]["version"] == 'W/"1"'
        changed = await stage.patch(account, operation("replace", "title", "Dr."))
        assert changed.headers["etag"] == 'W/"2"'
        same = await stage.patch(account, operation("replace", "title", "Dr."))
        assert same.headers["etag"] == 'W/"2"'
        stage.behave(patch_answer=204)
        short = await stage.patch(account, operation("replace", "title", "Prof."))
        assert (short.status_code, short.headers["etag"]) == (204, 'W/"3"')
        assert (await stage.scim("GET", f"/Users/{account}")).headers["etag"] == 'W/"3"'


@pytest.mark.parametrize(
    ("sent", "status"), [('W/"1"', 200), ('"1"', 200), ("*", 200), ('W/"7", W/"1"', 200), ('W/"2"', 412), ("1", 412)]
)
async def test_put_and_patch_happen_to_the_version_they_name(sent: str, status: int) -> None:
    for method, body in (("PUT", user(title="x")), ("PATCH", {"Operations": [operation("add", "title", "x")]})):
        async with staged(versions=True) as stage:
            account = (await stage.create())["id"]
            answer = await stage.scim(method, f"/Users/{account}", body, if_match=sent)
            assert answer.status_code == status
            assert ("title" in await stage.get(f"/Users/{account}")) == (status == 200)


async def test_deletion_happens_to_the_version_it_names() -> None:
    async with staged(versions=True, delete="allowed") as stage:
        account = (await stage.create())["id"]
        assert refusal(await stage.scim("DELETE", f"/Users/{account}", if_match='W/"2"')) == (412, None)
        assert (await stage.scim("DELETE", f"/Users/{account}", if_match='W/"1"')).status_code == 204


async def test_a_known_version_is_not_sent_again() -> None:
    async with staged(versions=True) as stage:
        account = (await stage.create())["id"]
        known = await stage.scim("GET", f"/Users/{account}", if_none_match='W/"1"')
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", 'W/"1"')
        assert (await stage.scim("GET", f"/Users/{account}", if_none_match='W/"2"')).status_code == 200


async def test_what_other_hands_change_is_a_new_version_too() -> None:
    async with staged(versions=True) as stage:
        account = (await stage.create())["id"]
        await stage.control("PATCH", f"/accounts/{account}", {"set": {"title": "Dr."}})
        assert refusal(await stage.scim("PUT", f"/Users/{account}", user(), if_match='W/"1"')) == (412, None)
