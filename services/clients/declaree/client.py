"""Performs calls over SCIM 2.0 (RFC 7644), and reports errors that concern the connection."""

import json
from collections.abc import Callable
from urllib.parse import quote

import httpx
from prometheus_client import Counter

from services.clients.declaree.answers import build_refusal, parse_user, parse_users, parse_write_answer
from services.clients.declaree.concurrency import AdaptiveConcurrency
from services.clients.declaree.errors import (
    ADDRESS_HINT,
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.clients.http.client import HttpClient
from services.clients.http.responses import parse_retry_after
from services.clients.http.transport import Limits
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import AccountId
from services.provisioning.bodies import PATCH_OP
from services.provisioning.calls import (
    Answer,
    Body,
    Call,
    CreateAccount,
    FindAccounts,
    Found,
    Lost,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Write,
)
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics

_encode = json.JSONEncoder(ensure_ascii=False).encode


class DeclareeClient:
    """One company's SCIM server."""

    def __init__(
        self,
        access: DeclareeAccess,
        *,
        clock: Clock,
        concurrency: int = 16,
        metrics: Metrics | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``concurrency`` is the maximum number of requests at once. ``metrics`` counts the calls; None counts nothing."""
        key = f"{access.key_scheme} {access.key.get_secret_value()}".strip()
        headers = {access.key_header: key, "Accept": "application/scim+json, application/json"}
        self._base = access.url.rstrip("/")
        self._clock = clock
        self._concurrency = AdaptiveConcurrency(clock, concurrency)
        self._metrics = metrics
        self._counters: dict[tuple[str, str], Counter] = {}
        self._http = HttpClient(headers, Limits(connections=concurrency), transport)

    async def close(self) -> None:
        """Closes the connections to the server."""
        await self._http.aclose()

    # RFC 7644, section 3.4.2
    async def probe(self) -> None:
        """Raises the errors of ``perform`` if the server does not accept requests with this key."""
        await self._concurrency.wait_until_allowed()
        response = await self._get("/Users?startIndex=1&count=1")
        self._raise_lookup_error(response)
        parse_users(response)

    async def perform(self, call: Call, *, before: Callable[[], None] = lambda: None) -> Answer:
        """Sends one request and returns the answer.

        A write with an unknown result is ``Lost``, never an error. A lookup without an answer raises an error, and so
        does an answer that concerns the connection. ``before`` is called just before the request is sent. It forbids
        the request by raising.
        """
        async with self._concurrency:
            before()
            match call:
                case ReadAccount():
                    answer = await self._read(call)
                case FindAccounts():
                    answer = await self._find(call)
                case _:
                    answer = await self._write(call)
        self._count(call.code, answer.code)
        return answer

    def _count(self, call: str, answer: str) -> None:
        if self._metrics is None:
            return
        counter = self._counters.get((call, answer))
        if counter is None:
            counter = self._counters[call, answer] = self._metrics.requests.labels(call, answer)
        counter.inc()

    # ------------------------------------------------------------ lookups

    # RFC 7644, section 3.4.1
    async def _read(self, call: ReadAccount) -> Answer:
        response = await self._get(_build_user_path(call.id))
        if response.status_code in {404, 410}:
            return Found()
        self._raise_lookup_error(response)
        return Found((parse_user(response),))

    # RFC 7644, section 3.4.2.2
    async def _find(self, call: FindAccounts) -> Answer:
        value = _encode(call.value)
        # A space becomes %20: some servers do not decode the + of forms.
        response = await self._get("/Users?filter=" + quote(f"{call.attribute} eq {value}", safe=""))
        if response.status_code in {400, 501} and call.attribute == "externalId":
            # This server cannot filter by external id. The reconciliation then looks up the user name.
            return Found()
        if response.status_code in {400, 414, 422}:
            # The server does not accept this user name in a filter. A retry cannot change that.
            return build_refusal(response)
        self._raise_lookup_error(response)
        return Found(parse_users(response))

    async def _get(self, path: str) -> httpx.Response:
        try:
            response = await self._http.send_request("GET", self._base + path)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise DeclareeWrongAddressError(f"a request to Declaree cannot be sent: {ADDRESS_HINT}") from error
        except httpx.RequestError as error:
            raise DeclareeUnavailableError(f"Declaree does not answer ({type(error).__name__}: {error})") from error
        self._adapt_concurrency(response)
        return response

    def _raise_lookup_error(self, response: httpx.Response) -> None:
        self._raise_connection_error(response)
        status = response.status_code
        if status == httpx.codes.NOT_FOUND or 300 <= status < 400:
            raise DeclareeWrongAddressError(f"the address has no SCIM users ({status}): {ADDRESS_HINT}")
        if status >= httpx.codes.BAD_REQUEST:
            wait = parse_retry_after(response, self._clock.now())
            raise DeclareeUnavailableError(f"Declaree answers a lookup with an error ({status})", retry_after=wait)

    # ------------------------------------------------------------ writes

    async def _write(self, call: Write) -> Answer:
        method, path, body, version = _build_request(call)
        headers = {"Content-Type": "application/scim+json"} | ({"If-Match": version} if version else {})
        content = _encode(body).encode(errors="replace")
        try:
            response = await self._http.send_request(method, self._base + path, content=content, headers=headers)
        except httpx.InvalidURL as error:
            raise DeclareeWrongAddressError(f"a request to Declaree cannot be sent: {ADDRESS_HINT}") from error
        except httpx.RequestError as error:
            return Lost(type(error).__name__)
        self._adapt_concurrency(response)
        if response.status_code == httpx.codes.FORBIDDEN:
            reason = "Declaree forbids the write (403): give the key's user the right to write accounts"
            return Refused(reason, forbidden=True)
        self._raise_connection_error(response)
        return parse_write_answer(response, is_create=isinstance(call, CreateAccount))

    # ------------------------------------------------------------ both

    def _adapt_concurrency(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in {429, 503}:
            self._concurrency.record_rate_limit(parse_retry_after(response, self._clock.now()))
        elif status < 500:
            self._concurrency.record_success()

    def _raise_connection_error(self, response: httpx.Response) -> None:
        """Raises an error for a status that concerns the connection. With such a status, nothing was written."""
        match response.status_code:
            case 429:
                wait = parse_retry_after(response, self._clock.now())
                raise DeclareeRateLimitedError(
                    "Declaree limits the rate of requests (429): try again later", retry_after=wait
                )
            case 401:
                raise DeclareeKeyRefusedError(
                    "Declaree refuses the key (401): generate a new key there and store it with `connections secrets ID --declaree`"
                )
            case 403:
                raise DeclareeForbiddenError(
                    "Declaree forbids the request (403): give the key's user administrative rights in Declaree"
                )


def _build_user_path(account: AccountId) -> str:
    return "/Users/" + quote(account, safe="")


def _build_request(call: Write) -> tuple[str, str, Body, str | None]:
    """Returns method, path, body, and the version for ``If-Match`` (RFC 7644, section 3.14); None without a condition."""
    match call:
        case CreateAccount(body):  # RFC 7644, section 3.3
            return "POST", "/Users", body, None
        case PatchAccount(account, operations, version):  # RFC 7644, section 3.5.2
            body = {"schemas": [PATCH_OP], "Operations": list(operations)}
            return "PATCH", _build_user_path(account), body, version
        case ReplaceAccount(account, body, version):  # RFC 7644, section 3.5.1
            return "PUT", _build_user_path(account), body, version
