"""The endpoints of API v1 that a synchronisation needs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from services.clients.personio.employees import Employee, parse_employee
from services.clients.personio.errors import PersonioCredentialsError, PersonioRefusedError, PersonioUnavailableError
from services.clients.transport import Limits, json_object, make_http_client, retry_after
from services.contracts.connections import PersonioAccess
from services.contracts.ids import EmployeeId
from services.runtime.clock import Clock

PAGE = 100
"""Most employees that one request may ask for (enforced by Personio since January 2025)."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt after a 429 or a failure, where Personio names none."""
LONGEST_WAIT = 60.0
DAY = 86_400.0
MARGIN = 300.0
"""A token is renewed so many seconds before it ends."""


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
    """One company's Personio. Use as an asynchronous context manager."""

    def __init__(
        self, access: PersonioAccess, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        headers = {"Accept": "application/json", "X-Personio-App-ID": access.app_id}
        if access.partner_id:
            headers["X-Personio-Partner-ID"] = access.partner_id
        self._access = access
        self._clock = clock
        self._base = access.url.rstrip("/")
        self._http = make_http_client(headers, Limits(total=60.0, connections=4), transport)
        self._token: str | None = None
        self._token_ends = 0.0
        self._authenticating = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def attributes(self) -> tuple[AttributeDefinition, ...]:
        """``GET /v1/company/employees/attributes``: what the credential releases."""
        body = await self._get("/v1/company/employees/attributes", {})
        data = body.get("data")
        return tuple(
            AttributeDefinition(
                str(entry["key"]),
                str(entry.get("label") or ""),
                str(entry.get("type") or "standard"),
                entry.get("universal_id"),
            )
            for entry in (data if isinstance(data, list) else ())
            if isinstance(entry, dict) and entry.get("key")
        )

    async def employees(self, offset: int = 0, limit: int = PAGE) -> EmployeePage:
        """``GET /v1/company/employees``: ``offset`` counts employees, not pages."""
        body = await self._get("/v1/company/employees", {"limit": limit, "offset": offset})
        data = body.get("data")
        if not isinstance(data, list):
            raise PersonioUnavailableError(
                "Personio's list of employees has no data: it is asked again at the next poll"
            )
        found = [parse_employee(entry) for entry in data]
        employees = tuple(employee for employee in found if employee is not None)
        metadata = body.get("metadata")
        total = metadata.get("total_elements") if isinstance(metadata, dict) else None
        return EmployeePage(employees, offset, total if isinstance(total, int) else None, len(found) - len(employees))

    async def pages(self) -> AsyncIterator[EmployeePage]:
        """All employees, a page at a time; ends with the first page that is not full."""
        offset = 0
        while True:
            page = await self.employees(offset)
            yield page
            received = len(page.employees) + page.skipped
            offset += received
            if received < PAGE and (page.total is None or offset >= page.total or not received):
                return

    async def employee(self, employee_id: EmployeeId) -> Employee | None:
        """``GET /v1/company/employees/{id}``; None when Personio does not know the person (404)."""
        response = await self._answer("/v1/company/employees/" + employee_id, {})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return parse_employee(self._checked(response).get("data"))

    # ------------------------------------------------------------ requests

    async def _get(self, path: str, params: dict[str, int]) -> dict[str, Any]:
        return self._checked(await self._answer(path, params))

    def _checked(self, response: httpx.Response) -> dict[str, Any]:
        status = response.status_code
        if status in {401, 403}:
            raise PersonioRefusedError(
                f"Personio refuses {response.request.url.path} ({status}): give the credential the right to read employees"
            )
        if status >= httpx.codes.BAD_REQUEST:
            raise PersonioRefusedError(f"Personio does not accept {response.request.url.path} ({status})")
        body = json_object(response)
        if body is None or body.get("success") is False:
            raise PersonioUnavailableError(f"the answer to {response.request.url.path} ({status}) is not the API's")
        return body

    async def _answer(self, path: str, params: dict[str, int]) -> httpx.Response:
        """The answer, after one new authentication where the token was refused."""
        token = await self._bearer()
        response = await self._send("GET", path, params=params, headers={"Authorization": f"Bearer {token}"})
        if response.status_code == httpx.codes.UNAUTHORIZED:
            token = await self._bearer(refused=token)
            response = await self._send("GET", path, params=params, headers={"Authorization": f"Bearer {token}"})
        return response

    async def _bearer(self, refused: str | None = None) -> str:
        async with self._authenticating:
            if self._token is None or self._token == refused or self._clock.monotonic() >= self._token_ends:
                await self._authenticate()
            if self._token is None:
                raise PersonioUnavailableError("Personio gave no token")
            return self._token

    async def _authenticate(self) -> None:
        """``POST /v1/auth``, credentials in the body; the token stays the same for 24 hours."""
        secret = self._access.client_secret.get_secret_value()
        response = await self._send(
            "POST", "/v1/auth", json={"client_id": self._access.client_id, "client_secret": secret}
        )
        body = json_object(response) or {}
        data = body.get("data")
        token = data.get("token") if isinstance(data, dict) else None
        if response.status_code in {400, 401, 403, 404, 422}:
            raise PersonioCredentialsError(
                f"Personio refuses the client_id and client_secret ({response.status_code}): generate new ones in Personio "
                "(Settings, API credentials) and deposit them with `connections add` or `connections secrets`"
            )
        if response.status_code != httpx.codes.OK or not isinstance(token, str) or not isinstance(data, dict):
            raise PersonioUnavailableError(f"the answer to /v1/auth ({response.status_code}) is not the API's")
        lifetime = data.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else DAY
        self._token, self._token_ends = token, self._clock.monotonic() + max(0.0, seconds - MARGIN)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One answer below 429/5xx. Reading and authenticating may be repeated without harm."""
        for pause in (*PAUSES, None):
            try:
                response = await self._http.request(method, self._base + path, **options)
            except httpx.TransportError as error:
                failure, wait = f"no answer from Personio to {path} ({type(error).__name__})", None
            else:
                if response.status_code != httpx.codes.TOO_MANY_REQUESTS and response.status_code < 500:
                    return response
                failure, wait = f"Personio answers {response.status_code} to {path}", retry_after(response)
            if pause is None or (wait or 0) > LONGEST_WAIT:
                break
            await self._clock.sleep(wait if wait is not None else pause)
        raise PersonioUnavailableError(f"{failure}: it is tried again at the next poll", retry_after=wait)
