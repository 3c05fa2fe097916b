"""The endpoints of Personio's API v1 that the product uses."""

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from services.clients.http.client import HttpClient
from services.clients.http.responses import parse_json_object
from services.clients.http.transport import Limits
from services.clients.personio.attribute_lists import AttributeLists
from services.clients.personio.auth import Authenticator, TokenCache
from services.clients.personio.errors import (
    ADDRESS_HINT,
    RETRY_HINT,
    PersonioAddressError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.rate_limit import HostLimits
from services.clients.personio.requests import Query, RequestSender
from services.clients.personio.v1_attributes import (
    MODIFIED_AT,
    PARTS,
    count_values,
    parse_employee,
    replace_invalid_characters,
)
from services.contracts.connections import PersonioAccess
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage
from services.contracts.ids import EmployeeId
from services.contracts.vendor_notes import VendorNotes
from services.runtime.clock import Clock

PAGE_SIZE = 100
"""Maximum number of employees in a page. Personio enforces it since January 2025."""
MAX_LABEL_LENGTH = 200
"""Maximum number of characters that are kept of an attribute's display name and of its type."""
MAX_EXCESS = 10 * PAGE_SIZE
"""Number of employees that a list may have above its announced total, because employees are added while paging."""
MAX_PART_VALUES = 20_000
"""Number of values of the employees in a part of a page from which on no further employee is added to it: some hundredths of a
second of work."""
MAX_TOTAL = (1 << 63) - 1
"""Maximum number of employees that is believed: a larger one cannot be stored."""
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
        data = _get_list(await self._get("/v1/company/employees/attributes", {}))
        attributes = tuple(
            AttributeDefinition(
                replace_invalid_characters(str(entry["key"])),
                replace_invalid_characters(str(entry.get("label") or "")[:MAX_LABEL_LENGTH]),
                replace_invalid_characters(str(entry.get("type") or "standard")[:MAX_LABEL_LENGTH]),
                tuple(f"{entry['key']}.{part}" for part in PARTS.get(str(entry["key"]), ())),
            )
            for entry in data
            if isinstance(entry, dict) and entry.get("key")
        )
        known.keep(attributes, self._clock.monotonic())
        return attributes

    # https://developer.personio.de/reference/get_company-employees
    async def list_page(
        self, offset: int = 0, limit: int = PAGE_SIZE, *, requested: Collection[str] | None = None
    ) -> EmployeePage:
        """Returns one page of employees (``GET /v1/company/employees``). ``offset`` counts employees, not pages.

        Personio is asked for the ``requested`` attributes, and for its timestamp of the last change. What it sends beside
        them is dropped. None requests all attributes that the credential may read.
        """
        keys = _list_keys(requested)
        entries, total = await self._read_list(offset, limit, _select(keys, None))
        return _parse_page(entries, keys, offset, total)

    async def _read_list(self, offset: int, limit: int, selection: Query) -> tuple[list[object], int | None]:
        """Returns the elements of a page, and the announced number of employees; None without a usable one."""
        body = await self._get("/v1/company/employees", {"limit": limit, "offset": offset, **selection})
        metadata = body.get("metadata")
        total = metadata.get("total_elements") if isinstance(metadata, dict) else None
        is_number = isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= MAX_TOTAL
        return _get_list(body), total if is_number else None

    async def iterate_pages(
        self, requested: Collection[str] | None = None, since: datetime | None = None
    ) -> AsyncGenerator[EmployeePage, None]:
        """Yields employees with the ``requested`` attributes, page by page; None requests all attributes.

        With ``since``, Personio lists only employees with a change of one of these attributes after that time. It shows changes
        late, repeats and misses some, and can lower the total while it lists them.

        A page with more employees than were asked for, or with very many values, is yielded in parts, so that none takes the
        process for long. Raises ``PersonioUnavailableError`` for a list that does not end.

        Stops at an empty page, or at a short page that reaches the total. A full last page is followed by one more
        request, because employees may be added while paging.
        """
        keys = _list_keys(requested)
        selection = _select(keys, since)
        offset = 0
        previous: tuple[EmployeeId, ...] = ()
        while True:
            entries, total = await self._read_list(offset, PAGE_SIZE, selection)
            for start, part_entries in _split(entries):
                part = _parse_page(part_entries, keys, offset + start, total)
                if start == 0:
                    ids = tuple(employee.id for employee in part.employees)
                    if ids and ids == previous:
                        raise PersonioUnavailableError(
                            f"Personio's list of employees repeats a page (offset {offset}): {RETRY_HINT}"
                        )
                    previous = ids
                yield part
            offset += len(entries)
            if not entries or (len(entries) < PAGE_SIZE and total is not None and offset >= total):
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
        employee = parse_employee(_parse_body(response).get("data"))
        if employee is None or employee.id != employee_id:
            raise PersonioUnavailableError(f"Personio answers with another employee than {employee_id}: {RETRY_HINT}")
        return employee

    async def _get(self, path: str, params: Query) -> dict[str, Any]:
        return _parse_body(await self._auth.send_get(path, params))


def _parse_body(response: httpx.Response) -> dict[str, Any]:
    """Returns the JSON object of a successful response; raises the errors of Personio for any other response."""
    status = response.status_code
    body = parse_json_object(response)
    if status < httpx.codes.BAD_REQUEST and body is not None and body.get("success") is not False:
        return body
    path = response.request.url.path
    if status in {401, 403}:
        raise PersonioRefusedError(
            f"Personio refuses {path} ({status}): give the credential the right to read employees"
        )
    if status == httpx.codes.NOT_FOUND and body is None:
        raise PersonioAddressError(f"the path {path} does not exist (404): {ADDRESS_HINT}")
    if status >= httpx.codes.BAD_REQUEST:
        raise PersonioRefusedError(f"Personio does not accept {path} ({status})")
    raise PersonioUnavailableError(f"the answer to {path} ({status}) does not come from Personio's API: {RETRY_HINT}")


def _list_keys(requested: Collection[str] | None) -> list[str] | None:
    """Returns the keys to ask for, in order; None asks for all attributes."""
    return None if requested is None else sorted({*requested, MODIFIED_AT})


def _select(keys: Sequence[str] | None, since: datetime | None) -> Query:
    """Returns the parameters that select attributes and employees. The time has no zone, in the form that Personio documents."""
    attributes: Query = {} if keys is None else {"attributes[]": keys}
    if since is None:
        return attributes
    return {**attributes, "updated_since": [since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")]}


def _split(entries: Sequence[object]) -> Iterator[tuple[int, Sequence[object]]]:
    """Yields the elements of a page in parts, each with the index of its first element. An empty page is one part."""
    start, values = 0, 0
    for index, entry in enumerate(entries):
        if index - start >= PAGE_SIZE or values >= MAX_PART_VALUES:
            yield start, entries[start:index]
            start, values = index, 0
        values += count_values(entry)
    yield start, entries[start:]


def _parse_page(
    entries: Sequence[object], keys: Collection[str] | None, offset: int, total: int | None
) -> EmployeePage:
    parsed = [parse_employee(entry, keys) for entry in entries]
    employees = tuple(employee for employee in parsed if employee is not None)
    return EmployeePage(employees, offset, total, len(parsed) - len(employees))


def _get_list(body: dict[str, Any]) -> list[object]:
    data = body.get("data")
    if not isinstance(data, list):
        raise PersonioUnavailableError(f"Personio's list has no data: {RETRY_HINT}")
    return data
