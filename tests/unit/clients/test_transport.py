"""The transport and the client against a faulty server on a real socket.

Each fault leads to the right httpx error, and no request is sent twice.
"""

import asyncio
import gzip
import inspect
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import httpx
import pytest
from aiohttp import http_exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.clients.http.client import HttpClient
from services.clients.http.transport import FOREIGN_ERRORS, AiohttpTransport, Limits, translate_error
from tests.support.waiting import wait_until
from tests.unit.clients.faulty_server import (
    FaultyServer,
    Respond,
    build_response,
    close_connection,
    reset_connection,
    run_server,
    send,
    send_slowly,
    stay_silent,
)

METHODS = ["GET", "PUT", "POST", "PATCH"]
BODY = {"GET": None, "PUT": b'{"a":1}', "POST": b'{"a":1}', "PATCH": b'{"a":1}'}
LONG_LIMITS = Limits(connect=30, total=30, allow_private=True)
"""Long enough that a busy machine does not turn another error into a timeout."""


@asynccontextmanager
async def open_client(limits: Limits = LONG_LIMITS) -> AsyncIterator[HttpClient]:
    """Opens a client with the product's transport."""
    async with HttpClient({}, limits) as client:
        yield client


async def get_error(server: FaultyServer, method: str = "GET", limits: Limits = LONG_LIMITS) -> httpx.TransportError:
    """Sends one request and returns the error that it ends with."""
    async with open_client(limits) as client:
        with pytest.raises(httpx.TransportError) as caught:
            await client.request(method, server.url, content=BODY[method])
    return caught.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("respond", [close_connection, reset_connection])
async def test_lost_response_is_an_error_and_sent_once(method: str, respond: Respond) -> None:
    """The request may have been carried out, so only the caller may repeat it."""
    async with run_server(respond) as server:
        error = await get_error(server, method)

    assert type(error) is httpx.RemoteProtocolError
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_lost_response_on_kept_connection_is_not_repeated(method: str) -> None:
    """GET and PUT would be repeated by aiohttp, because the server may have closed the connection before."""
    async with run_server(send(build_response())) as server, open_client() as client:
        await client.get(server.url)
        server.respond = close_connection
        with pytest.raises(httpx.RemoteProtocolError):
            await client.request(method, server.url, content=BODY[method])

    assert server.connections == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", METHODS)
async def test_connection_closed_while_idle_is_replaced(method: str) -> None:
    """A server may close idle connections at any time, which is not an error."""
    async with run_server(send(build_response(), then_close=True)) as server, open_client() as client:
        for _ in range(3):
            response = await client.request(method, server.url, content=BODY[method])
            assert response.status_code == 200
            await server.closed.wait()
            await wait_until_disconnected(client)

    assert server.connections == 3
    assert len(server.requests) == 3


async def wait_until_disconnected(client: httpx.AsyncClient) -> None:
    """Waits until the client has read that its connections are closed."""
    transport = client._transport
    assert isinstance(transport, AiohttpTransport)
    assert transport._session is not None
    connector = transport._session.connector
    assert connector is not None
    await wait_until(lambda: not any(kept.is_connected() for pool in connector._conns.values() for kept, _ in pool))


async def test_request_uses_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy gets its credentials and the complete address."""
    async with run_server(send(build_response(b'{"by": "proxy"}'))) as proxy, open_client() as client:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://user:secret@"))
        monkeypatch.setenv("no_proxy", "localhost")

        response = await client.get("http://declaree.invalid/Users?startIndex=1")

    assert response.json() == {"by": "proxy"}
    assert proxy.requests[0].startswith(b"GET http://declaree.invalid/Users?startIndex=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in proxy.requests[0]


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "127.0.0.1:9"])
async def test_proxy_is_not_used_for_exempt_hosts(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """NO_PROXY names hosts that are reached directly."""
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    async with run_server(send(build_response())) as server, open_client() as client:
        response = await client.get(server.url)

        assert response.status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get("http://declaree.invalid/")


async def test_connection_is_kept_for_further_requests() -> None:
    """A new connection for each request would cost time."""
    async with run_server(send(build_response())) as server, open_client() as client:
        for method in METHODS:
            await client.request(method, server.url, content=BODY[method])

    assert server.connections == 1
    assert len(server.requests) == 4


async def test_connection_that_was_idle_too_long_is_not_used_again() -> None:
    """A server may be about to close it, and a create would stay without an answer."""
    limits = replace(LONG_LIMITS, idle=0.0)
    async with run_server(send(build_response())) as server, open_client(limits) as client:
        for method in METHODS:
            await client.request(method, server.url, content=BODY[method])

    assert server.connections == 4


def test_idle_connections_end_before_servers_close_them() -> None:
    """The shortest usual time of servers is five seconds."""
    assert Limits().idle < 5


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        build_response(gzip.compress(b'{"a": "0123456789"}')[:-12], "Content-Encoding: gzip"),
        build_response(b"not gzip", "Content-Encoding: gzip"),
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        b"\x00\xff\x15\x03\x01" * 100,
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=[
        "body cut", "head cut", "chunks cut", "chunks invalid", "gzip cut", "gzip invalid",
        "other protocol", "random bytes", "status invalid", "header too long",
    ],
)  # fmt: skip
async def test_incomplete_response_is_an_error_and_sent_once(data: bytes) -> None:
    """A part of a response, or another protocol, must not pass for a response."""
    async with run_server(send(data, then_close=True)) as server:
        error = await get_error(server)

    assert type(error) is httpx.RemoteProtocolError
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [["X-Policy: " + "x" * 9_000], ["X-Policy: " + "x" * 65_000], [f"X-{number}: y" for number in range(150)]],
    ids=["9 KB", "64 KB", "150 headers"],
)
async def test_headers_of_real_proxies_are_accepted(headers: list[str]) -> None:
    """Proxies add long policies and cookies, and many headers."""
    async with run_server(send(build_response(b"{}", *headers))) as server, open_client() as client:
        response = await client.get(server.url)

    assert response.json() == {}
    assert len(response.headers) == 1 + len(headers)


@pytest.mark.parametrize(
    "headers",
    [["X-Policy: " + "x" * 70_000], [f"X-{number}: y" for number in range(600)]],
    ids=["70 KB", "600 headers"],
)
async def test_oversized_headers_are_named_as_the_cause(headers: list[str]) -> None:
    """An administrator can then look for the proxy that adds them."""
    async with run_server(send(build_response(b"{}", *headers), then_close=True)) as server:
        error = await get_error(server)

    assert type(error) is httpx.RemoteProtocolError
    assert "header of more than 65536 bytes, or more than 512 headers" in str(error)


@pytest.mark.parametrize("headers", [["Content-Encoding: deflate"], ["Content-Encoding: gzip", "Content-Encoding: br"]])
async def test_encoding_without_request_is_named_as_the_cause(headers: list[str]) -> None:
    """All headers of this name count."""
    encoding = headers[-1].rpartition(" ")[2]
    async with run_server(send(build_response(zlib.compress(b"{}"), *headers))) as server:
        error = await get_error(server)

    assert type(error) is httpx.RemoteProtocolError
    assert f"the server sent the encoding {encoding}, which was not requested" in str(error)


async def test_refused_connection_is_a_connect_error() -> None:
    """The error says that no connection was made."""
    async with run_server(close_connection) as server:
        pass

    assert type(await get_error(server)) is httpx.ConnectError


async def test_unknown_host_is_a_connect_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver of this test knows no host, so that no request leaves the machine."""

    async def fail_to_resolve(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail_to_resolve)

    async with open_client() as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get("http://personio.test/v1")

    assert type(caught.value) is httpx.ConnectError


@pytest.mark.parametrize("url", ["http://api..personio.test/", f"http://{'a' * 64}.test/"])
async def test_invalid_host_name_is_a_connect_error(url: str) -> None:
    """An empty or too long label cannot be resolved."""
    async with open_client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1/v1", "/v1", ""])
async def test_address_of_another_protocol_is_unsupported(url: str) -> None:
    """The vendors' clients report it as a wrong address."""
    async with open_client() as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get(url)


async def test_self_signed_certificate_is_a_connect_error(tmp_path: Path) -> None:
    """No request is sent to a server that cannot prove its identity."""
    async with run_server(send(build_response()), build_tls_context(tmp_path)) as server, open_client() as client:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await client.get(server.url)

    assert server.requests == []


def build_tls_context(folder: Path) -> ssl.SSLContext:
    """Returns the TLS context of a server with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=2))
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_invalid_header_is_a_local_error_without_its_value() -> None:
    """A header may contain a secret, so its value must not be in the error."""
    async with run_server(send(build_response())) as server, open_client() as client:
        with pytest.raises(httpx.LocalProtocolError) as caught:
            await client.get(server.url, headers={"Authorization": "Bearer top\r\nsecret"})

    assert server.requests == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
async def test_silent_server_is_a_read_timeout_and_sent_once(method: str) -> None:
    """The request may have been carried out, so only the caller may repeat it."""
    async with run_server(stay_silent) as server:
        error = await get_error(server, method, Limits(total=1.0, allow_private=True))

    assert type(error) is httpx.ReadTimeout
    assert len(server.requests) == 1


@pytest.mark.parametrize("data", [build_response(b"x" * 1000), b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000])
async def test_slow_response_ends_at_the_total_deadline(data: bytes) -> None:
    """Single reads never exceed a timeout, so the whole exchange has one."""
    async with run_server(send_slowly(data, 0.3)) as server:
        start = time.monotonic()
        error = await get_error(server, limits=Limits(total=1.5, allow_private=True))
        seconds = time.monotonic() - start

    assert type(error) is httpx.ReadTimeout
    assert 1.5 <= seconds < 15


async def test_wait_for_a_free_connection_is_a_connect_timeout() -> None:
    """The only connection is in use. Waiting for it counts as connecting."""
    async with (
        run_server(stay_silent) as server,
        open_client(Limits(connect=0.3, total=30, connections=1, allow_private=True)) as client,
    ):
        first = asyncio.create_task(client.get(server.url))
        await wait_until(lambda: bool(server.requests))

        with pytest.raises(httpx.ConnectTimeout):
            await client.get(server.url)

        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data",
    [build_response(b"x" * 10_001), build_response(gzip.compress(b"x" * 10_001), "Content-Encoding: gzip")],
    ids=["plain", "gzip"],
)
async def test_oversized_response_is_an_error_and_disconnects(data: bytes) -> None:
    """A server must not fill the memory, also not with a small packed body."""
    async with run_server(send(data)) as server:
        error = await get_error(server, limits=Limits(total=30, body_bytes=10_000, allow_private=True))
        async with asyncio.timeout(30):
            await server.closed.wait()

    assert type(error) is httpx.RemoteProtocolError


async def test_response_of_the_maximum_size_is_accepted() -> None:
    """The limit itself is allowed."""
    packed = build_response(gzip.compress(b"x" * 10_000), "Content-Encoding: gzip")

    async with run_server(send(packed)) as server, open_client(Limits(body_bytes=10_000, allow_private=True)) as client:
        response = await client.get(server.url)

    assert response.content == b"x" * 10_000


async def test_header_of_a_request_may_have_any_character() -> None:
    """An ETag is sent back as the server wrote it."""
    async with run_server(send(build_response())) as server, open_client() as client:
        response = await client.send_request("GET", server.url, headers={"If-Match": 'W/"v\u00e9\ud83d"'})

    assert response.status_code == 200
    assert b'if-match: w/"v\xc3\xa9?"\r\n' in server.requests[0].lower()


async def test_gzip_response_is_requested_and_unpacked() -> None:
    """Lists of employees become much smaller."""
    packed = build_response(gzip.compress(b'{"name": "Zo\xc3\xab"}'), "Content-Encoding: gzip", "X-Other: kept")

    async with run_server(send(packed)) as server, open_client() as client:
        response = await client.get(server.url)

    assert response.json() == {"name": "Zoë"}
    assert response.headers["x-other"] == "kept"
    assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_response_without_content_is_empty(encoding: str) -> None:
    """Some servers name an encoding for an empty body."""
    empty = f"HTTP/1.1 204 No Content\r\nContent-Encoding: {encoding}\r\n\r\n".encode()

    async with run_server(send(empty)) as server, open_client() as client:
        response = await client.get(server.url)

    assert response.status_code == 204
    assert response.content == b""


async def test_redirect_is_not_followed() -> None:
    """A redirect of a write would lead to another server."""
    async with run_server(close_connection) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with run_server(send(moved)) as server, open_client() as client:
            response = await client.post(server.url, content=b"{}")

    assert response.status_code == 307
    assert other.requests == []


async def test_cookies_are_not_kept() -> None:
    """Requests must not depend on earlier ones."""
    with_cookie = build_response(b"{}", "Set-Cookie: session=1; Path=/")

    async with run_server(send(with_cookie)) as server, open_client() as client:
        await client.get(server.url)
        await client.get(server.url)

    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_address_is_sent_as_it_was_quoted() -> None:
    """Quoting it again would change ids and filters."""
    path = "/Users/a%2Fb%20%C3%BC%27?filter=userName%20eq%20%22a%2Bb%40x%22&x=%7E+%2B"

    async with run_server(send(build_response())) as server, open_client() as client:
        await client.get(server.url + path)

    assert server.requests[0].startswith(f"GET /v1{path} HTTP/1.1\r\n".encode())


async def test_body_is_sent_unchanged() -> None:
    """Type and length are sent once each."""
    async with run_server(send(build_response())) as server, open_client() as client:
        await client.patch(server.url, content="Zoë".encode(), headers={"Content-Type": "application/scim+json"})

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == "Zoë".encode()
    assert head.lower().count(b"content-type: application/scim+json") == 1
    assert head.lower().count(b"content-length: 4") == 1


async def test_cancelled_request_closes_its_connection() -> None:
    """A late response must not be read as the response to the next request."""
    async with run_server(stay_silent) as server, open_client() as client:
        task = asyncio.create_task(client.get(server.url))
        await wait_until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.respond = send(build_response())
        response = await client.get(server.url)

    assert response.status_code == 200
    assert server.connections == 2
    assert len(server.requests) == 2


def list_foreign_errors() -> list[type[Exception]]:
    """Returns the errors of aiohttp's client, and those of the layers below it."""
    modules = (aiohttp, aiohttp.client_exceptions, http_exceptions)
    classes = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, aiohttp.ClientError | http_exceptions.HttpProcessingError)
    }
    return [*sorted(classes, key=lambda kind: kind.__name__), OSError, ConnectionResetError, TimeoutError, EOFError]


@pytest.mark.parametrize("kind", list_foreign_errors())
def test_every_aiohttp_error_is_translated(kind: type[Exception]) -> None:
    """Errors of connecting stay apart from those after the request was sent."""
    request = httpx.Request("GET", "http://personio.test")

    translated = translate_error(kind.__new__(kind), request)

    assert issubclass(kind, FOREIGN_ERRORS)
    assert isinstance(translated, httpx.TransportError)
    assert translated.request is request
    if issubclass(kind, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        assert isinstance(translated, httpx.ConnectError | httpx.ConnectTimeout)
