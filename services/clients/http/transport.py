"""Carries httpx requests over aiohttp.

httpx is the interface. aiohttp carries the requests, because httpx's own connection pool costs several times as much at
the concurrency of a first import (ADR 002; https://github.com/encode/httpx/issues/3215).
"""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp import SocketFactoryType
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from services.clients.http.encodings import MEGABYTE, build_size_error, unpack_body
from services.clients.http.private_networks import MESSAGE, ensure_public, is_refusal, open_public_socket
from services.clients.http.responses import WholeResponse
from services.clients.http.threads import run_in_thread

FOREIGN_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError)
"""Errors of aiohttp, its parser and the socket."""
MAX_HEADER_BYTES = 65_536
"""Maximum size of one header of a response. Proxies add long policies and cookies."""
MAX_HEADERS = 512
"""Maximum number of headers of a response."""
MAX_BYTES = "max_bytes"
"""Name of the extension of a request with the maximum size of its response body, in place of that of the limits."""
PAGE_BYTES = 8 * MEGABYTE
"""Maximum size of a response body in bytes, after unpacking: enough for a page of a list."""
PERSON_BYTES = 2 * MEGABYTE
"""Maximum size of a response body about one person, in bytes."""
PACKED_BYTES = 8_192
"""Size of a packed body above which it is unpacked in a thread. Gzip packs up to a thousand bytes into one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of time, number, size and addresses."""

    connect: float = 10.0
    """Seconds until a connection is open, including the wait for a free one."""
    total: float = 30.0
    """Seconds for the whole request and response."""
    idle: float = 3.0
    """Seconds for which an unused connection is kept. Many servers close theirs after 5 s (uvicorn, Node.js): a request that meets
    the closing stays without an answer."""
    connections: int = 32
    """Maximum number of connections at once."""
    body_bytes: int = PAGE_BYTES
    """Maximum size of a response body in bytes, after unpacking."""
    allow_private: bool = False
    """Whether the host may have an address of a private network."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Transport that sends each request exactly once, and bounds its time and the size of the response.

    It follows no redirects and keeps no cookies. Every error becomes an ``httpx.TransportError``.
    """

    def __init__(self, limits: Limits) -> None:
        """Opens no connection before the first request."""
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None
        self._proxied_session: aiohttp.ClientSession | None = None
        # aiohttp would read the environment and a .netrc file for every request, in a thread: the cache avoids this
        self._find_proxy = lru_cache(maxsize=64)(find_environment_proxy)

    def _get_session(self, *, has_proxy: bool) -> aiohttp.ClientSession:
        """Returns the session of direct requests, or the one of requests to a proxy, which may be in a private network."""
        if has_proxy:
            if self._proxied_session is None:
                self._proxied_session = self._open(None)
            return self._proxied_session
        if self._session is None:
            self._session = self._open(None if self._limits.allow_private else open_public_socket)
        return self._session

    def _open(self, socket_factory: SocketFactoryType | None) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._limits.connections,
                keepalive_timeout=self._limits.idle,
                ttl_dns_cache=30,
                socket_factory=socket_factory,
            ),
            # handle_async_request sets the total deadline, around the whole exchange
            timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        )
        # aiohttp 3.14 repeats an idempotent request when a reused connection breaks. Only the product may decide
        # on a repetition. aiohttp has no public option for it: https://github.com/aio-libs/aiohttp/issues/10790
        session._retry_connection = False  # noqa: SLF001 - see the comment above
        return session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the whole response; raises ``httpx.TransportError``."""
        body = await request.aread()
        try:
            async with asyncio.timeout(self._limits.total):
                return await self._exchange(request, body)
        except FOREIGN_ERRORS as error:
            raise translate_error(error, request) from error

    async def _exchange(self, request: httpx.Request, body: bytes) -> httpx.Response:
        url = URL(str(request.url), encoded=True)
        proxy = self._find_proxy(url.scheme, url.host or "")
        if proxy is not None and not self._limits.allow_private:
            ensure_public(url.host or "")  # the proxy itself looks up names
        async with self._get_session(has_proxy=proxy is not None).request(
            request.method,
            url,
            proxy=proxy,
            headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
            data=body or None,
            allow_redirects=False,
        ) as response:
            return WholeResponse(response.status, response.raw_headers, await self._read_body(response, request))

    async def _read_body(self, response: aiohttp.ClientResponse, request: httpx.Request) -> bytes:
        limit: int = request.extensions.get(MAX_BYTES, self._limits.body_bytes)
        if (response.content_length or 0) > limit:
            raise build_size_error(limit, request)
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise build_size_error(limit, request)
            chunks.append(chunk)
        body = b"".join(chunks)
        encodings = ",".join(response.headers.getall("Content-Encoding", ["identity"]))
        if encodings != "identity" and size > PACKED_BYTES:
            return await run_in_thread(unpack_body, body, encodings, limit, request)
        return unpack_body(body, encodings, limit, request)

    async def aclose(self) -> None:
        """Closes all connections."""
        for session in (self._session, self._proxied_session):
            if session is not None:
                await session.close()
        self._session = self._proxied_session = None


def find_environment_proxy(scheme: str, host: str) -> URL | None:
    """Returns the proxy for a host, with its credentials; None to connect directly.

    Reads the environment variables ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``.
    """
    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return None
    return URL(proxy if "://" in proxy else f"http://{proxy}")


_TRANSLATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[httpx.TransportError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "no connection before the timeout"),
    (TimeoutError, httpx.ReadTimeout, "no complete response before the timeout"),
    (
        (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch),
        httpx.ConnectError,
        "no secure connection: check the server's certificate",
    ),
    (aiohttp.ClientConnectorDNSError, httpx.ConnectError, "unknown host name"),
    (aiohttp.ClientConnectorError, httpx.ConnectError, "no connection"),
    (
        (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
        httpx.UnsupportedProtocol,
        "the address is not an HTTP address",
    ),
    (UnicodeError, httpx.ConnectError, "invalid host name"),
    (ValueError, httpx.LocalProtocolError, "a request header is invalid"),
    (Exception, httpx.RemoteProtocolError, "the connection broke, or the response is not HTTP"),
)
"""Error, its translation, and the message. The first entry that matches the error is used."""


def translate_error(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """Returns the httpx error for an error of aiohttp. Omits aiohttp's text, which may quote addresses and headers."""
    if is_refusal(error):
        return httpx.ConnectError(MESSAGE, request=request)
    if _exceeds_header_limits(error):
        return httpx.RemoteProtocolError(
            f"the response has a header of more than {MAX_HEADER_BYTES} bytes, or more than {MAX_HEADERS} headers: "
            "look for a proxy that adds them",
            request=request,
        )
    kind, message = next((kind, message) for foreign, kind, message in _TRANSLATIONS if isinstance(error, foreign))
    return kind(message, request=request)


def _exceeds_header_limits(error: Exception) -> bool:
    """Whether aiohttp 3.14 refused the size or the number of the headers. It has no type of error for the number."""
    return str(getattr(error, "message", "")).startswith(("Got more than", "Too many headers"))
