"""Errors of Personio, and what their texts must not contain."""

import inspect
import traceback
from collections.abc import Awaitable, Callable

import httpx
import pytest
from pydantic import SecretStr

from services.clients.personio.errors import (
    PersonioAddressError,
    PersonioUnavailableError,
)
from services.clients.personio.v1 import PersonioClient
from services.contracts.ids import EmployeeId
from services.errors import ConnectorError
from tests.support.fakes import FakeClock
from tests.unit.clients.personio_stage import (
    ACCESS,
    SECRET,
    TOKEN,
    open_client,
    read_first_page,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply


@pytest.mark.parametrize(
    "call", [read_first_page, PersonioClient.list_attributes, lambda client: client.get_employee(EmployeeId("7"))]
)
@pytest.mark.parametrize(
    "reply",
    [
        LOGIN_PAGE,
        Reply(200, b"We will be back soon."),
        build_reply(200, {"data": 3}),
        build_reply(204),
        build_reply(304),
    ],
)
async def test_answer_of_another_server_is_unavailable(
    call: Callable[[PersonioClient], Awaitable[object]], reply: Reply
) -> None:
    """A login page or a gateway's page must not pass for an empty list."""
    async with open_client(TOKEN, reply) as (client, _):
        with pytest.raises(PersonioUnavailableError):
            await call(client)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 405, 409, 410, 418, 422])
@pytest.mark.parametrize("endpoint", ["auth", "list"])
async def test_unexpected_status_is_an_error_with_the_status(status: int, endpoint: str) -> None:
    """Redirects are not followed, and the message contains the status."""
    reply = Reply(status, LOGIN_PAGE.content, {"Location": "https://elsewhere.test/"})

    async with open_client(*((reply,) if endpoint == "auth" else (TOKEN, reply))) as (client, transport):
        with pytest.raises(ConnectorError, match=str(status)):
            await read_first_page(client)

    assert all(request.url.host == "personio.test" for request in transport.requests)


def list_httpx_errors() -> list[type[Exception]]:
    """Returns the public errors of httpx that a request can end with."""
    classes = [kind for _, kind in inspect.getmembers(httpx, inspect.isclass)]
    return [kind for kind in classes if issubclass(kind, httpx.RequestError | httpx.InvalidURL)]


@pytest.mark.parametrize("kind", list_httpx_errors())
async def test_every_httpx_error_is_translated(kind: type[Exception]) -> None:
    """The poller knows only errors of the product."""
    async with open_client(kind("broken")) as (client, _):
        with pytest.raises((PersonioUnavailableError, PersonioAddressError)):
            await read_first_page(client)


@pytest.mark.parametrize("url", ["personio.test", "ftp://personio.test", "http://personio.test:x", "", "http://"])
async def test_invalid_address_is_reported_without_a_retry(url: str) -> None:
    """A retry cannot help; the message contains an example of an address."""
    clock = FakeClock()

    async with PersonioClient(ACCESS.model_copy(update={"url": url}), clock=clock, allow_private=False) as client:
        with pytest.raises(PersonioAddressError, match=r"https://api\.personio\.de"):
            await read_first_page(client)

    assert clock.slept == []


@pytest.mark.parametrize("secret", [SECRET, "geheimnis-ü", "unpaired \udcfc surrogate"])
@pytest.mark.parametrize(
    "reply", [build_reply(403), build_reply(500), LOGIN_PAGE, build_reply(404), httpx.ReadTimeout("late")]
)
async def test_error_or_repr_contains_neither_secret_nor_token(reply: Reply | Exception, secret: str) -> None:
    """Errors and representations get into logs, which must not contain secrets."""
    access = ACCESS.model_copy(update={"client_secret": SecretStr(secret)})
    texts = []

    for replies in ([reply], [TOKEN, reply, TOKEN, reply]):
        async with PersonioClient(
            access, clock=FakeClock(), transport=ScriptedTransport(*replies), allow_private=False
        ) as client:
            with pytest.raises(ConnectorError) as caught:
                await read_first_page(client)
            texts += [repr(client), repr(access), repr(caught.value), *traceback.format_exception(caught.value)]

    assert secret not in "".join(texts)
    assert "papi-1" not in "".join(texts)
