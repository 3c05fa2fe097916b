"""How the independent SCIM servers answer the writer's calls, except PATCH. Where they differ, both answers are recorded."""

import secrets
from pathlib import Path

import httpx
import pytest

from tests.support.scim_servers.calls import (
    CORE,
    build_user,
    create_user,
    get_user,
    patch_user,
    read_answer,
    select_answer,
)
from tests.support.scim_servers.scim2_server import run_scim2_server
from tests.support.scim_servers.scim_sdk import run_scim_sdk
from tests.support.scim_servers.server import Abilities, ScimServer, StartServer
from tests.support.world import ENTERPRISE


async def test_post_is_answered_with_the_user(server: ScimServer, client: httpx.AsyncClient) -> None:
    """Both servers accept a manager without its extension in ``schemas``, and any text as the manager's id."""
    answer = await client.post(
        "/Users", json=build_user(externalId="7", **{ENTERPRISE: {"manager": {"value": "none"}}})
    )
    user = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{server.url}/Users/{user['id']}" == user["meta"]["location"]
    assert answer.headers["etag"] == user["meta"]["version"]
    assert user["schemas"] == [CORE, ENTERPRISE]
    assert user[ENTERPRISE] == {"manager": {"value": "none"}}
    assert "active" not in user


async def test_taken_user_name_is_a_conflict(server: ScimServer, client: httpx.AsyncClient) -> None:
    """User names are unique without regard to case, external ids are not unique."""
    user, other = await create_user(client, externalId="9"), await create_user(client, externalId="9")
    name = {"schemas": [CORE], "userName": user["userName"].upper()}

    assert read_answer(await client.post("/Users", json=name)) == (409, "uniqueness")
    assert read_answer(await client.put(f"/Users/{other['id']}", json=name)) == (409, "uniqueness")
    assert await patch_user(client, other, {"op": "replace", "path": "userName", "value": name["userName"]}) == (
        409,
        "uniqueness",
    )


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('externalId eq "{externalId}"', 1),
        ('externalId eq "{externalId}0"', 0),
        ('userName eq "{userName}"', 1),
        ('emails.value eq "{externalId}@work.example"', 1),
        ('emails[type eq "work"].value eq "{externalId}@work.example"', 1),
        ('emails[type eq "home"].value eq "{externalId}@work.example"', 0),
    ],
)
async def test_filter_finds_the_user(client: httpx.AsyncClient, condition: str, found: int) -> None:
    """Both servers filter by each attribute that the writer looks up, and list a user as a GET by id shows it."""
    number = secrets.token_hex(4)
    user = await create_user(client, externalId=number, emails=[{"value": f"{number}@work.example", "type": "work"}])

    page = (await client.get("/Users", params={"filter": condition.format(**user)})).json()

    assert page["totalResults"] == found
    assert page.get("Resources", []) == [await get_user(client, user)] * found


async def test_user_name_is_found_in_any_case(client: httpx.AsyncClient) -> None:
    """``userName`` is not case-exact, so a filter finds it in any case."""
    user = await create_user(client)

    page = (await client.get("/Users", params={"filter": f'userName eq "{user["userName"].upper()}"'})).json()

    assert [entry["id"] for entry in page["Resources"]] == [user["id"]]


async def test_invalid_filter_is_refused(client: httpx.AsyncClient) -> None:
    """A filter by an unknown attribute is an error, not an empty list."""
    assert read_answer(await client.get("/Users", params={"filter": 'shoeSize eq "44"'})) == (400, "invalidFilter")


async def test_missing_user_is_not_found(client: httpx.AsyncClient) -> None:
    """Every call for an unknown id is answered with a SCIM error."""
    missing = {"id": "no-such-id"}

    assert read_answer(await client.get("/Users/no-such-id")) == (404, None)
    assert read_answer(await client.put("/Users/no-such-id", json=build_user())) == (404, None)
    assert await patch_user(client, missing, {"op": "replace", "path": "active", "value": False}) == (404, None)


async def test_put_replaces_the_user(server: ScimServer, client: httpx.AsyncClient) -> None:
    """A PUT needs no id in the body, and removes what the body omits."""
    user = await create_user(client, title="Prof.", active=True)

    answer = await client.put(f"/Users/{user['id']}", json=build_user(active=False))

    assert answer.status_code == 200
    assert answer.json() == await get_user(client, user)
    assert answer.headers["etag"] == answer.json()["meta"]["version"] != user["meta"]["version"]
    assert "title" not in answer.json()


async def test_unknown_attribute_is_answered_as_recorded(server: ScimServer, client: httpx.AsyncClient) -> None:
    """scim2-server rejects an attribute that is not in its schemas; SCIM-SDK drops it without an error."""
    user = build_user(shoeSize="44")

    created = await client.post("/Users", json=user)
    replaced = await client.put(f"/Users/{(await create_user(client))['id']}", json=build_user(shoeSize="44"))

    assert read_answer(created) == select_answer(server, (400, "invalidSyntax"), (201, None))
    assert read_answer(replaced) == select_answer(server, (400, "invalidSyntax"), (200, None))
    assert created.is_error or "shoeSize" not in created.json()


async def test_stale_etag_fails_the_write(server: ScimServer, client: httpx.AsyncClient) -> None:
    """The ETags are weak at scim2-server and strong at SCIM-SDK. An unchanged user keeps its ETag."""
    user = await create_user(client, active=False)
    version = user["meta"]["version"]
    enable = {"op": "replace", "path": "active", "value": True}

    assert version.startswith("W/") == (server.process.name == "scim2-server")
    assert (await patch_user(client, user, enable, **{"If-Match": version}))[0] < 300
    assert await patch_user(client, user, enable, **{"If-Match": version}) == (412, None)

    changed = (await get_user(client, user))["meta"]["version"]
    assert (await patch_user(client, user, enable))[0] < 300
    assert (await get_user(client, user))["meta"]["version"] == changed != version


async def test_media_type_of_json_is_answered_as_recorded(server: ScimServer, client: httpx.AsyncClient) -> None:
    """SCIM-SDK takes SCIM's media type only, and answers 400 without a ``scimType``."""
    answer = await client.post("/Users", json=build_user(), headers={"Content-Type": "application/json"})

    assert read_answer(answer) == select_answer(server, (201, None), (400, None))


async def test_wrong_key_is_refused(server: ScimServer) -> None:
    """Without the key the servers answer 401."""
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/Users")).status_code == 401


@pytest.mark.parametrize("start", [run_scim2_server, run_scim_sdk])
async def test_server_without_abilities_says_so(tmp_path: Path, start: StartServer) -> None:
    """Neither answers PATCH. scim2-server refuses filters; SCIM-SDK ignores them and lists all users."""
    async with (
        start(tmp_path, Abilities(patch=False, filter=False, etag=False)) as server,
        server.create_client() as client,
    ):
        config = (await client.get("/ServiceProviderConfig")).json()
        user = await create_user(client)
        await create_user(client)
        filtered = await client.get("/Users", params={"filter": f'userName eq "{user["userName"]}"'})
        patched = await patch_user(client, user, {"op": "replace", "path": "active", "value": False})

    assert {ability: config[ability]["supported"] for ability in ("patch", "filter", "etag")} == {
        "patch": False,
        "filter": False,
        "etag": False,
    }
    assert "version" not in user["meta"]
    assert patched == (501, None)
    assert read_answer(filtered) == select_answer(server, (501, None), (200, None))
    assert filtered.is_error or filtered.json()["totalResults"] == 2
