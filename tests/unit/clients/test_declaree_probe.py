"""Probing a server by a kind of request that it supports."""

import pytest

from services.clients.declaree.errors import (
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.errors import TransientError
from services.provisioning.calls import Call
from tests.unit.clients.declaree_stage import FIND_NAME, LIST, READ, open_client
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply

LIST_LINE = "GET /SCIM/v2/Users?startIndex=1&count=1"
FILTER_LINE = "GET /SCIM/v2/Users?filter=externalId%20eq%20%22no-such-account%22"
CONFIG_LINE = "GET /SCIM/v2/ServiceProviderConfig"
NO_USERS = build_reply(200, {"totalResults": 0})
SCIM_404 = build_reply(404, {"status": "404", "detail": "no users"})
CONFIG = build_reply(200, {"patch": {"supported": True}})


async def probe_with(*replies: Reply) -> list[str]:
    """Probes a server with these replies, and returns the requests."""
    transport = ScriptedTransport(*replies)
    async with open_client(transport) as client:
        await client.probe()
    return transport.request_lines


@pytest.mark.parametrize("status", [400, 405, 500, 501])
async def test_probe_tries_what_the_server_supports(status: int) -> None:
    """A plain list, a filter, and the description of the server, in this order."""
    refused = Reply(status)

    assert await probe_with(NO_USERS) == [LIST_LINE]
    assert await probe_with(refused, NO_USERS) == [LIST_LINE, FILTER_LINE]
    assert await probe_with(refused, SCIM_404) == [LIST_LINE, FILTER_LINE]
    assert await probe_with(refused, refused, CONFIG) == [LIST_LINE, FILTER_LINE, CONFIG_LINE]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, DeclareeKeyRefusedError),
        (403, DeclareeForbiddenError),
        (404, DeclareeWrongAddressError),
        (429, DeclareeRateLimitedError),
        (502, DeclareeUnavailableError),
        (503, DeclareeUnavailableError),
        (504, DeclareeUnavailableError),
    ],
)
async def test_probe_raises_at_the_first_clear_error(status: int, error: type[TransientError]) -> None:
    """These statuses do not depend on the kind of request."""
    transport = ScriptedTransport(Reply(status), NO_USERS)

    async with open_client(transport) as client:
        with pytest.raises(error):
            await client.probe()

    assert transport.request_lines == [LIST_LINE]


@pytest.mark.parametrize("last", [Reply(404), Reply(500), LOGIN_PAGE])
async def test_probe_without_any_answer_reports_the_first_one(last: Reply) -> None:
    """The plain list is the usual kind of request, so its error says most."""
    with pytest.raises(DeclareeUnavailableError, match="500"):
        await probe_with(Reply(500), Reply(400), last)


async def test_probe_of_a_list_that_is_not_scim_is_a_wrong_address() -> None:
    """A login page answers every request with the status 200."""
    with pytest.raises(DeclareeWrongAddressError):
        await probe_with(LOGIN_PAGE)


async def test_scim_404_for_users_needs_another_proof() -> None:
    """A server may answer 404 for an empty list, and a wrong path below a SCIM server gives the same answers."""
    assert await probe_with(SCIM_404, SCIM_404, CONFIG) == [LIST_LINE, FILTER_LINE, CONFIG_LINE]

    with pytest.raises(DeclareeWrongAddressError):
        await probe_with(SCIM_404)


async def test_probe_begins_with_the_kind_that_worked() -> None:
    """A server with a failing list costs one request for each probe."""
    transport = ScriptedTransport(Reply(500), NO_USERS)

    async with open_client(transport) as client:
        await client.probe()
        await client.probe()

    assert transport.request_lines == [LIST_LINE, FILTER_LINE, FILTER_LINE]


@pytest.mark.parametrize("call", [FIND_NAME, LIST])
async def test_description_proves_nothing_once_users_were_found(call: Call) -> None:
    """A server with a broken database still describes itself, and must not count as working."""
    transport = ScriptedTransport(NO_USERS, Reply(500), Reply(500), CONFIG)

    async with open_client(transport) as client:
        await client.perform(call)
        with pytest.raises(DeclareeUnavailableError):
            await client.probe()

    assert transport.request_lines[1:] == [LIST_LINE, FILTER_LINE]


async def test_description_still_counts_after_reading_an_account() -> None:
    """A server that only knows ids must not be closed for ever."""
    transport = ScriptedTransport(build_reply(200, {"id": "7"}), Reply(500), Reply(500), CONFIG)

    async with open_client(transport) as client:
        await client.perform(READ)
        await client.probe()

    assert transport.request_lines[-1] == CONFIG_LINE
