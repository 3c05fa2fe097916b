"""The transport against a server that misbehaves on purpose: the right error of httpx, and nothing is sent twice."""

import asyncio
import gzip
import inspect
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import httpx
import pytest
from aiohttp import http_exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.clients.transport import (
    FOREIGN,
    AiohttpTransport,
    HttpClient,
    Limits,
    json_object,
    retry_after,
    translate,
)
from tests.unit.clients.misbehaving import (
    Answer,
    Misbehaving,
    closes,
    drips,
    is_silent,
    misbehaving,
    ok,
    resets,
    sends,
)

METHODS = ["GET", "PUT", "POST", "PATCH"]
BODY = {"GET": None, "PUT": b'{"a":1}', "POST": b'{"a":1}', "PATCH": b'{"a":1}'}
PATIENT = Limits(connect=30, total=30)
"""A busy machine must not turn another error into a timeout."""
NOW = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)


@asynccontextmanager
async def talking(limits: Limits = PATIENT) -> AsyncIterator[HttpClient]:
    async with HttpClient({}, limits) as client:
        yield client


async def failure(server: Misbehaving, method: str = "GET", limits: Limits = PATIENT) -> httpx.TransportError:
    async with talking(limits) as client:
        with pytest.raises(httpx.TransportError) as caught:
            await client.request(method, server.url, content=BODY[method])
    return caught.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("answer", [closes, resets])
async def test_a_lost_answer_is_a_protocol_error_and_the_request_is_sent_once(method: str, answer: Answer) -> None:
    async with misbehaving(answer) as server:
        error = await failure(server, method)
    assert type(error) is httpx.RemoteProtocolError
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_lost_answer_on_a_kept_connection_is_not_asked_for_again(method: str) -> None:
    """By itself, aiohttp repeats GET and PUT here: a kept connection may have been closed before the request came."""
    async with misbehaving(sends(ok())) as server, talking() as client:
        await client.get(server.url)
        server.answer = closes
        with pytest.raises(httpx.RemoteProtocolError):
            await client.request(method, server.url, content=BODY[method])
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_connection_that_broke_while_idle_is_replaced_unnoticed(method: str) -> None:
    async with misbehaving(sends(ok(), then_close=True)) as server, talking() as client:
        for _ in range(3):
            assert (await client.request(method, server.url, content=BODY[method])).status_code == 200
            await server.closed.wait()
            await until_noticed(client)
    assert (server.connections, len(server.requests)) == (3, 3)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def until_noticed(client: httpx.AsyncClient) -> None:
    """Until the client's side has read that the connection is closed."""
    transport = client._transport
    assert isinstance(transport, AiohttpTransport)
    assert transport._session is not None
    connector = transport._session.connector
    assert connector is not None
    await until(lambda: not any(kept.is_connected() for place in connector._conns.values() for kept, _ in place))


async def test_requests_go_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async with misbehaving(sends(ok(b'{"by": "proxy"}'))) as proxy, talking() as client:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://user:secret@"))
        monkeypatch.setenv("no_proxy", "localhost")
        answer = await client.get("http://declaree.invalid/Users?startIndex=1")
    assert answer.json() == {"by": "proxy"}
    assert proxy.requests[0].startswith(b"GET http://declaree.invalid/Users?startIndex=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in proxy.requests[0]


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "127.0.0.1:9"])
async def test_a_proxy_is_left_out_for_the_hosts_that_the_environment_exempts(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with misbehaving(sends(ok())) as server, talking() as client:
        assert (await client.get(server.url)).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get("http://declaree.invalid/")


async def test_connections_are_kept() -> None:
    async with misbehaving(sends(ok())) as server, talking() as client:
        for method in METHODS:
            await client.request(method, server.url, content=BODY[method])
    assert (server.connections, len(server.requests)) == (1, 4)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        ok(gzip.compress(b'{"a": "0123456789"}')[:-12], "Content-Encoding: gzip"),
        ok(b"no gzip at all", "Content-Encoding: gzip"),
        ok(b"whatever", "Content-Encoding: br"),
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        b"\x00\xff\x15\x03\x01" * 100,
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=[
        "body cut", "head cut", "chunks cut", "chunks wrong", "packed body cut", "packed body wrong", "packed otherwise",
        "another protocol", "garbage", "no status", "endless header",
    ],
)  # fmt: skip
async def test_what_is_not_a_whole_answer_is_a_protocol_error(data: bytes) -> None:
    async with misbehaving(sends(data, then_close=True)) as server:
        error = await failure(server)
    assert type(error) is httpx.RemoteProtocolError
    assert len(server.requests) == 1


async def test_a_refused_connection_is_a_connect_error() -> None:
    async with misbehaving(closes) as server:
        pass
    assert type(await failure(server)) is httpx.ConnectError


async def test_an_unknown_host_is_a_connect_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver of this test knows nobody, so that nothing is asked outside."""

    async def knows_nobody(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", knows_nobody)
    async with talking() as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get("http://personio.test/v1")
    assert type(caught.value) is httpx.ConnectError


@pytest.mark.parametrize("url", ["http://api..personio.test/", f"http://{'a' * 64}.test/"])
async def test_a_host_that_cannot_be_a_name_is_a_connect_error(url: str) -> None:
    async with talking() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1/v1", "/v1", ""])
async def test_what_is_no_address_of_http_is_an_unsupported_protocol(url: str) -> None:
    async with talking() as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get(url)


async def test_a_certificate_that_nobody_signed_is_a_connect_error(tmp_path: Path) -> None:
    async with misbehaving(sends(ok()), certified(tmp_path)) as server, talking() as client:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await client.get(server.url)
    assert server.requests == []


def certified(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    began = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, began, began + timedelta(days=2))
    certificate = builder.sign(key, hashes.SHA256())
    own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(own + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_header_that_cannot_be_sent_is_a_local_error() -> None:
    async with misbehaving(sends(ok())) as server, talking() as client:
        with pytest.raises(httpx.LocalProtocolError) as caught:
            await client.get(server.url, headers={"Authorization": "Bearer top\r\nsecret"})
    assert server.requests == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
async def test_no_answer_in_time_is_a_read_timeout_and_sent_once(method: str) -> None:
    async with misbehaving(is_silent) as server:
        error = await failure(server, method, Limits(total=1.0))
    assert type(error) is httpx.ReadTimeout
    assert len(server.requests) == 1


@pytest.mark.parametrize("data", [ok(b"x" * 1000), b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000])
async def test_an_answer_of_one_byte_every_now_and_then_ends_with_the_total_deadline(data: bytes) -> None:
    async with misbehaving(drips(data, 0.3)) as server:
        began = time.monotonic()
        error = await failure(server, limits=Limits(total=1.5))
        took = time.monotonic() - began
    assert type(error) is httpx.ReadTimeout
    assert 1.5 <= took < 15


async def test_a_connection_that_does_not_come_about_is_a_connect_timeout() -> None:
    """Its only place is taken: that counts as waiting for a connection."""
    async with misbehaving(is_silent) as server, talking(Limits(connect=0.3, total=30, connections=1)) as client:
        taken = asyncio.create_task(client.get(server.url))
        await until(lambda: bool(server.requests))
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(server.url)
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data",
    [ok(b"x" * 10_001), ok(gzip.compress(b"x" * 10_001), "Content-Encoding: gzip")],
    ids=["plain", "small when packed"],
)
async def test_an_answer_too_large_is_a_protocol_error_and_its_connection_is_dropped(data: bytes) -> None:
    async with misbehaving(sends(data)) as server:
        error = await failure(server, limits=Limits(total=30, body_bytes=10_000))
        async with asyncio.timeout(30):
            await server.closed.wait()
    assert type(error) is httpx.RemoteProtocolError


async def test_an_answer_as_large_as_allowed_is_taken() -> None:
    packed = ok(gzip.compress(b"x" * 10_000), "Content-Encoding: gzip")
    async with misbehaving(sends(packed)) as server, talking(Limits(body_bytes=10_000)) as client:
        answer = await client.get(server.url)
    assert answer.content == b"x" * 10_000


async def test_a_header_of_a_single_request_may_hold_any_letter() -> None:
    """Such as the version of an account, which is whatever the server has called it."""
    async with misbehaving(sends(ok())) as server, talking() as client:
        answer = await client.ask("GET", server.url, headers={"If-Match": 'W/"v\u00e9\ud83d"'})
    assert answer.status_code == 200
    assert b'if-match: w/"v\xc3\xa9?"\r\n' in server.requests[0].lower()


async def test_packed_answers_are_asked_for_and_unpacked() -> None:
    packed = ok(gzip.compress(b'{"name": "Zo\xc3\xab"}'), "Content-Encoding: gzip", "X-Other: kept")
    async with misbehaving(sends(packed)) as server, talking() as client:
        answer = await client.get(server.url)
    assert answer.json() == {"name": "Zoë"}
    assert answer.headers["x-other"] == "kept"
    assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


async def test_an_answer_without_content_is_empty_whatever_its_encoding() -> None:
    empty = b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"
    async with misbehaving(sends(empty)) as server, talking() as client:
        answer = await client.get(server.url)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_redirect_is_not_followed() -> None:
    async with misbehaving(closes) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with misbehaving(sends(moved)) as server, talking() as client:
            answer = await client.post(server.url, content=b"{}")
    assert answer.status_code == 307
    assert elsewhere.requests == []


async def test_cookies_are_not_kept() -> None:
    async with misbehaving(sends(ok(b"{}", "Set-Cookie: session=1; Path=/"))) as server, talking() as client:
        await client.get(server.url)
        await client.get(server.url)
    assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_the_address_goes_out_exactly_as_it_was_quoted() -> None:
    path = "/Users/a%2Fb%20%C3%BC%27?filter=userName%20eq%20%22a%2Bb%40x%22&x=%7E+%2B"
    async with misbehaving(sends(ok())) as server, talking() as client:
        await client.get(server.url + path)
    assert server.requests[0].startswith(f"GET /v1{path} HTTP/1.1\r\n".encode())


async def test_the_body_goes_out_as_it_is() -> None:
    async with misbehaving(sends(ok())) as server, talking() as client:
        await client.patch(server.url, content="Zoë".encode(), headers={"Content-Type": "application/scim+json"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == "Zoë".encode()
    assert head.lower().count(b"content-type: application/scim+json") == 1
    assert head.lower().count(b"content-length: 4") == 1


async def test_a_cancelled_request_is_cancelled_and_its_connection_dropped() -> None:
    async with misbehaving(is_silent) as server, talking() as client:
        task = asyncio.create_task(client.get(server.url))
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.answer = sends(ok())
        assert (await client.get(server.url)).status_code == 200
    assert (server.connections, len(server.requests)) == (2, 2)


# ---------------------------------------------------------------- the pure parts


def foreign_errors() -> list[type[Exception]]:
    """Every error that aiohttp's client defines, and what the layers below it raise."""
    modules = (aiohttp, aiohttp.client_exceptions, http_exceptions)
    theirs = {
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, aiohttp.ClientError | http_exceptions.HttpProcessingError)
    }
    return [*sorted(theirs, key=lambda found: found.__name__), OSError, ConnectionResetError, TimeoutError, EOFError]


@pytest.mark.parametrize("kind", foreign_errors())
def test_every_error_of_aiohttp_has_a_name_in_httpx(kind: type[Exception]) -> None:
    assert issubclass(kind, FOREIGN)
    request = httpx.Request("GET", "http://personio.test")
    translated = translate(kind.__new__(kind), request)
    assert isinstance(translated, httpx.TransportError)
    assert translated.request is request
    before = issubclass(kind, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    if before:
        assert isinstance(translated, httpx.ConnectError | httpx.ConnectTimeout)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("9" * 5000, 3600.0),
        ("Mon, 09 Mar 2026 08:30:20 GMT", 20.0),
        ("Monday, 09-Mar-26 08:30:20 GMT", 20.0),
        ("Mon Mar  9 08:30:20 2026", 20.0),
        ("Mon, 09 Mar 2026 07:30:20 GMT", 0.0),
        ("Tue, 09 Mar 2094 08:30:20 GMT", 3600.0),
        ("Tue, 09 Mar 99999 08:30:20 GMT", None),
        ("9" * 50 + " Jan 2020 10:10:10", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    response = httpx.Response(429, headers={} if value is None else {"Retry-After": value})
    assert retry_after(response, NOW) == seconds


def test_a_date_to_come_back_is_counted_from_now() -> None:
    response = httpx.Response(503, headers={"Retry-After": "Mon, 09 Mar 2026 08:30:20 GMT"})
    assert retry_after(response, NOW + timedelta(seconds=12)) == 8.0


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"{", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_none(content: bytes) -> None:
    assert json_object(httpx.Response(200, content=content)) is None


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": "\\ud83d"}', "\ud83d"),
        ('\ufeff{"a": "b"}'.encode(), "b"),
        ('{"a": "b"}'.encode("utf-16"), "b"),
        (b'{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
        (b'{"a": 1, "a": 1.0}', 1.0),
    ],
    ids=["half a character", "byte order mark", "UTF-16", "a large number", "a name twice"],
)
def test_json_that_python_reads_is_read(content: bytes, value: object) -> None:
    body = json_object(httpx.Response(200, content=content))
    assert body == {"a": value}
    assert type(body["a"]) is type(value)
