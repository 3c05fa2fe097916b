"""Performs the calls of a reconciliation over SCIM 2.0 (RFC 7644), and says honestly what came of them."""

import json
from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

import httpx
from prometheus_client import Counter

from services.clients.declaree.errors import (
    DeclareeBusyError,
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.clients.declaree.pace import Pace
from services.clients.transport import HttpClient, Limits, json_object, retry_after
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    Body,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    Gone,
    Look,
    Lost,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Seen,
    Unsupported,
    Write,
    Written,
)
from services.provisioning.target import PATCH_OP
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics

ADDRESS = "the address should be that of the SCIM endpoint, such as https://app.declaree.com/SCIM/v2"
AMBIGUOUS = frozenset({*range(300, 400), 408, 421, 425})
"""Statuses below 500 that do not say whether a write happened: redirects, a timeout, a wrong server."""
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
        key = f"{access.key_scheme} {access.key.get_secret_value()}".strip()
        headers = {access.key_header: key, "Accept": "application/scim+json, application/json"}
        self._base = access.url.rstrip("/")
        self._clock = clock
        self._pace = Pace(clock, concurrency)
        self._metrics = metrics
        self._counters: dict[tuple[type, type], Counter] = {}
        self._http = HttpClient(headers, Limits(connections=concurrency), transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def probe(self) -> None:
        """Whether the server takes requests with this key; raises what ``perform`` would raise."""
        await self._pace.hold()
        response = await self._send("/Users?startIndex=1&count=1")
        self._look_errors(response)
        _listed(response)

    async def perform(self, call: Call, *, before: Callable[[], None] = lambda: None) -> Answer:
        """Asks once. A write whose fate is not known is ``Lost``, never an error; a look without answer raises.

        ``before`` is called when everything is ready to be sent, and may forbid it by raising.
        """
        async with self._pace:
            before()
            answer = await (self._look(call) if isinstance(call, ReadAccount | FindAccounts) else self._write(call))
        self._count(type(call), type(answer))
        return answer

    def _count(self, call: type, answer: type) -> None:
        if self._metrics is None:
            return
        counter = self._counters.get((call, answer))
        if counter is None:
            counter = self._counters[call, answer] = self._metrics.requests.labels(call.__name__, answer.__name__)
        counter.inc()

    # ------------------------------------------------------------ looks

    async def _look(self, call: Look) -> Answer:
        if isinstance(call, ReadAccount):
            response = await self._send(_user(call.id))
            if response.status_code in {404, 410}:
                return Seen()
            self._look_errors(response)
            return Seen((_resource(response, _object(response)),))
        value = _encode(call.value)
        # the blanks as %20: not every server takes the + of forms for one
        response = await self._send("/Users?filter=" + quote(f"{call.attribute} eq {value}", safe=""))
        if response.status_code in {400, 501} and call.attribute == "externalId":
            # a server that cannot look for external ids: the user name is what is left
            return Seen()
        if response.status_code in {400, 414, 422}:
            # this one user name cannot be asked for: trying again changes nothing
            return _refused(response)
        self._look_errors(response)
        return Seen(_listed(response))

    async def _send(self, path: str) -> httpx.Response:
        try:
            response = await self._http.ask("GET", self._base + path)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise DeclareeWrongAddressError(f"a request cannot be sent: {ADDRESS}") from error
        except httpx.RequestError as error:
            raise DeclareeUnavailableError(f"Declaree does not answer ({type(error).__name__}: {error})") from error
        self._note(response)
        return response

    def _look_errors(self, response: httpx.Response) -> None:
        self._common_errors(response)
        status = response.status_code
        if status == httpx.codes.NOT_FOUND or 300 <= status < 400:
            raise DeclareeWrongAddressError(f"there are no users here ({status}): {ADDRESS}")
        if status >= httpx.codes.BAD_REQUEST:
            raise DeclareeUnavailableError(
                f"Declaree answers {status} to a look-up", retry_after=retry_after(response, self._clock.now())
            )

    # ------------------------------------------------------------ writes

    async def _write(self, call: Write) -> Answer:
        method, path, body, version = _request(call)
        headers = {"Content-Type": "application/scim+json"} | ({"If-Match": version} if version else {})
        content = _encode(body).encode(errors="replace")
        try:
            response = await self._http.ask(method, self._base + path, content=content, headers=headers)
        except httpx.InvalidURL as error:
            raise DeclareeWrongAddressError(f"a request cannot be sent: {ADDRESS}") from error
        except httpx.RequestError as error:
            return Lost(type(error).__name__)
        self._note(response)
        if response.status_code == httpx.codes.FORBIDDEN:
            return Refused("Declaree forbids this (403): the key's user needs the right to it", forbidden=True)
        self._common_errors(response)
        return _written(response, creating=isinstance(call, CreateAccount))

    # ------------------------------------------------------------ both

    def _note(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in {429, 503}:
            self._pace.too_fast(retry_after(response, self._clock.now()))
        elif status < 500:
            self._pace.went_well()

    def _common_errors(self, response: httpx.Response) -> None:
        """What concerns the connection rather than the account, and leaves no doubt that nothing was written."""
        match response.status_code:
            case 429:
                wait = retry_after(response, self._clock.now())
                raise DeclareeBusyError("Declaree asks for patience (429)", retry_after=wait)
            case 401:
                raise DeclareeKeyRefusedError(
                    "Declaree refuses the key (401): generate a new one there and deposit it with `connections secrets`"
                )
            case 403:
                raise DeclareeForbiddenError("Declaree forbids this (403): the key's user needs administrative rights")


def _user(account: AccountId) -> str:
    return "/Users/" + quote(account, safe="")


def _request(call: Write) -> tuple[str, str, Body, str | None]:
    match call:
        case CreateAccount(body):
            return "POST", "/Users", body, None
        case PatchAccount(account, operations, version):
            return "PATCH", _user(account), {"schemas": [PATCH_OP], "Operations": list(operations)}, version
        case ReplaceAccount(account, body, version):
            return "PUT", _user(account), body, version


def _object(response: httpx.Response) -> Body:
    body = json_object(response)
    if body is None:
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not SCIM: {ADDRESS}")
    return body


def _listed(response: httpx.Response) -> tuple[Resource, ...]:
    """The resources of a list. What says neither how many there are nor which is no list, and must not pass for empty."""
    body = _object(response)
    found, total = _member(body, "Resources"), _member(body, "totalResults")
    if not isinstance(found, list) and (found is not None or total not in {0, "0"}):
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is no SCIM list: {ADDRESS}")
    entries = [entry for entry in found or () if isinstance(entry, dict)]
    return tuple(_resource(None, entry) for entry in entries if _id(entry))


def _written(response: httpx.Response, *, creating: bool) -> Answer:
    status = response.status_code
    if status < 300:
        return _success(response)
    if status in AMBIGUOUS or (status >= 500 and status != httpx.codes.NOT_IMPLEMENTED):
        return Lost(str(status))
    answers: dict[int, Answer] = {
        404: Refused("404 to a create: is the address that of the SCIM endpoint?") if creating else Gone(),
        405: Unsupported(),
        501: Unsupported(),
        409: Conflict(),
        410: Refused("410 to a create") if creating else Gone(),
        412: Outdated(),
    }
    return answers.get(status) or _refused(response)


def _success(response: httpx.Response) -> Answer:
    if not response.content.strip():
        return Written(_located(response))
    body = json_object(response)
    if body is None or not _id(body):
        # a web page with 200, or half an answer: whether it was written has to be looked up
        return Lost("unreadable answer")
    return Written(_resource(response, body))


def _located(response: httpx.Response) -> Resource | None:
    """A created account whose body was left out is known by its ``Location`` (section 3.3)."""
    try:
        path = urlsplit(response.headers.get("Location", "")).path
    except ValueError:
        return None
    _, users, name = path.rstrip("/").rpartition("/Users/")
    if not users or not name:
        return None
    return Resource(AccountId(unquote(name)), {}, response.headers.get("ETag"))


def _refused(response: httpx.Response) -> Refused:
    body = json_object(response) or {}
    kind = body.get("scimType")
    known = f", {kind}" if isinstance(kind, str) and kind.isalpha() and len(kind) < 30 else ""
    return Refused(f"Declaree does not accept the account ({response.status_code}{known})")


def _member(body: Body, name: str) -> object:
    return next((value for key, value in body.items() if key.lower() == name.lower()), None)


def _id(body: Body) -> str:
    """The id of a resource, which some servers make a number; empty for what is none."""
    found = _member(body, "id")
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _resource(response: httpx.Response | None, body: Body) -> Resource:
    """Raises ``DeclareeWrongAddressError`` for an object without an id: it is of somebody else's making."""
    found = _id(body)
    if not found:
        raise DeclareeWrongAddressError(f"the answer is no SCIM user: {ADDRESS}")
    meta = _member(body, "meta")
    version = _member(meta, "version") if isinstance(meta, dict) else None
    etag = response.headers.get("ETag") if response is not None else None
    return Resource(AccountId(found), body, etag or (version if isinstance(version, str) else None))
