"""Lookups: reading accounts and finding them by external id or user name."""

from typing import Any

import pytest

from services.clients.declaree.errors import DeclareeWrongAddressError
from services.errors import TransientError
from services.provisioning.calls import (
    Answer,
    Call,
    FindAccounts,
    Found,
    ListAccounts,
    Missing,
    Page,
    Refused,
    Resource,
    Unsupported,
)
from tests.unit.clients.declaree_stage import (
    ACCESS,
    FIND_EXTERNAL,
    FIND_NAME,
    LIST,
    PATCH,
    PUT,
    READ,
    SEVEN,
    open_client,
    open_stage,
    perform_with,
)
from tests.unit.clients.transports import Reply, ScriptedTransport, build_reply

# ---------------------------------------------------------------- the sandbox


async def test_lookup_of_unknown_account_finds_nothing() -> None:
    """An account that does not exist is an answer, not an error."""
    async with open_stage() as stage:
        assert await stage.client.perform(READ) == Missing()
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


async def test_unsupported_filter_is_told_from_no_match() -> None:
    """A server that cannot filter by external id says nothing about the accounts that have it."""
    async with open_stage(external_id_filter=False) as stage:
        created = await stage.create()

        assert await stage.client.perform(FIND_EXTERNAL) == Unsupported()
        assert await stage.find("userName", "zoe@example.com") == [created.id]


@pytest.mark.parametrize(("header", "scheme"), [("X-Api-Key", ""), ("Authorization", "Token")])
async def test_key_is_sent_in_the_configured_header(header: str, scheme: str) -> None:
    """The connection chooses the header and the scheme of the key."""
    access = ACCESS.model_copy(update={"key_header": header, "key_scheme": scheme})
    async with open_stage(access, auth_header=header, auth_scheme=scheme) as stage:
        await stage.client.probe()


# ---------------------------------------------------------------- other servers


SCIM_ERROR = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}
SCIM_HEADER = {"Content-Type": "application/scim+json; charset=utf-8"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 410, 412, 418, 429, 500, 501, 503, 204, 304, 307])
async def test_lookup_status_has_a_meaning_only_where_intended(status: int) -> None:
    """A gateway's answers say as little as possible, and all statuses without a meaning are errors."""
    meanings: dict[Call, dict[int, Answer]] = {
        READ: {404: Missing(is_certain=False), 410: Missing(is_certain=False)},
        FIND_NAME: {400: Refused(400), 405: Unsupported(), 501: Unsupported()},
        LIST: dict.fromkeys((400, 403, 405, 500, 501), Unsupported()),
    }
    for call, meaning in meanings.items():
        if status in meaning:
            assert await perform_with(call, Reply(status)) == meaning[status]
        else:
            with pytest.raises(TransientError):
                await perform_with(call, Reply(status))


@pytest.mark.parametrize(
    ("status", "scim_type", "answer"),
    [
        (400, "invalidFilter", Unsupported()),
        (400, "invalidValue", Refused(400, "invalidValue")),
        (400, "tooMany", Refused(400, "tooMany")),
        (414, None, Refused(414)),
        (422, None, Refused(422)),
        (431, None, Refused(431)),
    ],
)
async def test_refused_filter_tells_filter_from_value(status: int, scim_type: str | None, answer: Answer) -> None:
    """RFC 7644, section 3.12: only ``invalidFilter`` concerns the attribute, and not this value."""
    assert await perform_with(FIND_NAME, build_reply(status, {"scimType": scim_type})) == answer


@pytest.mark.parametrize(
    ("reply", "is_certain"),
    [
        (build_reply(404, SCIM_ERROR), True),
        (build_reply(404, {"Schemas": ["URN:ietf:params:scim:api:MESSAGES:2.0:error"]}), True),
        (build_reply(404, {"status": 404, "detail": "Resource 7 not found"}), True),
        (build_reply(404, {"Errors": [{"description": "Resource 7 not found", "code": "404"}]}), True),
        (Reply(404, b"{}", SCIM_HEADER), True),
        (Reply(410, b'{"message": "gone"}', {"Content-Type": "APPLICATION/SCIM+JSON"}), True),
        (Reply(404, b"", SCIM_HEADER), False),
        (Reply(404, b"<html>", SCIM_HEADER), False),
        (Reply(404, b"<html>404 Not Found</html>", {"Content-Type": "text/html"}), False),
        (Reply(404, b"404 page not found", {"Content-Type": "text/plain"}), False),
        (Reply(404), False),
        (build_reply(404, {"detail": "Not Found"}), False),
        (build_reply(404, {"message": "no route matched"}), False),
        (build_reply(404, {"status": 404, "error": "Not Found", "path": "/SCIM/v2/Users/7"}), False),
        (build_reply(404, {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no route"}), False),
        (Reply(404, b'{"status": 404, "detail": "no"}', {"Content-Type": "application/problem+json"}), False),
        (build_reply(404, {"errors": [{"status": "404", "code": "no_route", "detail": "no route"}]}), False),
        (build_reply(404, []), False),
    ],
)
async def test_only_a_scim_error_says_that_an_account_is_missing(reply: Reply, is_certain: bool) -> None:
    """Gateways and web frameworks answer 404 for a path that they do not route. The account may exist."""
    calls: tuple[Call, ...] = (READ, PATCH, PUT)
    for call in calls:
        assert await perform_with(call, reply) == Missing(is_certain=is_certain)

    if is_certain:
        assert await perform_with(FIND_NAME, Reply(404, reply.content, reply.headers)) == Found()
        assert await perform_with(LIST, Reply(404, reply.content, reply.headers)) == Unsupported()
        return

    for lookup in (FIND_NAME, LIST):
        with pytest.raises(DeclareeWrongAddressError):
            await perform_with(lookup, Reply(404, reply.content, reply.headers))


@pytest.mark.parametrize(
    ("body", "ids", "total"),
    [
        ({"totalResults": 250, "Resources": [{"id": "a"}, {"id": "b"}]}, ["a", "b"], 250),
        ({"totalResults": "250", "Resources": []}, [], 250),
        ({"TOTALRESULTS": 0}, [], 0),
        ({"Resources": [{"id": "a"}]}, ["a"], None),
        ({"totalResults": True, "Resources": []}, [], None),
        ({"totalResults": -1, "Resources": []}, [], None),
        ({"totalResults": [1], "Resources": []}, [], None),
        ({"totalResults": "9" * 10, "Resources": []}, [], None),
        ({"totalResults": 2, "Resources": [{"id": "7" * 1025}, {"id": "ü" * 512}]}, ["ü" * 512], 2),
    ],
)
async def test_page_has_its_users_and_the_total(body: Any, ids: list[str], total: int | None) -> None:
    """A total that is not a number is unknown, and an entry without a usable id is left out."""
    answer = await perform_with(LIST, build_reply(200, body))

    assert isinstance(answer, Page)
    assert [resource.id for resource in answer.resources] == ids
    assert answer.total == total


async def test_list_asks_for_one_page() -> None:
    """RFC 7644, section 3.4.2.4: the first user has the number 1."""
    transport = ScriptedTransport(build_reply(200, {"totalResults": 0}))

    async with open_client(transport) as client:
        await client.perform(ListAccounts(101, 50))

    assert transport.request_lines == ["GET /SCIM/v2/Users?startIndex=101&count=50"]


async def test_pages_of_the_sandbox_are_listed() -> None:
    """The pages together have every account once."""
    async with open_stage(max_page_size=2) as stage:
        for number in range(3):
            await stage.create(name=f"{number}@example.com", externalId=str(number))

        first = await stage.client.perform(ListAccounts())
        second = await stage.client.perform(ListAccounts(3))

    assert isinstance(first, Page)
    assert isinstance(second, Page)
    assert [resource.body["externalId"] for resource in (*first.resources, *second.resources)] == ["0", "1", "2"]
    assert first.total == 3
    assert second.total == 3


@pytest.mark.parametrize("account", ["7" * 1025, "\ud83d", "", True, None, {"value": "7"}])
async def test_invalid_id_is_not_an_account(account: Any) -> None:
    """An id gets into addresses and the ledger, so it must be usable there."""
    with pytest.raises(DeclareeWrongAddressError):
        await perform_with(READ, build_reply(200, {"id": account}))

    assert await perform_with(FIND_NAME, build_reply(200, {"Resources": [{"id": account}]})) == Found()


@pytest.mark.parametrize("body", [{}, {"status": "maintenance"}, {"totalResults": 3}, {"Resources": {}}, [], None])
async def test_lookup_body_without_list_is_not_an_empty_list(body: Any) -> None:
    """A body of another kind must not make the settlement create a second account."""
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
