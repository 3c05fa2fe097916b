"""The endpoints of Personio's API v1 that the product uses."""

from collections.abc import AsyncGenerator, Collection, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from services.clients.http.client import HttpClient
from services.clients.http.responses import parse_json_object
from services.clients.http.transport import Limits
from services.clients.personio.attribute_lists import AttributeLists
from services.clients.personio.auth import Authenticator, TokenCache
from services.clients.personio.errors import RETRY_HINT, PersonioUnavailableError
from services.clients.personio.rate_limit import HostLimits
from services.clients.personio.requests import Query, RequestSender
from services.clients.personio.v1_attributes import parse_employee
from services.clients.personio.v1_lists import parse_pages, split_response
from services.clients.personio.v1_messages import (
    PAGE_SIZE,
    build_selection,
    get_list,
    list_keys,
    parse_body,
    parse_definitions,
)
from services.contracts.connections import PersonioAccess
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage
from services.contracts.ids import EmployeeId
from services.contracts.vendor_notes import VendorNotes
from services.runtime.clock import Clock

MAX_EXCESS = 10 * PAGE_SIZE
"""Number of employees that a list may have above its announced total, because employees are added while paging."""
MAX_EMPLOYEES = 1_000_000
"""Maximum number of employees in a list without an announced total."""


class PersonioClient:
    """One company's Personio, as an asynchronous context manager."""

    def __init__(
        self,
        access: PersonioAccess,
        *,
        clock: Clock,
        limits: HostLimits | None = None,
        tokens: TokenCache | None = None,
        attributes: AttributeLists | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        allow_private: bool,
    ) -> None:
        """``limits`` are those of the address; None for no limits. ``tokens`` and ``attributes`` are shared with other clients.

        ``allow_private`` allows addresses of private networks.
        """
        headers = {"Accept": "application/json", "X-Personio-App-ID": access.app_id}
        if access.partner_id:
            headers["X-Personio-Partner-ID"] = access.partner_id
        self.fingerprint = access.fingerprint
        """Identifies the address and the credential, without its secret."""
        self._clock = clock
        self._limits = limits
        self._attributes = (attributes or AttributeLists()).get(access)
        self._http = HttpClient(headers, Limits(total=60.0, connections=4, allow_private=allow_private), transport)
        self._sender = RequestSender(self._http, access.url.rstrip("/"), limits, clock)
        self._auth = Authenticator(access, self._sender, tokens or TokenCache(), clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @property
    def queued_seconds(self) -> float:
        """Seconds in which requests of this client have waited for their turn, which are not Personio's."""
        return self._sender.queued_seconds

    @property
    def notes(self) -> VendorNotes:
        """What Personio's answers so far said beside their content."""
        return self._sender.notes

    # https://developer.personio.de/reference/get_company-employees-attributes
    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes that the credential may read (``GET /v1/company/employees/attributes``).

        While requests have to wait for their turn, returns a recent list from memory.
        """
        known = self._attributes
        if self._limits and not self._limits.employees.has_spare and known.is_recent(self._clock.monotonic()):
            return known.attributes
        attributes = parse_definitions(get_list(await self._get("/v1/company/employees/attributes", {})))
        known.keep(attributes, self._clock.monotonic())
        return attributes

    # https://developer.personio.de/reference/get_company-employees
    async def iterate_pages(
        self, requested: Collection[str] | None = None, since: datetime | None = None
    ) -> AsyncGenerator[EmployeePage, None]:
        """Yields employees with the ``requested`` attributes, page by page (``GET /v1/company/employees``); None requests all.

        Personio is also asked for its timestamp of the last change. What it sends beside the requested attributes is dropped.
        With ``since``, Personio lists only employees with a change of one of these attributes after that time. It shows changes
        late, repeats and misses some, and can lower the total while it lists them.

        A page with more employees than were asked for, or with very many values, is yielded in parts, so that none takes the
        process for long. Raises ``PersonioUnavailableError`` for a list that does not end.

        Stops at an empty page, or at a short page that reaches the total. A full last page is followed by one more
        request, because employees may be added while paging.
        """
        keys = list_keys(requested)
        selection = build_selection(keys, since)
        offset = 0
        previous: tuple[EmployeeId, ...] = ()
        while True:
            response = await self._fetch_list(offset, selection)
            listed, total = 0, None
            for part in await self._read_page(response, keys, offset):
                if listed == 0:
                    ids = tuple(employee.id for employee in part.employees)
                    if ids and ids == previous:
                        raise PersonioUnavailableError(
                            f"Personio's list of employees repeats a page (offset {offset}): {RETRY_HINT}"
                        )
                    previous = ids
                yield part
                listed += len(part.employees) + part.skipped
                total = part.total
            offset += listed
            if not listed or (listed < PAGE_SIZE and total is not None and offset >= total):
                return
            if offset > (MAX_EMPLOYEES if total is None else total + MAX_EXCESS):
                raise PersonioUnavailableError(
                    f"Personio's list of employees does not end (announced total: {total}): {RETRY_HINT}"
                )

    # https://developer.personio.de/reference/get_company-employees-employee-id
    async def get_employee(self, employee_id: EmployeeId) -> Employee | None:
        """Returns one employee (``GET /v1/company/employees/{id}``); None if Personio does not know the id (404)."""
        response = await self._auth.send_get("/v1/company/employees/" + quote(employee_id, safe=""), {})
        # A web page with this status comes from a gateway, and says nothing about the employee.
        if response.status_code == httpx.codes.NOT_FOUND and parse_json_object(response) is not None:
            return None
        employee = parse_employee(parse_body(response).get("data"))
        if employee is None or employee.id != employee_id:
            raise PersonioUnavailableError(f"Personio answers with another employee than {employee_id}: {RETRY_HINT}")
        return employee

    async def _fetch_list(self, offset: int, selection: Query) -> httpx.Response:
        query: Query = {"limit": PAGE_SIZE, "offset": offset, **selection}
        return await self._auth.send_get("/v1/company/employees", query, is_decoded=False)

    async def _read_page(
        self, response: httpx.Response, requested: Collection[str] | None, offset: int
    ) -> Iterable[EmployeePage]:
        page = split_response(response, requested, offset)
        if page is not None:
            return [page]
        await self._http.decode(response)
        return parse_pages(response, requested, offset)

    async def _get(self, path: str, params: Query) -> dict[str, Any]:
        return parse_body(await self._auth.send_get(path, params))
