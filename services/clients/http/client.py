"""Sends HTTP requests for the vendors' clients, each exactly once."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx

from services.clients.http.responses import decode_large
from services.clients.http.transport import MAX_BYTES, AiohttpTransport, Limits


class HttpClient(httpx.AsyncClient):
    """httpx client without redirects, cookies and authentication flows.

    ``send`` bypasses httpx's handling of these on purpose, because it costs time on every request. The vendors' clients
    set their own authorization headers. They also join paths to base addresses, which have paths of their own.
    """

    def __init__(
        self, headers: Mapping[str, str], limits: Limits, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """``headers`` are sent with every request. ``transport`` replaces ``AiohttpTransport`` in tests."""
        self._parse_url = lru_cache(maxsize=256)(httpx.URL)
        all_headers = {"User-Agent": "personio-declaree", "Accept-Encoding": "gzip", **headers}
        self._carrier = transport or AiohttpTransport(limits)
        self._decoding = asyncio.Lock()
        super().__init__(
            transport=self._carrier,
            # httpx raises UnicodeEncodeError for a key with a character outside ASCII; as bytes, it reaches the server,
            # which refuses it
            headers=[
                (name.encode(errors="replace"), value.encode(errors="replace")) for name, value in all_headers.items()
            ],
            timeout=limits.total,
        )

    async def send_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        is_decoded: bool = True,
    ) -> httpx.Response:
        """Sends one request with a complete address and body, and returns the response.

        ``max_bytes`` is the maximum size of the response body; None stands for that of the client's limits. With ``is_decoded``
        false, the caller passes a large body to ``decode``, unless it need not be parsed as a whole.
        Faster than ``request``: it merges no addresses and parameters, and parses each address once.
        Raises ``httpx.InvalidURL`` and the errors of ``send``.
        """
        all_headers = self.headers
        if headers:
            # bytes, as in __init__: a server may put any character into an ETag, which is sent back to it
            added = [(name.encode(), value.encode(errors="replace")) for name, value in headers.items()]
            all_headers = httpx.Headers([*self.headers.raw, *added])
        # a stream instead of content: the transport adds the headers of the body
        stream = httpx.ByteStream(content or b"")
        extensions: dict[str, Any] = {} if max_bytes is None else {MAX_BYTES: max_bytes}
        request = httpx.Request(method, self._parse_url(url), headers=all_headers, stream=stream, extensions=extensions)
        request.read()
        response = await self._fetch(request)
        if is_decoded:
            await self.decode(response)
        return response

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """Sends a request once and returns the whole response; raises ``httpx.TransportError``.

        The class of the error does not say whether the server carried out the request.
        """
        response = await self._fetch(request)
        await self.decode(response)
        return response

    async def _fetch(self, request: httpx.Request) -> httpx.Response:
        response = await self._carrier.handle_async_request(request)
        await response.aread()
        response.request = request
        return response

    async def decode(self, response: httpx.Response) -> None:
        """Parses the JSON of a large body, for ``parse_json_object``, without stopping the event loop for long."""
        async with self._decoding:  # one body at a time, so that those of one server never take all threads
            await decode_large(response)
