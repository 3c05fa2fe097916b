"""Access tokens: shared, renewed, and replaced when Personio refuses them."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr

from services.clients.personio.auth import TokenCache
from services.clients.personio.errors import (
    PersonioCredentialsError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.v1 import PersonioClient
from tests.support.fakes import FakeClock
from tests.unit.clients.personio_stage import (
    ACCESS,
    AUTH,
    EMPTY_LIST,
    LIST,
    SECRET,
    TOKEN,
    open_client,
    open_stage,
    read_first_page,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply


async def test_credentials_are_sent_in_the_body_only() -> None:
    """Addresses and headers get into logs of servers and proxies. The headers name the app and the partner."""
    access = ACCESS.model_copy(update={"partner_id": "PARTNER"})
    transport = ScriptedTransport(TOKEN, EMPTY_LIST)

    async with PersonioClient(access, clock=FakeClock(), transport=transport, allow_private=False) as client:
        await read_first_page(client)

    auth, listing = transport.requests
    assert auth.method == "POST"
    assert str(auth.url) == "http://personio.test/v1/auth"
    assert json.loads(auth.content) == {"client_id": "papi-client", "client_secret": SECRET}
    assert auth.headers["Content-Type"] == "application/json"
    assert listing.content == b""
    for request in transport.requests:
        assert request.headers["X-Personio-App-ID"] == "PERSONIO_DECLAREE"
        assert request.headers["X-Personio-Partner-ID"] == "PARTNER"
        assert SECRET not in str(request.url) + str(request.headers.raw)


async def test_partner_header_is_left_out_without_a_partner() -> None:
    """An empty partner id is not sent."""
    async with open_stage() as stage:
        await stage.client.list_attributes()

        entries = stage.state.journal.list_entries()
        assert {entry["app_id"] for entry in entries} == {"PERSONIO_DECLAREE"}
        assert {entry["partner_id"] for entry in entries} == {None}


async def test_token_is_requested_once_by_concurrent_requests() -> None:
    """One request authenticates, and the others wait for its token."""
    async with open_stage() as stage:
        await asyncio.gather(*(stage.client.list_attributes() for _ in range(5)))
        await stage.read_pages()

        assert stage.paths.count(AUTH) == 1


async def test_clients_with_one_cache_share_a_token() -> None:
    """Each poll has a client of its own. Another secret has to authenticate."""
    tokens = TokenCache()
    transport = ScriptedTransport(TOKEN, EMPTY_LIST, EMPTY_LIST, TOKEN, EMPTY_LIST)

    for secret in (SECRET, SECRET, "another"):
        access = ACCESS.model_copy(update={"client_secret": SecretStr(secret)})
        async with PersonioClient(
            access, clock=FakeClock(), tokens=tokens, transport=transport, allow_private=False
        ) as client:
            await read_first_page(client)

    assert [request.method for request in transport.requests] == ["POST", "GET", "GET", "POST", "GET"]
    assert SECRET not in repr(tokens.get(ACCESS))
    assert "papi-1" not in repr(tokens.get(ACCESS))


@pytest.mark.parametrize("send_expires_in", [True, False])
async def test_token_is_renewed_before_it_expires(send_expires_in: bool) -> None:
    """The margin avoids a request with an expired token."""
    async with open_stage(send_expires_in=send_expires_in) as stage:
        await stage.client.list_attributes()
        stage.clock.seconds += 86_400 - 301
        await stage.client.list_attributes()

        assert stage.paths.count(AUTH) == 1

        stage.clock.seconds += 2
        await stage.client.list_attributes()

        assert stage.paths.count(AUTH) == 2
        assert stage.statuses == [200] * 5


async def test_last_minutes_of_a_token_need_few_renewals() -> None:
    """Personio returns the same token until it expires, and allows 60 authentications a minute."""
    async with open_stage() as stage:
        await stage.client.list_attributes()
        stage.clock.seconds += 86_400 - 310
        for _ in range(400):
            await stage.client.list_attributes()
            stage.clock.seconds += 1

        assert stage.paths.count(AUTH) < 20


@pytest.mark.parametrize("lifetime", [None, "86400", True, [], float("nan"), -5, 0, 10**400])
async def test_token_with_any_lifetime_is_used(lifetime: Any) -> None:
    """A missing or invalid lifetime does not make the token invalid."""
    data = {"token": "papi-1", "expires_in": lifetime}

    async with open_client(build_reply(200, {"success": True, "data": data}), EMPTY_LIST) as (client, transport):
        await read_first_page(client)

    assert transport.request_lines == ["POST /v1/auth", "GET /v1/company/employees?limit=100&offset=0"]


async def test_revoked_token_is_replaced_without_an_error() -> None:
    """The refused request is sent once more, with a new token."""
    async with open_stage() as stage:
        await stage.client.list_attributes()
        stage.state.credentials.revoke(ACCESS.client_id)

        assert len(await stage.read_pages()) == 1
        assert stage.paths == [AUTH, f"{LIST}/attributes", LIST, AUTH, LIST]


async def test_token_that_expired_early_is_replaced_after_403() -> None:
    """Personio answers 403 to an expired token, as it does to a missing right."""
    async with open_stage(send_expires_in=False) as stage:
        stage.state.credentials.log_in(ACCESS.client_id, SECRET, stage.state.now())
        stage.clock.seconds += 80_000
        await stage.client.list_attributes()
        stage.clock.seconds += 10_000
        await stage.client.list_attributes()

        assert stage.statuses == [200, 200, 403, 200, 200]


async def test_token_refused_twice_is_an_error() -> None:
    """A second refusal is not a matter of the token."""
    async with open_stage() as stage:
        stage.add_fault("unauthorized", count=100)

        with pytest.raises(PersonioRefusedError, match=r"right to read employees"):
            await read_first_page(stage.client)

        assert stage.paths == [AUTH, LIST, AUTH, LIST]


async def test_missing_right_is_reported_after_one_new_token() -> None:
    """The same token again shows that the right is missing."""
    async with open_stage(may_read=False) as stage:
        with pytest.raises(PersonioRefusedError, match=r"/v1/company/employees \(403\)"):
            await read_first_page(stage.client)

        assert stage.paths == [AUTH, LIST, AUTH]


async def test_wrong_credentials_are_reported_with_the_next_step() -> None:
    """A retry cannot help, so the client sends no second request."""
    async with open_stage(secret="another") as stage:
        with pytest.raises(PersonioCredentialsError, match="connections secrets"):
            await read_first_page(stage.client)

        assert stage.paths == [AUTH]
        assert stage.clock.slept == []


@pytest.mark.parametrize("header", [True, False])
async def test_token_in_response_headers_is_not_needed(header: bool) -> None:
    """Older versions of the API sent a new token with each response."""
    async with open_stage(authorization_header=header) as stage:
        assert await stage.client.list_attributes()


@pytest.mark.parametrize(
    "reply",
    [
        LOGIN_PAGE,
        build_reply(200, {}),
        build_reply(200, {"data": []}),
        build_reply(200, {"data": {"token": None}}),
        build_reply(204),
        build_reply(200, [1]),
    ],
)
async def test_authentication_without_token_is_unavailable(reply: Reply) -> None:
    """Such an answer comes from another server and says nothing about the credentials."""
    async with open_client(reply) as (client, _):
        with pytest.raises(PersonioUnavailableError):
            await read_first_page(client)
