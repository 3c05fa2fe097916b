"""Exchanges requests and responses with one SCIM server, in the media type and at the addresses that it accepts."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from services.clients.declaree.answers import SCIM_JSON, is_scim_answer
from services.clients.declaree.errors import (
    ADDRESS_HINT,
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.clients.declaree.redirects import find_redirect
from services.clients.declaree.turns import ConnectionTurns, Turn
from services.clients.http.client import HttpClient
from services.clients.http.rate_headers import read_pause, read_quota
from services.clients.http.responses import parse_retry_after
from services.clients.http.transport import PAGE_BYTES, PERSON_BYTES, Limits
from services.clients.http.vendor_notes import NoteTaker
from services.contracts.connections import DeclareeAccess
from services.provisioning.calls import Body
from services.runtime.clock import Clock

MAX_REDIRECTS = 3
"""Maximum number of redirects of one request."""
JSON = "application/json"
"""The media type for servers that do not know SCIM's own (RFC 7644, section 3.8)."""
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class ScimRequest:
    """A request to a SCIM server."""

    method: str
    """The HTTP method."""
    path: str
    """The path below the base address, such as ``/Users``."""
    query: str = ""
    """The query, quoted; empty without one."""
    body: Body | None = None
    """The JSON body; None without one."""
    version: str | None = None
    """The version for ``If-Match`` (RFC 7644, section 3.14); None without a condition."""
    is_probe: bool = False
    """Whether the request only asks whether the server works."""

    @property
    def max_answer_bytes(self) -> int:
        """Maximum size of the answer in bytes. Lookups of lists and schemas may have larger ones than all others."""
        is_about_one = self.body is not None or self.path.startswith("/Users/")
        return PERSON_BYTES if is_about_one else PAGE_BYTES


def allow() -> None:
    """Allows a request. The default for ``before``."""


class ScimExchange:
    """The HTTP connections to one server, and the addresses and media types that it accepts."""

    def __init__(
        self,
        access: DeclareeAccess,
        clock: Clock,
        turns: ConnectionTurns,
        connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        taker: NoteTaker | None = None,
        allow_private: bool,
    ) -> None:
        """``connections`` is the maximum number of network connections. ``transport`` replaces the network in tests.

        ``taker`` takes notes of the responses; None takes none. ``allow_private`` allows addresses of private networks.
        """
        key = f"{access.key_scheme} {access.key.get_secret_value()}".strip()
        headers = {access.key_header: key, "Accept": f"{SCIM_JSON}, {JSON}"}
        self._base = access.url.rstrip("/")
        self._clock = clock
        self._turns = turns
        self._taker = taker
        self._media_type = SCIM_JSON
        self._slashes: dict[str, bool] = {}  # whether paths of a kind end with a slash
        self._http = HttpClient(headers, Limits(connections=connections, allow_private=allow_private), transport)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def get(
        self, path: str, query: str = "", *, before: Callable[[], None] = allow, is_probe: bool = False
    ) -> httpx.Response:
        """Sends a lookup. Raises ``DeclareeWrongAddressError`` and ``DeclareeUnavailableError`` without a response.

        A probe waits for no turn, and is not repeated.
        """
        try:
            return await self.send(ScimRequest("GET", path, query, is_probe=is_probe), before=before)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise DeclareeWrongAddressError(f"a request to Declaree cannot be sent: {ADDRESS_HINT}") from error
        except httpx.RequestError as error:
            raise DeclareeUnavailableError(
                f"Declaree gives no usable answer ({type(error).__name__}: {error}): "
                "try again later, and check the address with `connections list` if it remains"
            ) from error

    async def send(self, request: ScimRequest, *, before: Callable[[], None] = allow) -> httpx.Response:
        """Sends a request and returns the response.

        Repeats a request that the server did not carry out. After a 415, the media type is another one. After a redirect, the
        address is another one of the same server. If the server limits the rate of requests, a pause comes first. ``before`` is
        called directly before each repetition, too. Raises httpx's errors, ``DeclareeRateLimitedError`` if the pause is too
        long, and ``DeclareeWrongAddressError`` for a redirect that must not be followed.
        """
        media_type = self._media_type
        response = await self._follow(request, media_type, before)
        if response.status_code == 415 and request.body is not None and media_type == SCIM_JSON:
            response = await self._follow(request, JSON, before)
            if response.status_code != 415:
                self._media_type = JSON
        return response

    async def _follow(self, request: ScimRequest, media_type: str, before: Callable[[], None]) -> httpx.Response:
        """Sends a request, follows its redirects, and remembers those that only add or remove the slash at the end."""
        is_write = request.body is not None
        kind = _get_kind(request.path)
        url = self._build_url(request)
        moved: httpx.Response | None = None
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send_in_turn(request, url, media_type, before)
            redirect = find_redirect(response, url, is_write=is_write)
            if redirect is None:
                # a missing page behind a redirect, such as that of a login, says nothing about the account
                is_foreign = not is_write and response.status_code in {404, 410} and not is_scim_answer(response)
                return moved if moved is not None and is_foreign else response
            url = redirect.url
            if redirect.has_slash is None:
                moved = moved or response
            else:
                self._slashes[kind] = redirect.has_slash
        raise DeclareeWrongAddressError(f"Declaree redirects a request more than {MAX_REDIRECTS} times: {ADDRESS_HINT}")

    async def _send_in_turn(
        self, request: ScimRequest, url: str, media_type: str, before: Callable[[], None]
    ) -> httpx.Response:
        """Sends a request when it has its turn, again if the server did not carry it out because of its limits."""
        is_repeated = False
        while True:
            turn = self._turns.take_now() if request.is_probe else await self._turns.take(is_repeated=is_repeated)
            try:
                before()
                response = await self._send_once(request, url, media_type)
                is_repeated = self._record(response, turn, is_write=request.body is not None)
            finally:
                self._turns.end()
            if request.is_probe or not is_repeated:
                return response

    async def _send_once(self, request: ScimRequest, url: str, media_type: str) -> httpx.Response:
        headers: dict[str, str] = {}
        content: bytes | None = None
        if request.body is not None:
            headers["Content-Type"] = media_type
            content = _encode(request.body).encode(errors="replace")
        if request.version is not None:
            headers["If-Match"] = request.version
        sent_at = self._clock.now()
        response = await self._http.send_request(
            request.method, url, content=content, headers=headers, max_bytes=request.max_answer_bytes
        )
        if self._taker is not None:
            self._taker.take(response, request.path, sent_at)
        return response

    def _build_url(self, request: ScimRequest) -> str:
        slash = "/" if self._slashes.get(_get_kind(request.path)) else ""
        return self._base + request.path + slash + (f"?{request.query}" if request.query else "")

    def _record(self, response: httpx.Response, turn: Turn, *, is_write: bool) -> bool:
        """Adapts the pace. Returns whether the request is to be repeated: the server did not carry it out.

        A 429 is never carried out. A write that is answered 503 may be: a gateway may have lost the answer.
        """
        status, now = response.status_code, self._clock.now()
        if status in {429, 503}:
            pause = read_pause(response, now)
            if status == 503 and pause is None:
                self._turns.record_overload(turn)
                return False
            return self._turns.record_refusal(turn, pause) and not (status == 503 and is_write)
        if status < 500:
            self._turns.record_success(turn)
            quota = read_quota(response, now)
            if quota is not None:
                self._turns.record_quota(quota)
        return False

    def raise_lookup_error(self, response: httpx.Response) -> None:
        """Raises an error for a response that does not answer a lookup."""
        self.raise_connection_error(response)
        status = response.status_code
        if status == httpx.codes.FORBIDDEN:
            raise DeclareeForbiddenError(
                "Declaree forbids the request (403): give the key's user administrative rights in Declaree"
            )
        if status == httpx.codes.NOT_FOUND or 300 <= status < 400:
            raise DeclareeWrongAddressError(f"the address has no SCIM users ({status}): {ADDRESS_HINT}")
        if status >= httpx.codes.BAD_REQUEST:
            wait = self._turns.pause if status == 503 else parse_retry_after(response, self._clock.now())
            raise DeclareeUnavailableError(
                f"Declaree answers a lookup with an error ({status})", retry_after=wait or None
            )

    def raise_connection_error(self, response: httpx.Response) -> None:
        """Raises an error for a status that concerns the connection: 401 or 429. With it, nothing was written."""
        match response.status_code:
            case 429:
                raise DeclareeRateLimitedError(
                    "Declaree limits the rate of requests (429): try again later", retry_after=self._turns.pause
                )
            case 401:
                raise DeclareeKeyRefusedError(
                    "Declaree refuses the key (401): generate a new key there and store it with `connections secrets ID --declaree`"
                )


def _get_kind(path: str) -> str:
    """Returns what is known together about the slash at the end: a collection itself, or all of its resources."""
    collection, _, _ = path.rpartition("/")
    return f"{collection}/" if collection else path
