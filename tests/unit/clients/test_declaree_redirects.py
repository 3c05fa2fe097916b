"""Redirects, and the media types that a server accepts."""

from typing import Any

import httpx
import pytest

from services.clients.declaree.errors import DeclareeWrongAddressError
from services.provisioning.calls import Call, FindAccounts, Found, Lost, Missing, PatchAccount, Refused, Written
from tests.unit.clients.declaree_stage import (
    ACCESS,
    CREATE,
    FIND_NAME,
    KEY,
    LIST,
    LOOKUPS,
    PATCH,
    PUT,
    READ,
    SEVEN,
    WRITES,
    open_client,
    perform_with,
)
from tests.unit.clients.transports import LOGIN_PAGE, ScriptedTransport, build_reply

BASE = "http://declaree.test/SCIM/v2"
USER = build_reply(200, {"id": "7"})
NO_USERS = build_reply(200, {"totalResults": 0})


def build_redirect(status: int, location: str) -> Any:
    """Returns a redirect to this address."""
    return build_reply(status, Location=location)


# ---------------------------------------------------------------- redirects within the server


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "location", [f"{BASE}/Users/", "/SCIM/v2/Users/", "Users/", "HTTP://Declaree.test:80/SCIM/v2/Users/"]
)
async def test_added_slash_of_the_collection_is_remembered(status: int, location: str) -> None:
    """Later requests of all kinds need one request each, and the filter stays."""
    transport = ScriptedTransport(build_redirect(status, location), NO_USERS)

    async with open_client(transport) as client:
        assert await client.perform(FindAccounts("externalId", "7")) == Found()
        await client.perform(FindAccounts("externalId", "8"))
        await client.perform(LIST)

    assert transport.request_lines == [
        "GET /SCIM/v2/Users?filter=externalId%20eq%20%227%22",
        "GET /SCIM/v2/Users/?filter=externalId%20eq%20%227%22",
        "GET /SCIM/v2/Users/?filter=externalId%20eq%20%228%22",
        "GET /SCIM/v2/Users/?startIndex=1&count=100",
    ]


async def test_added_slash_of_an_account_is_remembered() -> None:
    """The slash after an id is independent of the slash after the collection."""
    transport = ScriptedTransport(build_redirect(308, "/SCIM/v2/Users/7/"), USER)

    async with open_client(transport) as client:
        await client.perform(PATCH)
        await client.perform(PUT)
        await client.perform(CREATE)

    assert transport.request_lines == [
        "PATCH /SCIM/v2/Users/7", "PATCH /SCIM/v2/Users/7/", "PUT /SCIM/v2/Users/7/", "POST /SCIM/v2/Users",
    ]  # fmt: skip


async def test_slash_that_a_server_removes_again_is_forgotten() -> None:
    """A server may change; the newest redirect counts."""
    transport = ScriptedTransport(
        build_redirect(308, f"{BASE}/Users/"), NO_USERS, build_redirect(308, f"{BASE}/Users"), NO_USERS
    )

    async with open_client(transport) as client:
        for _ in range(3):
            await client.perform(LIST)

    paths = [request.url.path for request in transport.requests]
    assert paths == ["/SCIM/v2/Users", "/SCIM/v2/Users/", "/SCIM/v2/Users/", "/SCIM/v2/Users", "/SCIM/v2/Users"]


@pytest.mark.parametrize(("status", "location"), [(307, "/scim/Users"), (308, "/scim/Users"), (301, "/SCIM/v2/Users/")])
async def test_redirected_write_is_repeated_with_its_body(status: int, location: str) -> None:
    """The server has not carried out the first request."""
    transport = ScriptedTransport(build_redirect(status, location), build_reply(201, {"id": "7"}))

    async with open_client(transport) as client:
        answer = await client.perform(CREATE)

    first, second = transport.requests
    assert isinstance(answer, Written)
    assert transport.request_lines[1] == f"POST {location}"
    assert second.content == first.content
    assert second.headers["Content-Type"] == "application/scim+json"


async def test_redirected_write_keeps_its_condition() -> None:
    """A write without If-Match could overwrite another change."""
    transport = ScriptedTransport(build_redirect(307, "/SCIM/v2/Users/7/"), build_reply(204))

    async with open_client(transport) as client:
        await client.perform(PatchAccount(SEVEN, PATCH.operations, 'W/"3"'))

    assert [request.headers["If-Match"] for request in transport.requests] == ['W/"3"', 'W/"3"']


@pytest.mark.parametrize(
    ("status", "location"), [(301, "/login"), (302, "/SCIM/v2/Users/"), (302, "/login"), (303, "/x")]
)
@pytest.mark.parametrize("call", WRITES)
async def test_other_redirects_of_writes_are_lost(call: Call, status: int, location: str) -> None:
    """These statuses also follow a request that was carried out."""
    transport = ScriptedTransport(build_redirect(status, location), USER)

    async with open_client(transport) as client:
        assert await client.perform(call) == Lost(status)

    assert len(transport.requests) == 1


@pytest.mark.parametrize("call", LOOKUPS)
async def test_other_redirects_of_lookups_are_not_followed(call: Call) -> None:
    """303 leads to another resource, which is not the answer."""
    transport = ScriptedTransport(
        build_redirect(303, "/SCIM/v2/Users/8"), build_reply(200, {"id": "8", "Resources": []})
    )

    async with open_client(transport) as client:
        with pytest.raises(DeclareeWrongAddressError, match="303"):
            await client.perform(call)

    assert len(transport.requests) == 1


async def test_redirect_that_drops_the_filter_keeps_it() -> None:
    """Without the filter, the server would answer with all users."""
    transport = ScriptedTransport(build_redirect(302, "/people"), NO_USERS)

    async with open_client(transport) as client:
        await client.perform(FIND_NAME)

    assert transport.request_lines[1] == "GET /people?filter=userName%20eq%20%22zoe%40example.com%22"


@pytest.mark.parametrize("call", LOOKUPS)
@pytest.mark.parametrize("page", [LOGIN_PAGE, build_reply(404)])
async def test_redirect_to_a_login_page_is_a_wrong_address(call: Call, page: Any) -> None:
    """A page that is not there says nothing about the account."""
    with pytest.raises(DeclareeWrongAddressError):
        await perform_with(call, build_redirect(302, "/login"), page)


async def test_missing_account_behind_a_redirect_is_missing() -> None:
    """The SCIM server itself answers at the new address."""
    moved = build_redirect(308, "/scim/Users/7")

    assert await perform_with(READ, moved, build_reply(404, {"status": "404", "detail": "no"})) == Missing()


@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES])
async def test_redirects_in_a_circle_end_with_an_error(call: Call) -> None:
    """Three redirects are followed."""
    transport = ScriptedTransport(build_redirect(307, "/a"), build_redirect(307, "/b"))

    async with open_client(transport) as client:
        with pytest.raises(DeclareeWrongAddressError, match="more than 3 times"):
            await client.perform(call)

    assert len(transport.requests) == 4


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://declaree.test/SCIM/v2/Users", "https://declaree.test"),
        ("http://declaree.test:8080/SCIM/v2/Users", "http://declaree.test"),
        ("//other.test/zoe@example.com", "http://other.test"),
        ("https://zoe%40example.com@other.test/?name=zoe", "https://other.test"),
        ("http://declaree.test.evil.test/SCIM/v2/Users", "http://declaree.test.evil.test"),
        ("http://zoë.test/", "redirects"),
    ],
)
async def test_redirect_to_another_server_is_never_followed(status: int, location: str, shown: str) -> None:
    """The key belongs to one scheme, host and port. The error names the other server, without a value of a person."""
    for call in (*LOOKUPS, *WRITES):
        transport = ScriptedTransport(build_redirect(status, location), USER)

        async with open_client(transport) as client:
            with pytest.raises(DeclareeWrongAddressError, match="enter the address") as caught:
                await client.perform(call)

        assert len(transport.requests) == 1
        assert shown in str(caught.value)
        assert "zo" not in str(caught.value)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("location", ["", "http://[::1/Users", "http://declaree.test:port/"])
async def test_redirect_without_usable_target_is_not_followed(location: str) -> None:
    """A lookup names the wrong address, and a write may have been carried out."""
    with pytest.raises(DeclareeWrongAddressError):
        await perform_with(READ, build_redirect(307, location))

    assert await perform_with(PATCH, build_redirect(307, location)) == Lost(307)


async def test_every_repetition_asks_for_permission() -> None:
    """The writer may lose its partition between two requests."""
    transport = ScriptedTransport(
        build_redirect(307, "/SCIM/v2/Users/"), build_reply(415), build_reply(201, {"id": "7"})
    )
    asked: list[int] = []

    async with open_client(transport) as client:
        await client.perform(CREATE, before=lambda: asked.append(len(transport.requests)))

    assert asked == [0, 1, 2]


# ---------------------------------------------------------------- media types


async def test_unknown_media_type_is_replaced_and_remembered() -> None:
    """With 415, nothing was written. RFC 7644, section 3.8, also allows ``application/json``."""
    transport = ScriptedTransport(build_reply(415), build_reply(201, {"id": "7"}), USER, build_reply(415))

    async with open_client(transport) as client:
        assert isinstance(await client.perform(CREATE), Written)
        await client.perform(PATCH)
        assert await client.perform(PUT) == Refused(415)

    scim, json = "application/scim+json", "application/json"
    assert [request.headers["Content-Type"] for request in transport.requests] == [scim, json, json, json]
    assert transport.requests[0].content == transport.requests[1].content


async def test_server_that_refuses_both_media_types_is_asked_twice() -> None:
    """The cause is another one, so nothing is learnt."""
    transport = ScriptedTransport(build_reply(415))

    async with open_client(transport) as client:
        assert await client.perform(CREATE) == Refused(415)
        await client.perform(PATCH)

    scim, json = "application/scim+json", "application/json"
    assert [request.headers["Content-Type"] for request in transport.requests] == [scim, json, scim, json]


@pytest.mark.parametrize("media_type", ["application/scim+json", "application/json", "text/plain", ""])
async def test_answer_in_any_media_type_is_read(media_type: str) -> None:
    """The body decides, because servers name many types."""
    reply = build_reply(200, {"id": "7"}, Content_Type=media_type)
    transport = ScriptedTransport(reply)

    async with open_client(transport, ACCESS) as client:
        assert isinstance(await client.perform(READ), Found)
        assert isinstance(await client.perform(PATCH), Written)

    assert httpx.Headers(transport.requests[0].headers)["Accept"] == "application/scim+json, application/json"
