"""Performs calls over SCIM 2.0 (RFC 7644), and reports errors that concern the connection."""

import json
from collections.abc import Callable
from urllib.parse import quote

import httpx
from prometheus_client import Counter

from services.clients.declaree.answers import is_scim_answer, parse_missing, parse_refusal, parse_write_answer
from services.clients.declaree.discovery import discover, discover_fields
from services.clients.declaree.errors import ADDRESS_HINT, DeclareeUnavailableError, DeclareeWrongAddressError
from services.clients.declaree.exchange import ScimExchange, ScimRequest, allow
from services.clients.declaree.probe import Probe
from services.clients.declaree.resources import parse_page, parse_user, parse_users
from services.clients.declaree.turns import LONGEST_HOLD_SECONDS, Paces
from services.clients.http.vendor_notes import NoteTaker
from services.contracts.connections import DeclareeAccess
from services.contracts.fields import TargetField
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    Call,
    CreateAccount,
    FindAccounts,
    Found,
    ListAccounts,
    Lost,
    PatchAccount,
    ReadAccount,
    ReplaceAccount,
    Unsupported,
    Write,
)
from services.provisioning.server import ServerDescription
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
"""The URN of the message that a PATCH sends."""
UNSUPPORTED_FILTER = frozenset({405, 501})
"""Statuses with which servers answer a filter that they do not support, beside 400 with ``invalidFilter``."""
UNSUPPORTED_LIST = frozenset({400, 403, 405, 500, 501})
"""Statuses with which servers answer a list without a filter if they do not support it."""
REFUSED_VALUE = frozenset({400, 414, 422, 431})
"""Statuses with which servers answer a filter with a value that they do not accept, or with a too long address."""


class DeclareeClient:
    """One company's SCIM server."""

    def __init__(
        self,
        access: DeclareeAccess,
        *,
        clock: Clock,
        concurrency: int = 16,
        longest_hold: float = LONGEST_HOLD_SECONDS,
        paces: Paces | None = None,
        metrics: Metrics | None = None,
        taker: NoteTaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        allow_private: bool,
    ) -> None:
        """``concurrency`` is the maximum number of requests at once. ``metrics`` counts the calls; None counts nothing.

        A request is held, and sent again, for pauses of up to ``longest_hold`` seconds that the server asks for. ``paces`` is
        shared by the clients of a process; None for a single client. ``taker`` takes notes of the responses. ``allow_private``
        allows addresses of private networks.
        """
        self._turns = (paces or Paces(clock)).open(access.url, concurrency, longest_hold)
        self._exchange = ScimExchange(
            access, clock, self._turns, concurrency, transport, taker=taker, allow_private=allow_private
        )
        self._probe = Probe(self._exchange)
        self._metrics = metrics
        self._counters: dict[tuple[str, str], Counter] = {}

    async def close(self) -> None:
        """Closes the connections to the server."""
        await self._exchange.close()

    async def probe(self) -> None:
        """Raises the errors of ``perform`` if the server does not accept requests with this key.

        Sends nothing while the server limits the rate of requests, and raises ``DeclareeRateLimitedError``.
        """
        await self._probe.run()

    async def discover(self) -> ServerDescription:
        """Returns what the server says about itself. Raises the errors of ``services.clients.declaree.discovery``."""
        return await discover(self._exchange)

    async def list_fields(self) -> tuple[TargetField, ...]:
        """Returns the fields that the server lists in its schemas; none if it lists no schemas. Raises the errors of ``discover``."""
        return await discover_fields(self._exchange)

    async def perform(self, call: Call, *, before: Callable[[], None] = allow) -> Answer:
        """Performs a call and returns the answer.

        A write with an unknown result is ``Lost``, never an error. A lookup without an answer raises an error, and so
        does an answer that concerns the connection. Waits for the pace of the server; the time limit of the task does not
        count this wait. ``before`` is called just before each request is sent. It forbids the request by raising.
        """
        match call:
            case ReadAccount():
                answer = await self._read(call, before)
            case FindAccounts():
                answer = await self._find(call, before)
            case ListAccounts():
                answer = await self._list(call, before)
            case _:
                answer = await self._write(call, before)
        self._count(call.code, answer.code)
        return answer

    def _count(self, call: str, answer: str) -> None:
        if self._metrics is None:
            return
        counter = self._counters.get((call, answer))
        if counter is None:
            counter = self._counters[call, answer] = self._metrics.requests.labels(call, answer)
        counter.inc()

    # RFC 7644, section 3.4.1
    async def _read(self, call: ReadAccount, before: Callable[[], None]) -> Answer:
        response = await self._exchange.get(_build_user_path(call.id), before=before)
        if response.status_code in {404, 410}:
            return parse_missing(response)
        self._exchange.raise_lookup_error(response)
        return Found((parse_user(response),))

    # RFC 7644, section 3.4.2.2
    async def _find(self, call: FindAccounts, before: Callable[[], None]) -> Answer:
        value = json.dumps(call.value, ensure_ascii=False)
        # A space becomes %20. The + of forms on the vendor's page is not decoded by all servers.
        query = "filter=" + quote(f"{call.attribute} eq {value}", safe="", errors="replace")
        response = await self._exchange.get("/Users", query, before=before)
        status = response.status_code
        if status in UNSUPPORTED_FILTER:
            return Unsupported()
        if status in REFUSED_VALUE:
            refusal = parse_refusal(response)
            return Unsupported() if refusal.scim_type == "invalidFilter" else refusal
        if status == httpx.codes.NOT_FOUND and is_scim_answer(response):
            return Found()  # against the RFC, which wants 200 with an empty list
        self._exchange.raise_lookup_error(response)
        self._probe.has_found = True
        return Found(parse_users(response))

    # RFC 7644, section 3.4.2.4
    async def _list(self, call: ListAccounts, before: Callable[[], None]) -> Answer:
        response = await self._exchange.get("/Users", f"startIndex={call.start}&count={call.count}", before=before)
        status = response.status_code
        if status in UNSUPPORTED_LIST or (status == httpx.codes.NOT_FOUND and is_scim_answer(response)):
            return Unsupported()
        self._exchange.raise_lookup_error(response)
        self._probe.has_found = True
        return parse_page(response)

    async def _write(self, call: Write, before: Callable[[], None]) -> Answer:
        try:
            response = await self._exchange.send(build_request(call), before=before)
        except httpx.InvalidURL as error:
            raise DeclareeWrongAddressError(f"a request to Declaree cannot be sent: {ADDRESS_HINT}") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            # without a connection nothing was sent, so the server cannot carry out the write later
            raise DeclareeUnavailableError(f"Declaree does not answer ({type(error).__name__}: {error})") from error
        except httpx.RequestError as error:
            return Lost(None, f"{type(error).__name__}: {error}")
        self._exchange.raise_connection_error(response)
        return parse_write_answer(response, is_create=isinstance(call, CreateAccount))


def _build_user_path(account: AccountId) -> str:
    return "/Users/" + quote(account, safe="")


def build_request(call: Write) -> ScimRequest:
    """Returns the request of a write. It contains no key."""
    match call:
        case CreateAccount(body):  # RFC 7644, section 3.3
            return ScimRequest("POST", "/Users", body=body)
        case PatchAccount(account, operations, version):  # RFC 7644, section 3.5.2
            body = {"schemas": [PATCH_OP], "Operations": list(operations)}
            return ScimRequest("PATCH", _build_user_path(account), body=body, version=version)
        case ReplaceAccount(account, body, version):  # RFC 7644, section 3.5.1; without an id as on the vendor's page
            path = "/Users" if account is None else _build_user_path(account)
            return ScimRequest("PUT", path, body=body, version=version)
