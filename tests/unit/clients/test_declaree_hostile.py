"""Answers of a hostile or broken server: each becomes an answer or an error of the connection, never another exception."""

import json
from typing import Any

import httpx
import pytest

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.resources import parse_id
from services.clients.http.responses import parse_json_object
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, Found, Missing, Page, Resource, Written
from tests.support.fakes import FakeClock
from tests.unit.clients.declaree_stage import ACCESS, LIST, LOOKUPS, PATCH, READ, SEVEN, WRITES, perform_with
from tests.unit.clients.transports import ScriptedTransport, build_reply

LOCATIONS = [
    "https://xn--0.example/",
    "https://xn--a-.de/SCIM/v2/Users",
    "https://[::1",
    "http://a\tb/",
    "//",
    "https://host:abc/",
    "javascript:alert(1)",
    "?" + "a" * 9_000,
]
BODIES: list[Any] = [
    {"id": None, "Resources": None, "totalResults": None},
    {"id": [], "Resources": {}, "totalResults": {"a": 1}},
    {"id": "", "Resources": [None, 7, "x", [], {}], "totalResults": "many"},
    {"id": "7", "meta": {"version": {"a": 1}}, "Resources": [{"id": "7", "meta": None}], "totalResults": -1},
    {"id": "7", "meta": "none", "schemas": None, "Resources": [{"id": "7", "emails": "x"}], "totalResults": 10**12},
    {"ID": 7, "RESOURCES": [{"ID": 7}], "TOTALRESULTS": "1"},
    [],
    None,
    "text",
    7,
]


async def find_error(call: Call, *replies: Any) -> Answer | None:
    """Performs a call. Returns the answer; None for an error that concerns the connection."""
    try:
        return await perform_with(call, *replies)
    except TransientError:
        return None


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES], ids=str)
async def test_senseless_redirect_ends_as_an_error_of_the_server(call: Call, location: str) -> None:
    """A host that is not a name, an address without an end, another scheme: the change waits, or is looked up."""
    answer = await find_error(call, *([build_reply(307, Location=location)] * 5))

    assert not isinstance(answer, Found | Page | Missing | Written)


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES], ids=str)
async def test_senseless_body_ends_as_an_answer_or_error(call: Call, body: Any) -> None:
    """Nulls, other types and other cases in every place that is read."""
    answer = await find_error(call, build_reply(200, body))

    assert not isinstance(answer, Missing)


@pytest.mark.parametrize("depth", [150, 250, 900, 5_000, 100_000])
def test_deeply_nested_json_can_be_encoded_again(depth: int) -> None:
    """What cannot be worked on is not a JSON object of a vendor."""
    body = parse_json_object(httpx.Response(200, content=b'{"id":' + b"[" * depth + b"]" * depth + b"}"))

    assert (body is None) == (depth > 200)
    assert json.dumps(body)


@pytest.mark.parametrize("name", [".", "..", "a\nb", "\x1b[2J", "\x00", "\u202e7", "\ud800", "", "x" * 1025])
def test_id_that_harms_addresses_or_terminals_is_refused(name: str) -> None:
    """A step within a path leads to another resource, and a control character changes what a terminal shows."""
    assert parse_id(name) is None


@pytest.mark.parametrize("name", ["7", "a/../b", "...", "Zoë", "日本", "a b", "$x.y", "x" * 1024])
def test_unusual_id_is_kept(name: str) -> None:
    """An id is opaque (RFC 7643, section 3.1)."""
    assert parse_id(name) == name


async def test_version_with_a_line_break_is_not_sent_back() -> None:
    """It would be another header. The account is written without a condition."""
    body = {"id": "7", "meta": {"version": 'W/"1"\r\nX-Evil: 1'}}

    assert await perform_with(READ, build_reply(200, body)) == Found((Resource(SEVEN, body, None),))


async def test_probe_of_a_hostile_server_fails_as_a_server_does() -> None:
    """Any other error would end the writer's check of waiting employees."""
    for location in LOCATIONS:
        transport = ScriptedTransport(*([build_reply(307, Location=location)] * 20))
        client = DeclareeClient(ACCESS, clock=FakeClock(), transport=transport, allow_private=False)
        with pytest.raises(TransientError):
            await client.probe()
        await client.close()


async def test_location_of_a_write_is_read_only_if_it_names_an_account() -> None:
    """The address of the account is read only if it names one."""
    for location in ("https://[::1", "/Users/%00", "/Users/..", "/Users/" + "x" * 9_000):
        assert await perform_with(PATCH, build_reply(204, None, Location=location)) == Written(None)


async def test_list_without_usable_ids_is_empty() -> None:
    """Entries that cannot be accounts do not count."""
    page = await perform_with(
        LIST, build_reply(200, {"Resources": [{"id": ".."}, {"id": True}, {}], "totalResults": 3})
    )

    assert page == Page((), 3)
