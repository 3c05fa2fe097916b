"""Previews a mapping: what the writer would do with one employee, or with all, if the mapping were published now.

The writer's own decisions are made, with employees as Personio shows them now and accounts as Declaree shows them. Nothing is written,
neither to Declaree nor to the database.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from services.accounts.dry_writer import DrySettlement, DryWriter, Server, list_managers
from services.accounts.index import AccountIndex
from services.admin.existing_accounts import Progress
from services.admin.preview.collection import MappedEmployees
from services.admin.preview.results import (
    PersonPreview,
    PopulationPreview,
    PreviewedRequest,
    find_reason,
    find_result,
    list_changes,
)
from services.admin.preview.source import DraftMapper, MappedEmployee, OpenVendors, open_vendors
from services.admin.preview.tally import Tally, UnmatchedTally
from services.admin.tasks import build_unknown_employee
from services.clients.declaree.client import build_request
from services.contracts.connections import Connection
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import MappingDocument
from services.provisioning.calls import Answer, Call, Page
from services.provisioning.manager import find_wanted_manager
from services.provisioning.rehearsal import SentWrite
from services.provisioning.server import ServerDescription
from services.runtime.clock import Clock
from services.store.database import Store

CHUNK = 200
"""Number of employees with ledger entries that are read together."""
MAX_ROUNDS = 10
"""Number of times that employees are settled again, because an address or the account of a manager has become available."""
MAX_MANAGERS = 50
"""Number of managers above one employee that are previewed with the employee."""


async def preview_person(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    mapping: MappingDocument,
    employee: EmployeeId,
    *,
    allow_private: bool,
    open_clients: OpenVendors = open_vendors,
) -> PersonPreview:
    """Returns what the writer would do with one employee, with values: show it only on request. Writes nothing.

    Managers without an account are previewed with the employee, because they would be created first. All other employees stay as they
    are. ``allow_private`` allows addresses of private networks. Raises ``UnknownConnectionError``, ``UnknownEmployeesError``,
    ``MissingAttributesError``, ``EncryptionKeyError`` and ``TransientError``.
    """
    stored = await store.connections.get(connection)
    async with _open(store, clock, stored, mapping, open_clients, allow_private=allow_private) as (writer, drafts, _):
        mapped = await drafts.read(employee)
        if mapped is None:
            raise build_unknown_employee(connection, employee)
        people = [*reversed(await _read_managers(store, drafts, mapping, mapped)), mapped]
        entries = await store.ledger.read(one.request.person for one in people)
        settlements = [
            await writer.settle(
                one.request,
                entries.get(one.request.person),
                await store.ledger.read(list_managers({one.request.person: one.request})),
                is_absent=one.is_absent,
                raises=True,
            )
            for one in people
        ]
    return _describe(mapped, settlements[-1], drafts.version)


async def preview_population(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    mapping: MappingDocument,
    progress: Progress,
    *,
    allow_private: bool,
    with_names: bool = False,
    with_values: bool = False,
    open_clients: OpenVendors = open_vendors,
) -> PopulationPreview:
    """Returns what the writer would do with all employees of a connection: ids and numbers. Writes nothing.

    The accounts are listed once. ``progress`` receives what is read or settled. ``with_names`` adds names, and ``with_values``
    the values that are not in value tables: both are personal data.
    Raises the errors of ``preview_person``, and ``PreviewTooLargeError``.
    """
    stored = await store.connections.get(connection)
    async with _open(store, clock, stored, mapping, open_clients, progress=progress, allow_private=allow_private) as (
        writer,
        drafts,
        server,
    ):
        index = await writer.lookups.read_list()
        employees = MappedEmployees()
        names: dict[EmployeeId, str] = {}
        unreadable: set[EmployeeId] = set()
        unmatched = UnmatchedTally()
        await _collect(drafts, employees, names if with_names else None, unreadable, unmatched, progress)
        tally = Tally()
        await _settle_all(store, writer, index, employees, tally, progress)
    return tally.build(
        drafts.version,
        stored,
        unreadable=len(unreadable),
        accounts=None if index is None else server.listed,
        unmatched=unmatched.build(with_values=with_values),
        names=names,
    )


class _ReportingServer:
    """A server that reports how many accounts it has listed."""

    def __init__(self, server: Server, progress: Progress | None) -> None:
        self._server = server
        self._progress = progress
        self.listed = 0
        """Number of accounts that were listed so far."""

    async def discover(self) -> ServerDescription:
        """Returns what the server says about itself."""
        return await self._server.discover()

    async def perform(self, call: Call) -> Answer:
        """Sends a lookup."""
        answer = await self._server.perform(call)
        if isinstance(answer, Page):
            self.listed += len(answer.resources)
            if self._progress is not None:
                await self._progress("accounts", self.listed, answer.total)
        return answer


@asynccontextmanager
async def _open(
    store: Store,
    clock: Clock,
    connection: Connection,
    mapping: MappingDocument,
    open_clients: OpenVendors,
    *,
    progress: Progress | None = None,
    allow_private: bool,
) -> AsyncIterator[tuple[DryWriter, DraftMapper, _ReportingServer]]:
    """Yields what a preview works with."""
    async with open_clients(connection, clock, allow_private=allow_private) as vendors:
        server = _ReportingServer(vendors.declaree, progress)
        writer = DryWriter(connection, store, server, clock)
        try:
            drafts = await DraftMapper.open(store, clock, connection, mapping, vendors.personio)
            await writer.describe_server()
            yield writer, drafts, server
        finally:
            await writer.lookups.stop()


# ------------------------------------------------------------ one employee


async def _read_managers(
    store: Store, drafts: DraftMapper, mapping: MappingDocument, mapped: MappedEmployee
) -> list[MappedEmployee]:
    """Returns the managers above an employee that are settled first: those without an account, or with another external id."""
    found: list[MappedEmployee] = []
    seen = {mapped.request.employee_id}
    current: MappedEmployee | None = mapped
    while current is not None and len(found) < MAX_MANAGERS:
        manager = find_wanted_manager(current.request)
        if manager is None or manager in seen:
            break
        seen.add(manager)
        entry = await store.ledger.get(PersonKey(drafts.connection, manager))
        is_settled = entry is not None and entry.account_id is not None
        if entry is not None and is_settled and entry.external_id == mapping.external_id_prefix + manager:
            break
        current = await drafts.read(manager)
        found += [current] if current is not None else []
    return found


def _describe(mapped: MappedEmployee, settlement: DrySettlement, version: int) -> PersonPreview:
    reason, field = find_reason(settlement)
    return PersonPreview(
        employee=mapped.request.employee_id,
        mapping_version=version,
        is_absent=mapped.is_absent,
        attributes=mapped.event.attributes,
        phase=mapped.event.phase,
        intent=mapped.request.intent,
        result=find_result(settlement),
        reason=reason,
        field=field,
        account=settlement.entry.account_id,
        changes=list_changes(settlement),
        requests=tuple(map(_describe_request, settlement.sent)),
    )


def _describe_request(sent: SentWrite) -> PreviewedRequest:
    request = build_request(sent.call)
    return PreviewedRequest(request.method, request.path, request.body, sent.is_taken)


# ------------------------------------------------------------ all employees


async def _collect(
    drafts: DraftMapper,
    employees: MappedEmployees,
    names: dict[EmployeeId, str] | None,
    unreadable: set[EmployeeId],
    unmatched: UnmatchedTally,
    progress: Progress,
) -> None:
    """Maps the employees that Personio lists, and those that it no longer lists. Notes the names as well if ``names`` is given."""

    def add(mapped: MappedEmployee) -> None:
        employees.add(mapped)
        unmatched.add(mapped.request.employee_id, mapped.unmatched)
        if names is not None and mapped.name is not None:
            names[mapped.request.employee_id] = mapped.name

    async for page, read in drafts.iterate_listed():
        for mapped in read:
            add(mapped)
        unreadable |= {listed.id for listed in page.employees} - employees.packed.keys()
        await progress("employees", len(employees), page.total)
    async for batch in drafts.iterate_unlisted(employees.packed):
        for mapped in batch:
            add(mapped)


async def _settle_all(
    store: Store,
    writer: DryWriter,
    index: AccountIndex | None,
    employees: MappedEmployees,
    tally: Tally,
    progress: Progress,
) -> None:
    """Settles all employees in the writer's order, and again those for which something has become available."""
    done = 0
    order = employees.order()
    for chunk in _split(order):
        await _settle_chunk(store, writer, index, employees, chunk, tally)
        done += len(chunk)
        await progress("preview", done, len(order))
    for _ in range(MAX_ROUNDS):
        blocked, writes = tally.list_blocked(writer), tally.writes
        for chunk in _split(blocked):
            await _settle_chunk(store, writer, index, employees, chunk, tally)
        if tally.writes == writes:
            return


def _split(employees: Sequence[EmployeeId]) -> Iterable[Sequence[EmployeeId]]:
    return (employees[start : start + CHUNK] for start in range(0, len(employees), CHUNK))


async def _settle_chunk(
    store: Store,
    writer: DryWriter,
    index: AccountIndex | None,
    employees: MappedEmployees,
    chunk: Sequence[EmployeeId],
    tally: Tally,
) -> None:
    requests = {request.person: request for request in map(employees.get, chunk)}
    stored = await store.ledger.read({*requests, *list_managers(requests)})
    await writer.read_ahead(requests.values(), stored, index)
    for person, request in requests.items():
        entry = writer.people.find_entry(person) or stored.get(person)
        is_absent = person.employee_id in employees.absent
        tally.add(person.employee_id, await writer.settle(request, entry, stored, is_absent=is_absent))
