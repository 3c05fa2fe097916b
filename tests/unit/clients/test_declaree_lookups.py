"""Lookups: reading accounts and finding them by external id or user name."""

from typing import Any

import pytest

from services.clients.declaree.errors import DeclareeWrongAddressError
from services.errors import TransientError
from services.provisioning.calls import (
    Call,
    FindAccounts,
    Found,
    Refused,
    Resource,
)
from tests.unit.clients.declaree_stage import (
    ACCESS,
    FIND_EXTERNAL,
    FIND_NAME,
    LOOKUPS,
    READ,
    SEVEN,
    open_client,
    open_stage,
    perform_with,
)
from tests.unit.clients.transports import Reply, ScriptedTransport, build_reply

# ---------------------------------------------------------------- the sandbox


async def test_lookup_of_unknown_account_finds_nothing() -> None:
    """An account that does not exist is an empty result, not an error."""
    async with open_stage() as stage:
        assert await stage.client.perform(READ) == Found()
        assert await stage.client.perform(FIND_EXTERNAL) == Found()
        assert await stage.client.perform(FIND_NAME) == Found()


@pytest.mark.parametrize(
    "name",
    [
        "zoe+expenses@example.com",
        'zo"e@example.com',
        "zo'e@example.com",
        "zoë.núñez@exämple.com",
        "a\\b@x",
        "50%&co=1#?@x",
    ],
)
async def test_lookup_of_special_characters_finds_only_that_account(name: str) -> None:
    """Special characters in a name are quoted so that the filter matches exactly one account."""
    async with open_stage() as stage:
        created = await stage.create(name=name, externalId=name)
        await stage.create(name="other@example.com", externalId="8")

        assert await stage.find("userName", name) == [created.id]
        assert await stage.find("externalId", name) == [created.id]


async def test_lookup_without_external_id_filter_uses_user_name() -> None:
    """A server that cannot filter by external id finds nothing by it, and the account by its user name."""
    async with open_stage(external_id_filter=False) as stage:
        created = await stage.create()

        assert await stage.find("externalId", "7") == []
        assert await stage.find("userName", "zoe@example.com") == [created.id]


@pytest.mark.parametrize(("header", "scheme"), [("X-Api-Key", ""), ("Authorization", "Token")])
async def test_key_is_sent_in_the_configured_header(header: str, scheme: str) -> None:
    """The connection chooses the header and the scheme of the key."""
    access = ACCESS.model_copy(update={"key_header": header, "key_scheme": scheme})
    async with open_stage(access, auth_header=header, auth_scheme=scheme) as stage:
        await stage.client.probe()


# ---------------------------------------------------------------- other servers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 412, 418, 429, 500, 501, 503, 204, 304, 307])
@pytest.mark.parametrize("call", LOOKUPS)
async def test_lookup_status_means_nothing_only_where_intended(call: Call, status: int) -> None:
    """404 and 410 to a read mean that the account is gone.

    400 and 501 mean that the server cannot filter by external id. 400 to a user name means that the server does
    not accept this name. All other statuses are errors.
    """
    means_nothing = (call is READ and status in {404, 410}) or (call is FIND_EXTERNAL and status in {400, 501})
    if means_nothing:
        assert await perform_with(call, Reply(status)) == Found()
        return

    if call is FIND_NAME and status == 400:
        assert isinstance(await perform_with(call, Reply(status)), Refused)
        return

    with pytest.raises(TransientError):
        await perform_with(call, Reply(status))


@pytest.mark.parametrize("body", [{}, {"status": "maintenance"}, {"totalResults": 3}, {"Resources": {}}, [], None])
async def test_lookup_body_without_list_is_not_an_empty_list(body: Any) -> None:
    """A body of another kind must not make the reconciliation create a second account."""
    with pytest.raises(DeclareeWrongAddressError):
        await perform_with(FIND_NAME, build_reply(200, body))


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"totalResults": 0}, []),
        ({"totalResults": "0", "Resources": []}, []),
        ({"totalresults": 1, "resources": [{"ID": 7, "USERNAME": "zoe"}]}, ["7"]),
        ({"Resources": [{"id": "a"}, None, {"userName": "no id"}, {"id": "b"}]}, ["a", "b"]),
    ],
)
async def test_list_in_any_spelling_is_read(body: Any, ids: list[str]) -> None:
    """Member names are case-insensitive, and elements without an id are skipped."""
    answer = await perform_with(FIND_NAME, build_reply(200, body))

    assert isinstance(answer, Found)
    assert [resource.id for resource in answer.resources] == ids


async def test_version_of_header_has_precedence_over_body() -> None:
    """The ETag header is the version; without it, the member of the body is."""
    body = {"id": "7", "Meta": {"Version": 'W/"1"'}}

    assert await perform_with(READ, build_reply(200, body, ETag='W/"2"')) == Found((Resource(SEVEN, body, 'W/"2"'),))
    assert await perform_with(READ, build_reply(200, body)) == Found((Resource(SEVEN, body, 'W/"1"'),))


async def test_filter_is_one_parameter_with_a_json_value() -> None:
    """RFC 7644 compares with a JSON string, and spaces are sent as %20."""
    transport = ScriptedTransport(build_reply(200, {"totalResults": 0}))

    async with open_client(transport) as client:
        await client.perform(FindAccounts("userName", 'a+b "c" \\ü@x'))

    assert transport.request_lines == [
        "GET /SCIM/v2/Users?filter=userName%20eq%20%22a%2Bb%20%5C%22c%5C%22%20%5C%5C%C3%BC%40x%22"
    ]
