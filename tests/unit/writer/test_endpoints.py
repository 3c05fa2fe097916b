"""The endpoints of the connections: one client each, replaced with the access, and blocked if the server hangs."""

import asyncio

import pytest

from services.contracts.connections import Connection
from services.contracts.outcomes import WaitingCause
from services.provisioning.calls import Found
from services.writer.breaker import RequestsBlockedError
from services.writer.endpoint import SILENT_SECONDS
from services.writer.endpoints import Endpoints
from tests.support.builders import CONNECTION, DECLAREE, OTHER, make_connection
from tests.unit.writer.scripted import LOOKUP, EndpointStage, ScriptedClients


@pytest.fixture
def stage() -> EndpointStage:
    """An endpoint with a closed breaker."""
    return EndpointStage()


def build_connection(url: str) -> Connection:
    """Returns the connection with another address of Declaree."""
    return make_connection(declaree=DECLAREE.model_copy(update={"url": url}))


# ---------------------------------------------------------------- servers that hang


@pytest.mark.parametrize(("silence", "is_blocked"), [(SILENT_SECONDS, True), (SILENT_SECONDS - 0.1, False)])
async def test_timeout_of_silent_server_opens_breaker(stage: EndpointStage, silence: float, is_blocked: bool) -> None:
    """A timeout opens the breaker if a request had no answer during the last seconds."""
    stage.clock.seconds += 1_000  # time without any request does not count
    stage.server.release = asyncio.Event()

    await exceed_time(stage, silence)
    stage.server.release.set()

    assert await stage.is_blocked() is is_blocked


async def exceed_time(stage: EndpointStage, silence: float) -> None:
    """Lets a change exceed its time limit in a request that began before ``silence`` seconds."""
    request = asyncio.create_task(stage.perform())
    await asyncio.sleep(0)
    stage.clock.seconds += silence
    request.cancel()
    await asyncio.wait({request})
    stage.endpoint.record_timeout()


async def test_server_that_refuses_requests_is_not_silent(stage: EndpointStage) -> None:
    """A request that is held was answered, although the answer of the last repetition is missing."""
    stage.server.held = (SILENT_SECONDS, SILENT_SECONDS)
    stage.server.release = asyncio.Event()

    await exceed_time(stage, SILENT_SECONDS - 1)
    stage.server.release.set()

    assert not await stage.is_blocked()


async def test_wait_for_the_pace_is_not_silence(stage: EndpointStage) -> None:
    """A server cannot answer a request that waits for its turn."""
    stage.server.turn.clear()

    await exceed_time(stage, SILENT_SECONDS * 2)
    stage.server.turn.set()

    assert not await stage.is_blocked()


async def test_timeout_between_requests_keeps_breaker_closed(stage: EndpointStage) -> None:
    """A timeout without an open request says nothing about the server."""
    await stage.perform()
    stage.clock.seconds += 1_000

    stage.endpoint.record_timeout()

    assert not await stage.is_blocked()


# ---------------------------------------------------------------- one client for each connection


async def test_endpoint_is_replaced_with_changed_access(stage: EndpointStage) -> None:
    """A connection keeps its endpoint until its access changes, and the old client is closed."""
    clients = ScriptedClients()
    endpoints = Endpoints(clients, stage.clock)
    first, other = make_connection(), make_connection(OTHER)
    endpoint = (await endpoints.get_all([first, other]))[CONNECTION]

    assert (await endpoints.get_all([first]))[CONNECTION] is endpoint

    changed = build_connection("https://elsewhere.example")

    assert (await endpoints.get_all([changed, other]))[CONNECTION] is not endpoint
    assert [client.is_closed for _, client in clients.made] == [True, False, False]

    await endpoints.stop()

    assert [client.is_closed for _, client in clients.made] == [True, True, True]


async def test_request_in_flight_finishes_with_replaced_client(stage: EndpointStage) -> None:
    """A replaced client is closed after its last request."""
    clients = ScriptedClients()
    endpoints = Endpoints(clients, stage.clock)
    old = (await endpoints.get_all([make_connection()]))[CONNECTION]
    client = clients.made[0][1]
    client.release = asyncio.Event()
    request = asyncio.create_task(old.perform(LOOKUP, lambda: None))
    await asyncio.sleep(0)
    await endpoints.get_all([build_connection("https://elsewhere.example")])

    assert not client.is_closed

    client.release.set()

    assert await request == Found()
    assert client.is_closed


@pytest.mark.expects_errors
async def test_unusable_access_blocks_that_connection_only(stage: EndpointStage) -> None:
    """An access that no client can be made from makes the changes of that connection wait."""
    endpoints = Endpoints(ScriptedClients(), stage.clock)

    by_connection = await endpoints.get_all([build_connection("bad"), make_connection(OTHER)])

    with pytest.raises(RequestsBlockedError) as caught:
        await by_connection[CONNECTION].perform(LOOKUP, lambda: None)

    assert caught.value.cause == WaitingCause.UNUSABLE_ACCESS
    assert await by_connection[OTHER].perform(LOOKUP, lambda: None) == Found()
