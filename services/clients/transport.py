"""The one place where HTTP clients are made, and where their transport is chosen.

httpx is the interface; aiohttp carries the requests, because httpx's own pool costs several times as much at the
concurrency of a first import. Every request has a total deadline, answers are bounded, redirects are never followed,
cookies never kept, and nothing is sent a second time behind our back. No error's class says whether a request was
carried out.
"""

import asyncio
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from pydantic_core import from_json
from yarl import URL

LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a server that names more, perhaps with a wrong clock, is asked again after these."""
_GZIP = 31
FOREIGN = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError, zlib.error)
"""What aiohttp, its parser, the socket and the unpacker raise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for the connection and for the whole request; most connections at once; largest body, unpacked."""

    connect: float = 10.0
    total: float = 30.0
    connections: int = 32
    body_bytes: int = 32 * 1_048_576


class _Whole(httpx.Response):
    """An answer whose body is here and unpacked, whatever its headers say: httpx shall not look for how to read it."""

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        super().__init__(status, headers=headers, stream=httpx.ByteStream(body))
        self._body = body
        self.read()

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:  # noqa: ARG002 - there is one chunk
        yield self._body


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx requests over aiohttp. All of its errors are translated into ``httpx.TransportError``s."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None
        # aiohttp would read the environment and a .netrc anew for every request, in a thread
        self._proxy_of = lru_cache(maxsize=64)(environment_proxy)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limits.connections, ttl_dns_cache=30),
                # the total deadline is set around the whole exchange
                timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            )
            # aiohttp would send idempotent requests twice when a kept connection breaks; whether to repeat is ours
            self._session._retry_connection = False  # noqa: SLF001 - there is no option for it
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        try:
            async with asyncio.timeout(self._limits.total):
                return await self._exchange(request, body)
        except FOREIGN as error:
            raise translate(error, request) from error

    async def _exchange(self, request: httpx.Request, body: bytes) -> httpx.Response:
        url = URL(str(request.url), encoded=True)
        async with self._open().request(
            request.method,
            url,
            proxy=self._proxy_of(url.scheme, url.host or ""),
            headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
            data=body or None,
            allow_redirects=False,
        ) as answer:
            return _Whole(answer.status, answer.raw_headers, await self._content(answer, request))

    async def _content(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> bytes:
        most = self._limits.body_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.content.iter_any():
            size += len(chunk)
            if size > most:
                raise httpx.RemoteProtocolError("the answer is larger than any real one", request=request)
            chunks.append(chunk)
        content = b"".join(chunks)
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding == "gzip" and content:
            return _unpacked(content, most, request)
        if encoding not in {"identity", "gzip"}:
            raise httpx.RemoteProtocolError("the answer is packed in a way that was not asked for", request=request)
        return content

    async def aclose(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def environment_proxy(scheme: str, host: str) -> URL | None:
    """The proxy that the environment names for a host (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); credentials within it."""
    named = getproxies().get(scheme)
    if not named or proxy_bypass(host):
        return None
    return URL(named if "://" in named else f"http://{named}")


def _unpacked(content: bytes, most: int, request: httpx.Request) -> bytes:
    """A small answer must not become a huge one, nor half of it pass for the whole."""
    unpacker = zlib.decompressobj(_GZIP)
    unpacked = unpacker.decompress(content, most + 1)
    if len(unpacked) > most:
        raise httpx.RemoteProtocolError("the answer is larger than any real one", request=request)
    if not unpacker.eof:
        raise httpx.RemoteProtocolError("the packed answer is cut", request=request)
    return unpacked


_NAMES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[httpx.TransportError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "no connection in time"),
    (TimeoutError, httpx.ReadTimeout, "no complete answer in time"),
    (
        (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch),
        httpx.ConnectError,
        "no secure connection: is the certificate valid?",
    ),
    (aiohttp.ClientConnectorDNSError, httpx.ConnectError, "unknown host"),
    (aiohttp.ClientConnectorError, httpx.ConnectError, "no connection"),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), httpx.UnsupportedProtocol, "no address of HTTP"),
    (UnicodeError, httpx.ConnectError, "the host's name is none"),
    (ValueError, httpx.LocalProtocolError, "a header that cannot be sent"),
    (Exception, httpx.RemoteProtocolError, "the connection broke or the answer is not HTTP"),
)
"""The first that fits."""


def translate(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """What one of aiohttp's errors is called in httpx. Its text stays behind: it may quote addresses and headers."""
    kind, message = next((kind, message) for theirs, kind, message in _NAMES if isinstance(error, theirs))
    return kind(message, request=request)


class HttpClient(httpx.AsyncClient):
    """Sends every request once and as it is: without httpx's redirects, cookies and authentication, which cost time.

    Made without a base URL: paths are joined by the vendors' clients, whose base URLs have paths of their own.
    """

    def __init__(
        self, headers: Mapping[str, str], limits: Limits, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = lru_cache(maxsize=256)(httpx.URL)
        own = {"User-Agent": "personio-declaree", "Accept-Encoding": "gzip", **headers}
        self._carrier = transport or AiohttpTransport(limits)
        super().__init__(
            transport=self._carrier,
            # bytes: httpx would stumble over a key with a letter outside ASCII, and the server shall refuse it instead
            headers=[(name.encode(errors="replace"), value.encode(errors="replace")) for name, value in own.items()],
            timeout=limits.total,
        )

    async def ask(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """As ``request``, for a whole address and body: nothing is merged, and an address is parsed once.

        Raises ``httpx.InvalidURL`` and what ``send`` raises.
        """
        all_headers = self.headers
        if headers:
            # bytes, as above: a server's version, which it gets back, may hold any letter
            more = [(name.encode(), value.encode(errors="replace")) for name, value in headers.items()]
            all_headers = httpx.Headers([*self.headers.raw, *more])
        # a stream rather than a content: the carrier adds the headers that belong to a body
        stream = httpx.ByteStream(content or b"")
        request = httpx.Request(method, self._url(url), headers=all_headers, stream=stream)
        request.read()
        return await self.send(request)

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """Raises ``httpx.TransportError``, whose class does not say whether the request was carried out."""
        response = await self._carrier.handle_async_request(request)
        await response.aread()
        response.request = request
        return response


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds that the server asks us to wait (RFC 9110, section 10.2.3); None where it does not say."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _loads(content: bytes) -> Any:
    """As ``json.loads``, raising the same, in half of the time for what is proper JSON.

    Vendors send improper JSON, too: halves of characters, which Python's own takes.
    """
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content)


def json_object(response: httpx.Response) -> dict[str, object] | None:
    """The answer's JSON object; None for anything else, such as a proxy's page."""
    try:
        body = _loads(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
