"""The endpoints of API v1 that a synchronisation needs."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from services.clients.personio.employees import Employee, parse_employee, text
from services.clients.personio.errors import (
    PersonioAddressError,
    PersonioCredentialsError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.pace import Pace
from services.clients.personio.tokens import Tokens
from services.clients.transport import HttpClient, Limits, json_object, retry_after
from services.contracts.connections import PersonioAccess
from services.contracts.ids import EmployeeId
from services.runtime.clock import Clock

PAGE = 100
"""Most employees that one request may ask for (enforced by Personio since January 2025)."""
SURPLUS = 10 * PAGE
"""How far a list may go beyond the total that Personio gives for it; people are hired while it is read."""
MOST_EMPLOYEES = 1_000_000
"""Where a list of which Personio gives no total must have ended."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt after a failure."""
PAUSES_WHEN_BUSY = (*PAUSES, 16.0, 30.0)
"""After a 429 that names no time: together a little more than the minute over which Personio counts requests."""
LONGEST_WAIT = 60.0
"""Seconds that a poll waits at most where Personio names a time."""
DAY = 86_400.0
"""How long a token lives from its first issue, at most."""
MARGIN = 300.0
"""A token is renewed so many seconds before it ends."""

AUTH = "/v1/auth"
ADDRESS = "the address should be that of Personio's API, such as https://api.personio.de"


@dataclass(frozen=True, slots=True)
class EmployeePage:
    """``total`` is how many employees Personio says there are; ``skipped`` counts elements without an id."""

    employees: tuple[Employee, ...]
    offset: int
    total: int | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """An attribute that the credential releases."""

    key: str
    label: str
    type: str
    universal_id: str | None


class PersonioClient:
    """One company's Personio. Use as an asynchronous context manager. Without a ``pace`` it asks as fast as it can.

    ``tokens`` are those that other clients of this process have already; without them it has one of its own.
    """

    def __init__(
        self,
        access: PersonioAccess,
        *,
        clock: Clock,
        pace: Pace | None = None,
        tokens: Tokens | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "X-Personio-App-ID": access.app_id}
        if access.partner_id:
            headers["X-Personio-Partner-ID"] = access.partner_id
        self._access = access
        self._clock = clock
        self._pace = pace
        self._base = access.url.rstrip("/")
        self._http = HttpClient(headers, Limits(total=60.0, connections=4), transport)
        self._held = (tokens or Tokens()).of(access)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def attributes(self) -> tuple[AttributeDefinition, ...]:
        """``GET /v1/company/employees/attributes``: what the credential releases."""
        data = _list(await self._get("/v1/company/employees/attributes", {}))
        return tuple(
            AttributeDefinition(
                text(str(entry["key"])),
                text(str(entry.get("label") or "")),
                str(entry.get("type") or "standard"),
                str(entry["universal_id"]) if entry.get("universal_id") else None,
            )
            for entry in data
            if isinstance(entry, dict) and entry.get("key")
        )

    async def employees(self, offset: int = 0, limit: int = PAGE) -> EmployeePage:
        """``GET /v1/company/employees``: ``offset`` counts employees, not pages."""
        body = await self._get("/v1/company/employees", {"limit": limit, "offset": offset})
        found = [parse_employee(entry) for entry in _list(body)]
        employees = tuple(employee for employee in found if employee is not None)
        metadata = body.get("metadata")
        total = metadata.get("total_elements") if isinstance(metadata, dict) else None
        return EmployeePage(employees, offset, total if isinstance(total, int) else None, len(found) - len(employees))

    async def pages(self) -> AsyncGenerator[EmployeePage, None]:
        """All employees, a page at a time; a list that does not come to an end is a ``PersonioUnavailableError``.

        Ends with a page that is not full and reaches the total, or is empty: a full one may have grown a successor.
        """
        offset = 0
        before: tuple[EmployeeId, ...] = ()
        while True:
            page = await self.employees(offset)
            ids = tuple(employee.id for employee in page.employees)
            if ids and ids == before:
                raise PersonioUnavailableError(f"Personio's list of employees repeats itself at {offset}")
            yield page
            received, before = len(ids) + page.skipped, ids
            offset += received
            if not received or (received < PAGE and page.total is not None and offset >= page.total):
                return
            if offset > (MOST_EMPLOYEES if page.total is None else page.total + SURPLUS):
                raise PersonioUnavailableError(f"Personio's list of employees does not end: {page.total} were promised")

    async def employee(self, employee_id: EmployeeId) -> Employee | None:
        """``GET /v1/company/employees/{id}``; None when Personio does not know the person (404)."""
        response = await self._answer("/v1/company/employees/" + quote(employee_id, safe=""), {})
        # a gateway's page with this status says nothing about the person
        if response.status_code == httpx.codes.NOT_FOUND and json_object(response) is not None:
            return None
        employee = parse_employee(self._checked(response).get("data"))
        if employee is None or employee.id != employee_id:
            raise PersonioUnavailableError(f"Personio's answer to a look-up is not employee {employee_id}")
        return employee

    # ------------------------------------------------------------ requests

    async def _get(self, path: str, params: dict[str, int]) -> dict[str, Any]:
        return self._checked(await self._answer(path, params))

    def _checked(self, response: httpx.Response) -> dict[str, Any]:
        status = response.status_code
        if status in {401, 403}:
            raise PersonioRefusedError(
                f"Personio refuses {response.request.url.path} ({status}): give the credential the right to read employees"
            )
        if status == httpx.codes.NOT_FOUND and json_object(response) is None:
            raise PersonioAddressError(f"there is no {response.request.url.path} (404): {ADDRESS}")
        if status >= httpx.codes.BAD_REQUEST:
            raise PersonioRefusedError(f"Personio does not accept {response.request.url.path} ({status})")
        body = json_object(response)
        if body is None or body.get("success") is False:
            raise PersonioUnavailableError(f"the answer to {response.request.url.path} ({status}) is not the API's")
        return body

    async def _answer(self, path: str, params: dict[str, int]) -> httpx.Response:
        """The answer, after one new authentication where the token was refused.

        An ended token is also answered with 403, as a missing right is: another token tells them apart.
        """
        token = await self._bearer()
        response = await self._send("GET", path, params=params, headers={"Authorization": f"Bearer {token}"})
        status = response.status_code
        if status in {401, 403}:
            fresh = await self._bearer(refused=token)
            if status == httpx.codes.UNAUTHORIZED or fresh != token:
                return await self._send("GET", path, params=params, headers={"Authorization": f"Bearer {fresh}"})
        return response

    async def _bearer(self, refused: str | None = None) -> str:
        held = self._held
        async with held.lock:
            if held.token is None or held.token == refused or self._clock.monotonic() >= held.ends:
                held.token, held.ends = await self._authenticate()
            return held.token

    async def _authenticate(self) -> tuple[str, float]:
        """``POST /v1/auth``, credentials in the body: a token, and when to renew it. It stays the same for 24 hours."""
        secret = self._access.client_secret.get_secret_value()
        credentials = json.dumps({"client_id": self._access.client_id, "client_secret": secret})
        response = await self._send("POST", AUTH, content=credentials, headers={"Content-Type": "application/json"})
        if response.status_code in {400, 401, 403, 422}:
            raise PersonioCredentialsError(
                f"Personio refuses the client_id and client_secret ({response.status_code}): generate new ones in Personio "
                "(Settings, API credentials) and deposit them with `connections secrets ID --personio-client-id ...`"
            )
        if response.status_code == httpx.codes.NOT_FOUND or response.has_redirect_location:
            raise PersonioAddressError(f"there is no /v1/auth ({response.status_code}): {ADDRESS}")
        data = (json_object(response) or {}).get("data")
        token = data.get("token") if isinstance(data, dict) else None
        if response.status_code != httpx.codes.OK or not isinstance(token, str) or not isinstance(data, dict):
            raise PersonioUnavailableError(f"the answer to /v1/auth ({response.status_code}) is not the API's")
        seconds = _lifetime(data.get("expires_in"))
        return token, self._clock.monotonic() + seconds - min(MARGIN, seconds / 2)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One answer below 429/5xx. Reading and authenticating may be repeated without harm."""
        attempt = 0
        while isinstance(answer := await self._once(method, path, options), _Failure):
            named = answer.retry_after or 0.0
            if attempt >= len(answer.pauses) or named > LONGEST_WAIT:
                raise PersonioUnavailableError(
                    f"{answer.what}: it is tried again at the next poll", retry_after=answer.retry_after
                )
            await self._clock.sleep(max(named, answer.pauses[attempt]))
            attempt += 1
        return answer

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> "httpx.Response | _Failure":
        if self._pace is not None and path != AUTH:
            await self._pace.turn()
        try:
            response = await self._http.request(method, self._base + path, **options)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise PersonioAddressError(f"a request to Personio cannot be sent: {ADDRESS}") from error
        except httpx.RequestError as error:
            return _Failure(f"no answer from Personio to {path} ({type(error).__name__}: {error})")
        status = response.status_code
        if status != httpx.codes.TOO_MANY_REQUESTS and status < 500:
            return response
        return _Failure(
            f"Personio answers {status} to {path}",
            retry_after(response, self._clock.now()),
            PAUSES_WHEN_BUSY if status == httpx.codes.TOO_MANY_REQUESTS else PAUSES,
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt led to no answer, and after which pauses it may be repeated."""

    what: str
    retry_after: float | None = None
    pauses: tuple[float, ...] = PAUSES


def _list(body: dict[str, Any]) -> list[object]:
    data = body.get("data")
    if not isinstance(data, list):
        raise PersonioUnavailableError("Personio's list has no data: it is asked for again at the next poll")
    return data


def _lifetime(expires_in: object) -> float:
    """The rest of a token's life in seconds; may be left out, and a token is never older than a day."""
    if not isinstance(expires_in, int | float) or isinstance(expires_in, bool):
        return DAY
    return float(min(max(expires_in, 0), DAY))
