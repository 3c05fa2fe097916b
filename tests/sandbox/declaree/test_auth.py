"""Address, key and media types: who is let in at all."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import KEY, Stage, refusal, staged, user


@pytest.mark.parametrize("path", ["/Users", "/Users/", "/Groups/", "/Schemas/", "/ServiceProviderConfig/"])
async def test_a_slash_at_the_end_of_a_path_makes_no_difference(stage: Stage, path: str) -> None:
    assert (await stage.scim("GET", path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/Nothing", "/Users/1/2", "/users"])
async def test_another_path_is_404(stage: Stage, path: str) -> None:
    assert refusal(await stage.scim("GET", path)) == (404, None)


@pytest.mark.parametrize("path", ["/Me", "/Bulk", "/.search", "/Users/.search"])
async def test_what_neither_okta_nor_entra_needs_is_501(stage: Stage, path: str) -> None:
    assert refusal(await stage.scim("POST", path, {})) == (501, None)


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x"])
async def test_without_the_right_key_everything_is_401(stage: Stage, sent: str | None) -> None:
    del stage.http.headers["authorization"]
    headers = {} if sent is None else {"authorization": sent}
    for path in ("/Users", "/Schemas", "/Nothing"):
        answer = await stage.scim("GET", path, **headers)
        assert refusal(answer) == (401, None)
        assert answer.headers["www-authenticate"] == 'Bearer realm="Declaree"'


@pytest.mark.parametrize("sent", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY}"])
async def test_the_scheme_is_read_without_regard_to_case(stage: Stage, sent: str) -> None:
    assert (await stage.scim("GET", "/Users", authorization=sent)).status_code == 200


@pytest.mark.parametrize(
    ("header", "scheme", "sent"), [("Authorization", "Token", f"Token {KEY}"), ("X-Api-Key", "", KEY)]
)
async def test_header_and_scheme_can_be_others(header: str, scheme: str, sent: str) -> None:
    async with staged(auth_header=header, auth_scheme=scheme) as stage:
        assert (await stage.scim("GET", "/Users")).status_code == 401
        assert (await stage.scim("GET", "/Users", **{header: sent})).status_code == 200


async def test_a_regenerated_key_ends_the_old_one_at_once(stage: Stage) -> None:
    new = (await stage.control("POST", "/api-key"))["api_key"]
    assert (await stage.scim("GET", "/Users")).status_code == 401
    assert (await stage.scim("GET", "/Users", authorization=f"Bearer {new}")).status_code == 200
    await stage.control("POST", "/api-key", {"key": KEY})
    assert (await stage.scim("GET", "/Users")).status_code == 200


async def test_the_key_of_somebody_without_admin_rights_is_403(stage: Stage) -> None:
    stage.behave(key_is_admin=False)
    assert refusal(await stage.scim("GET", "/Users")) == (403, None)
    assert refusal(await stage.scim("POST", "/Users", user())) == (403, None)
    assert stage.declaree.directory.users == {}


@pytest.mark.parametrize("media_type", ["application/scim+json", "application/json; charset=utf-8", "Application/JSON"])
async def test_both_json_media_types_are_taken(stage: Stage, media_type: str) -> None:
    answer = await stage.scim("POST", "/Users", user(), content_type=media_type)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/scim+json")


async def test_another_media_type_is_415(stage: Stage) -> None:
    assert refusal(await stage.scim("POST", "/Users", user(), content_type="text/plain")) == (415, None)


@pytest.mark.parametrize("body", [[], "text", 7])
async def test_a_body_that_is_no_object_is_invalid_syntax(stage: Stage, body: Any) -> None:
    assert refusal(await stage.scim("POST", "/Users", body)) == (400, "invalidSyntax")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
async def test_a_body_that_is_no_json_is_invalid_syntax(stage: Stage, content: bytes) -> None:
    answer = await stage.http.post("/SCIM/v2/Users", content=content)
    assert refusal(answer) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/Users", "GET, POST"),
        ("DELETE", "/Groups", "GET, POST"),
        ("POST", "/Users/1001", "GET, PUT, PATCH, DELETE"),
        ("POST", "/Schemas", "GET"),
    ],
)
async def test_a_method_that_is_not_for_this_path_is_405(stage: Stage, method: str, path: str, allowed: str) -> None:
    answer = await stage.scim(method, path, {})
    assert refusal(answer) == (405, None)
    assert answer.headers["allow"] == allowed
