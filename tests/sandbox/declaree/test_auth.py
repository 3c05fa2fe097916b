"""Paths, API key and media types: which requests reach the endpoint."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import KEY, DeclareeSandbox, build_user, read_error, run_sandbox


@pytest.mark.parametrize("path", ["/Users", "/Users/", "/Groups/", "/Schemas/", "/ServiceProviderConfig/"])
async def test_path_with_trailing_slash_is_accepted(sandbox: DeclareeSandbox, path: str) -> None:
    """Clients use paths with and without a trailing slash."""
    assert (await sandbox.request("GET", path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/Nothing", "/Users/1/2", "/users"])
async def test_path_without_endpoint_gets_404(sandbox: DeclareeSandbox, path: str) -> None:
    """Paths are case-sensitive, and only the documented ones exist."""
    assert read_error(await sandbox.request("GET", path)) == (404, None)


@pytest.mark.parametrize("path", ["/Me", "/Bulk", "/.search", "/Users/.search"])
async def test_endpoint_without_support_gets_501(sandbox: DeclareeSandbox, path: str) -> None:
    """Neither Okta nor Entra ID uses these optional endpoints of the RFC."""
    assert read_error(await sandbox.request("POST", path, {})) == (501, None)


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x"])
async def test_request_without_valid_key_gets_401(sandbox: DeclareeSandbox, sent: str | None) -> None:
    """The key is checked before the path, so a caller without a key learns nothing about the endpoints."""
    del sandbox.http.headers["authorization"]
    headers = {} if sent is None else {"authorization": sent}

    for path in ("/Users", "/Schemas", "/Nothing"):
        answer = await sandbox.request("GET", path, **headers)
        assert read_error(answer) == (401, None)
        assert answer.headers["www-authenticate"] == 'Bearer realm="Declaree"'


@pytest.mark.parametrize("sent", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY}"])
async def test_auth_scheme_in_any_case_is_accepted(sandbox: DeclareeSandbox, sent: str) -> None:
    """Authentication schemes are case-insensitive (RFC 9110)."""
    assert (await sandbox.request("GET", "/Users", authorization=sent)).status_code == 200


@pytest.mark.parametrize(
    ("header", "scheme", "sent"), [("Authorization", "Token", f"Token {KEY}"), ("X-Api-Key", "", KEY)]
)
async def test_auth_header_and_scheme_follow_the_behaviour(header: str, scheme: str, sent: str) -> None:
    """The vendor documents neither header nor scheme, so both can be set."""
    async with run_sandbox(auth_header=header, auth_scheme=scheme) as sandbox:
        assert (await sandbox.request("GET", "/Users")).status_code == 401
        assert (await sandbox.request("GET", "/Users", **{header: sent})).status_code == 200


async def test_regenerated_key_invalidates_the_old_key_at_once(sandbox: DeclareeSandbox) -> None:
    """The vendor documents that the old key stops working at once."""
    new = (await sandbox.control("POST", "/api-key"))["api_key"]

    assert (await sandbox.request("GET", "/Users")).status_code == 401
    assert (await sandbox.request("GET", "/Users", authorization=f"Bearer {new}")).status_code == 200

    await sandbox.control("POST", "/api-key", {"key": KEY})

    assert (await sandbox.request("GET", "/Users")).status_code == 200


async def test_key_of_a_user_without_admin_rights_gets_403(sandbox: DeclareeSandbox) -> None:
    """A valid key of a user without rights can neither read nor write."""
    sandbox.change_behaviour(key_is_admin=False)

    assert read_error(await sandbox.request("GET", "/Users")) == (403, None)
    assert read_error(await sandbox.request("POST", "/Users", build_user())) == (403, None)
    assert sandbox.declaree.directory.users == {}


@pytest.mark.parametrize("media_type", ["application/scim+json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_media_type_of_the_request_is_accepted(sandbox: DeclareeSandbox, media_type: str) -> None:
    """Both JSON media types of RFC 7644 are accepted, with parameters and in any case."""
    answer = await sandbox.request("POST", "/Users", build_user(), content_type=media_type)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/scim+json"


async def test_media_type_other_than_json_gets_415(sandbox: DeclareeSandbox) -> None:
    """The endpoint reads JSON only."""
    assert read_error(await sandbox.request("POST", "/Users", build_user(), content_type="text/plain")) == (415, None)


@pytest.mark.parametrize("body", [[], "text", 7])
async def test_body_that_is_not_an_object_is_invalid_syntax(sandbox: DeclareeSandbox, body: Any) -> None:
    """Valid JSON of another type gets a SCIM error, not an exception."""
    assert read_error(await sandbox.request("POST", "/Users", body)) == (400, "invalidSyntax")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
async def test_body_that_is_not_json_is_invalid_syntax(sandbox: DeclareeSandbox, content: bytes) -> None:
    """An empty or broken body gets a SCIM error, not an exception."""
    answer = await sandbox.http.post("/SCIM/v2/Users", content=content)

    assert read_error(answer) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/Users", "GET, POST"),
        ("DELETE", "/Groups", "GET, POST"),
        ("POST", "/Users/1001", "GET, PUT, PATCH, DELETE"),
        ("POST", "/Schemas", "GET"),
    ],
)
async def test_method_without_support_gets_405_and_allow(
    sandbox: DeclareeSandbox, method: str, path: str, allowed: str
) -> None:
    """A 405 names the allowed methods in the header Allow."""
    answer = await sandbox.request(method, path, {})

    assert read_error(answer) == (405, None)
    assert answer.headers["allow"] == allowed
