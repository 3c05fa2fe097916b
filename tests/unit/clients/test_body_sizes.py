"""The sizes of response bodies, on a real socket: a larger one is an error of its request, and takes little memory."""

import gzip
import tracemalloc

import httpx
import pytest

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.errors import DeclareeUnavailableError
from services.clients.http.client import HttpClient
from services.clients.http.encodings import MEGABYTE
from services.clients.http.transport import Limits
from services.clients.personio.errors import PersonioUnavailableError
from services.clients.personio.v1 import PersonioClient
from services.provisioning.calls import Call, Found, Lost, Page
from tests.support.fakes import FakeClock
from tests.unit.clients.declaree_stage import ACCESS, CREATE, FIND_EXTERNAL, LIST, PATCH, READ, build_user
from tests.unit.clients.faulty_server import Respond, build_response, run_server, send
from tests.unit.clients.personio_stage import ACCESS as PERSONIO_ACCESS
from tests.unit.clients.personio_stage import read_first_page


def build_body(megabytes: float) -> bytes:
    """Returns a list with one user, as a JSON text of about this size."""
    filling = "x" * int(megabytes * MEGABYTE)
    user = httpx.Response(200, json=build_user(id="7", title=filling)).text
    return f'{{"id":"7","totalResults":1,"Resources":[{user}]}}'.encode()


def answer(megabytes: float) -> Respond:
    """Returns a server's behaviour: every answer has about this size."""
    return send(build_response(build_body(megabytes)))


async def perform(call: Call, respond: Respond) -> object:
    """Performs a call on a server with this behaviour. Returns the answer or the error."""
    async with run_server(respond) as server:
        client = DeclareeClient(ACCESS.model_copy(update={"url": server.url}), clock=FakeClock(), allow_private=True)
        try:
            return await client.perform(call)
        except DeclareeUnavailableError as error:
            return error
        finally:
            await client.close()


async def test_answer_about_one_person_has_two_megabytes() -> None:
    """A larger one is an error of this lookup, with a message that names the limit."""
    assert isinstance(await perform(READ, answer(1.9)), Found)

    error = await perform(READ, answer(2.1))

    assert isinstance(error, DeclareeUnavailableError)
    assert "the response body is too large (more than 2 MB): let the server send less" in str(error)


@pytest.mark.parametrize("call", [CREATE, PATCH], ids=str)
async def test_write_with_a_larger_answer_is_in_doubt(call: Call) -> None:
    """It was carried out, or not: only a look tells."""
    assert isinstance(await perform(call, answer(2.1)), Lost)


@pytest.mark.parametrize("call", [LIST, FIND_EXTERNAL], ids=str)
async def test_page_of_accounts_has_eight_megabytes(call: Call) -> None:
    """Some servers ignore the filter and answer with a page."""
    assert isinstance(await perform(call, answer(7.9)), Found | Page)

    error = await perform(call, answer(8.1))

    assert isinstance(error, DeclareeUnavailableError)
    assert "more than 8 MB" in str(error)


async def test_page_of_employees_has_eight_megabytes() -> None:
    """The poll fails with a message that names the limit, and is repeated at its next time."""
    async with run_server(answer(8.1)) as server:
        access = PERSONIO_ACCESS.model_copy(update={"url": server.url})
        async with PersonioClient(access, clock=FakeClock(), allow_private=True) as client:
            with pytest.raises(PersonioUnavailableError, match="more than 8 MB"):
                await read_first_page(client)


async def test_announced_size_is_refused_before_the_body() -> None:
    """Nothing of the body has to arrive."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {9 * MEGABYTE}\r\n\r\n".encode()

    async with run_server(send(head)) as server, HttpClient({}, Limits(total=30, allow_private=True)) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="more than 8 MB"):
            await client.get(server.url)


@pytest.mark.parametrize("layers", [1, 2])
async def test_packed_body_costs_no_more_than_the_limit(layers: int) -> None:
    """32 KB that unpack to 32 MB, also if packed twice, are refused with less than 60 MB of memory."""
    packed = b"0" * (32 * MEGABYTE)
    for _ in range(layers):
        packed = gzip.compress(packed, 9)
    data = build_response(packed, "Content-Encoding: " + ", ".join(["gzip"] * layers))
    tracemalloc.start()

    try:
        async with run_server(send(data)) as server, HttpClient({}, Limits(total=30, allow_private=True)) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 8 MB"):
                await client.get(server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(packed) < 33_000
    assert peak < 30 * MEGABYTE
