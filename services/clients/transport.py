"""The one place where HTTP clients are made, and where their transport is chosen.

httpx is the interface; aiohttp carries the requests, because httpx's own pool costs several times as much at the
concurrency of a first import. Every request has a total deadline, answers are bounded, redirects are never followed,
and nothing is sent a second time behind our back. No error's class says whether a request was carried out.
"""

import asyncio
from dataclasses import dataclass

import aiohttp
import httpx

MAX_BODY_BYTES = 32 * 1_048_576


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for the connection and for the whole request; most connections at once."""

    connect: float = 10.0
    total: float = 30.0
    connections: int = 32


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx requests over aiohttp. All of its errors are translated into ``httpx.TransportError``s."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limits.connections, ttl_dns_cache=30),
                timeout=aiohttp.ClientTimeout(total=self._limits.total, connect=self._limits.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=True,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            )
            # aiohttp would send idempotent requests twice when a kept connection breaks; whether to repeat is ours
            self._session._retry_connection = False  # noqa: SLF001 - there is no option for it
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        try:
            async with self._open().request(
                request.method,
                str(request.url),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await _bounded(answer, request)
                return httpx.Response(answer.status, headers=list(answer.raw_headers), content=content, request=request)
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError("no connection", request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no complete answer in time", request=request) from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
            raise httpx.RemoteProtocolError(
                "the connection broke or the answer is not HTTP", request=request
            ) from error

    async def aclose(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


async def _bounded(answer: aiohttp.ClientResponse, request: httpx.Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise httpx.RemoteProtocolError("the answer is larger than any real one", request=request)
        chunks.append(chunk)
    return b"".join(chunks)


def make_http_client(
    headers: dict[str, str], limits: Limits, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client without a base URL: paths are joined by the vendors' clients, whose base URLs have paths of their own."""
    return httpx.AsyncClient(
        transport=transport or AiohttpTransport(limits), headers=headers, timeout=limits.total, follow_redirects=False
    )


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks us to wait (RFC 9110, section 10.2.3); None where it does not say or not in seconds."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None


def json_object(response: httpx.Response) -> dict[str, object] | None:
    """The answer's JSON object; None for anything else, such as a proxy's page."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
