"""Performs the calls of a reconciliation over SCIM 2.0 (RFC 7644), and says honestly what came of them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from services.clients.declaree.errors import (
    DeclareeBusyError,
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.clients.declaree.pace import Pace
from services.clients.transport import Limits, json_object, make_http_client, retry_after
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
        self._pace = Pace(clock, concurrency)
        self._metrics = metrics
        self._http = make_http_client(headers, Limits(connections=concurrency), transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def probe(self) -> None:
        """Whether the server takes requests with this key; raises what ``perform`` would raise."""
        response = await self._send("GET", "/Users", params={"startIndex": "1", "count": "1"})
        _look_errors(response)
        _object(response)

    async def perform(self, call: Call, *, before: Callable[[], None] = lambda: None) -> Answer:
        """Asks once. A write whose fate is not known is ``Lost``, never an error; a look without answer raises.

        ``before`` is called when everything is ready to be sent, and may forbid it by raising.
        """
        async with self._pace.slot():
            before()
            answer = await (self._look(call) if isinstance(call, ReadAccount | FindAccounts) else self._write(call))
        if self._metrics is not None:
            self._metrics.requests.labels(type(call).__name__, type(answer).__name__).inc()
        return answer

    # ------------------------------------------------------------ looks

    async def _look(self, call: Look) -> Answer:
        if isinstance(call, ReadAccount):
            response = await self._send("GET", _user(call.id))
            if response.status_code == httpx.codes.NOT_FOUND:
                return Seen()
            _look_errors(response)
            return Seen((_resource(response, _object(response)),))
        value = json.dumps(call.value, ensure_ascii=False)
        response = await self._send("GET", "/Users", params={"filter": f"{call.attribute} eq {value}"})
        if response.status_code in {400, 501} and call.attribute == "externalId":
            # a server that cannot look for external ids: the user name is what is left
            return Seen()
        _look_errors(response)
        found = _member(_object(response), "Resources")
        entries = found if isinstance(found, list) else []
        return Seen(tuple(_resource(None, entry) for entry in entries if isinstance(entry, dict) and entry.get("id")))

    # ------------------------------------------------------------ writes

    async def _write(self, call: Write) -> Answer:
        method, path, body, version = _request(call)
        headers = {"Content-Type": "application/scim+json"} | ({"If-Match": version} if version else {})
        try:
            content = json.dumps(body, ensure_ascii=False).encode()
            response = await self._http.request(method, self._base + path, content=content, headers=headers)
        except httpx.TransportError as error:
            return Lost(type(error).__name__)
        self._note(response)
        return _written(response, creating=isinstance(call, CreateAccount))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, self._base + path, **options)
        except httpx.TransportError as error:
            raise DeclareeUnavailableError(f"Declaree does not answer ({type(error).__name__})") from error
        self._note(response)
        return response

    def _note(self, response: httpx.Response) -> None:
        if response.status_code in {429, 503}:
            self._pace.too_fast(retry_after(response))
        else:
            self._pace.went_well()


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


def _common_errors(response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise DeclareeBusyError("Declaree asks for patience (429)", retry_after=retry_after(response))
    if status == httpx.codes.UNAUTHORIZED:
        raise DeclareeKeyRefusedError(
            "Declaree refuses the key (401): generate a new one there and deposit it with `connections secrets`"
        )
    if status == httpx.codes.FORBIDDEN:
        raise DeclareeForbiddenError("Declaree forbids this (403): the key's user needs administrative rights")
    if response.is_redirect:
        raise DeclareeWrongAddressError(
            f"Declaree redirects ({status}): the address should be that of the SCIM endpoint"
        )


def _look_errors(response: httpx.Response) -> None:
    _common_errors(response)
    if response.status_code >= httpx.codes.BAD_REQUEST:
        raise DeclareeUnavailableError(
            f"Declaree answers {response.status_code} to a look-up", retry_after=retry_after(response)
        )


def _object(response: httpx.Response) -> Body:
    body = json_object(response)
    if body is None:
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not SCIM: is the address right?")
    return body


def _written(response: httpx.Response, *, creating: bool) -> Answer:
    _common_errors(response)
    status = response.status_code
    if status >= 500 and status != httpx.codes.NOT_IMPLEMENTED:
        return Lost(str(status))
    if status < 300:
        return _success(response)
    answers: dict[int, Answer] = {
        404: Refused("404 to a create: is the address that of the SCIM endpoint?") if creating else Gone(),
        405: Unsupported(),
        501: Unsupported(),
        409: Conflict(),
        412: Outdated(),
    }
    return answers.get(status) or _refused(response)


def _success(response: httpx.Response) -> Answer:
    if not response.content.strip():
        return Written(_located(response))
    body = json_object(response)
    if body is None or not body.get("id"):
        # a web page with 200, or half an answer: whether it was written has to be looked up
        return Lost("unreadable answer")
    return Written(_resource(response, body))


def _located(response: httpx.Response) -> Resource | None:
    """A created account whose body was left out is known by its ``Location`` (section 3.3)."""
    location = urlsplit(response.headers.get("Location", "")).path.rpartition("/Users/")[2]
    return Resource(AccountId(location), {}, response.headers.get("ETag")) if location else None


def _refused(response: httpx.Response) -> Refused:
    body = json_object(response) or {}
    kind = body.get("scimType")
    known = f", {kind}" if isinstance(kind, str) and kind.isalpha() else ""
    return Refused(f"Declaree does not accept the account ({response.status_code}{known})")


def _member(body: Body, name: str) -> object:
    return next((value for key, value in body.items() if key.lower() == name.lower()), None)


def _resource(response: httpx.Response | None, body: Body) -> Resource:
    meta = body.get("meta")
    version = meta.get("version") if isinstance(meta, dict) else None
    etag = response.headers.get("ETag") if response is not None else None
    return Resource(AccountId(str(body["id"])), body, etag or (version if isinstance(version, str) else None))
