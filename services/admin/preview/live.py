"""Previews a mapping: what the writer would do with one employee, or with all, if the mapping were published now.

The writer's own decisions are made, with employees as Personio shows them now and accounts as Declaree shows them. Nothing is written,
neither to Declaree nor to the database.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from services.accounts.dry_writer import DrySettlement, DryWriter, Server, list_manager_accounts
from services.accounts.lookups import AccountLookups
from services.accounts.memory import begin_memory
from services.admin.existing_accounts import Progress
from services.admin.preview.batches import PageToMap, map_page, open_mapper
from services.admin.preview.collection import CollectedEmployee, CollectedEmployees
from services.admin.preview.draft import MappedEmployee
from services.admin.preview.giving import Giver
from services.admin.preview.results import (
    PersonPreview,
    PopulationPreview,
    PreviewedRequest,
    find_reason,
    find_result,
    list_changes,
)
from services.admin.preview.settling import Settler
from services.admin.preview.source import DraftReader, OpenVendors, open_vendors
from services.admin.preview.tally import UnmatchedTally
from services.admin.tasks import build_unknown_employee
from services.clients.declaree.client import build_request
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import MappingDocument
from services.provisioning.calls import Answer, Call, Page
from services.provisioning.manager import find_wanted_manager
from services.provisioning.rehearsal import SentWrite
from services.provisioning.server import ServerDescription
from services.runtime.clock import Clock
from services.runtime.processes import Processes, open_processes
from services.store.database import Store

OpenProcesses: TypeAlias = Callable[..., AbstractContextManager[Processes]]
"""Opens the processes of this machine: ``open_processes``, or a function like it."""

MAX_MANAGERS = 50
"""Number of managers above one employee that are previewed with the employee."""
MANY_EMPLOYEES = 1_500
"""Number of employees of a company from which on further processes are worth the second in which they start."""


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
    async with _open(store, clock, stored, mapping, open_clients, allow_private=allow_private) as opened:
        reader = opened.reader
        mapped = await _read_mapped(reader, employee)
        if mapped is None:
            raise build_unknown_employee(connection, employee)
        people = [*reversed(await _read_managers(store, reader, mapping, mapped)), mapped]
        wanted = (find_wanted_manager(one.request) for one in people)
        named = {manager for manager in wanted if manager is not None} | {one.request.employee_id for one in people}
        entries = await store.ledger.read(PersonKey(connection, one) for one in named)
        managers = list_manager_accounts(entries)
        settlements = [
            await opened.writer.settle(
                one.request, entries.get(one.request.person), managers, is_absent=one.is_absent, raises=True
            )
            for one in people
        ]
    return _describe(mapped, settlements[-1], reader.version)


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
    open_workers: OpenProcesses = open_processes,
) -> PopulationPreview:
    """Returns what the writer would do with all employees of a connection: ids and numbers. Writes nothing.

    The accounts are listed once. ``progress`` receives what is read or settled. ``with_names`` adds names, and ``with_values``
    the values that are not in value tables: both are personal data. ``open_workers`` opens the processes for large companies.
    Raises the errors of ``preview_person``, and ``PreviewTooLargeError``.
    """
    stored = await store.connections.get(connection)
    with open_workers(map_page.__module__, PersonioClient.__module__) as processes:
        async with _open(
            store, clock, stored, mapping, open_clients, progress=progress, allow_private=allow_private
        ) as opened:
            opened.lookups.start_index()  # the accounts are listed while the employees are read
            collected = await _collect(store, opened.reader, progress, processes, with_names=with_names)
            index = await opened.lookups.read_list()
            people, writer = collected.employees, opened.writer
            giver = None
            if index is not None and processes.is_started:
                giver = Giver(store, clock, stored, writer, index, people)
            settler = Settler(store, connection, writer, index, people, progress)
            await settler.settle_all(processes, giver)
    return settler.tally.build(
        opened.reader.version,
        stored,
        unreadable=len(collected.unreadable),
        accounts=None if index is None else opened.server.listed,
        unmatched=collected.unmatched.build(with_values=with_values),
        names=collected.names,
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a preview works with."""

    writer: DryWriter
    """The writer that writes nothing."""
    reader: DraftReader
    """The employees."""
    server: _ReportingServer
    """The server of the accounts."""
    lookups: AccountLookups
    """The lookups on it."""


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
) -> AsyncIterator[_Opened]:
    """Yields what a preview works with."""
    async with open_clients(connection, clock, allow_private=allow_private) as vendors:
        server = _ReportingServer(vendors.declaree, progress)
        lookups = AccountLookups(server.perform, clock)
        writer = DryWriter(connection, store, server, lookups, begin_memory(connection.declaree), clock)
        try:
            reader = await DraftReader.open(store, clock, connection, mapping, vendors.personio)
            await writer.describe_server()
            yield _Opened(writer, reader, server, lookups)
        finally:
            await lookups.stop()


# ------------------------------------------------------------ one employee


async def _read_mapped(reader: DraftReader, employee: EmployeeId) -> MappedEmployee | None:
    """Returns one employee, mapped; None if neither Personio nor the database knows the id. Raises the errors of Personio."""
    found, previous = await reader.read(employee)
    mapper = open_mapper(reader.draft)
    if found is None:
        return None if previous is None else mapper.map_stored(previous, is_absent=True)
    return mapper.map_listed(found, previous)


async def _read_managers(
    store: Store, reader: DraftReader, mapping: MappingDocument, mapped: MappedEmployee
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
        entry = await store.ledger.get(PersonKey(reader.connection, manager))
        is_settled = entry is not None and entry.account_id is not None
        if entry is not None and is_settled and entry.external_id == mapping.external_id_prefix + manager:
            break
        current = await _read_mapped(reader, manager)
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


@dataclass(slots=True)
class _Collection:
    """What is collected of the employees of a connection."""

    employees: CollectedEmployees = field(default_factory=CollectedEmployees)
    """The mapped employees."""
    unreadable: set[EmployeeId] = field(default_factory=set)
    """The employees that Personio lists in a form that cannot be read."""
    unmatched: UnmatchedTally = field(default_factory=UnmatchedTally)
    """The values that are not in value tables."""
    names: dict[EmployeeId, str] = field(default_factory=dict)
    """First and last names; empty unless they were asked for."""

    def add(self, collected: Iterable[CollectedEmployee], *, with_names: bool) -> None:
        """Adds employees. Raises ``PreviewTooLargeError``."""
        for employee in collected:
            self.employees.add(employee)
            self.unmatched.add(employee.id, employee.unmatched)
            if with_names and employee.name is not None:
                self.names[employee.id] = employee.name


async def _collect(
    store: Store, reader: DraftReader, progress: Progress, processes: Processes, *, with_names: bool
) -> _Collection:
    """Maps the employees that Personio lists, and those that it no longer lists. Notes their ledger entries for other processes."""
    collected = _Collection()

    async def add(employees: Collection[CollectedEmployee]) -> None:
        collected.add(employees, with_names=with_names)
        if processes.is_started:
            people = [PersonKey(reader.connection, employee.id) for employee in employees]
            entries = await store.ledger.read(people)
            for person in people:  # a damaged entry may name another employee
                if person in entries:
                    collected.employees.note_entry(entries[person])

    async def iterate_pages() -> AsyncGenerator[PageToMap, None]:
        async with aclosing(reader.iterate_listed()) as read:
            async for page, stored in read:
                if page.offset == 0 and (page.total or 0) >= MANY_EMPLOYEES:
                    processes.start()  # before the first employee is collected, or not at all
                yield PageToMap(reader.draft, page.employees, stored, page.total)

    async with aclosing(processes.map(map_page, iterate_pages())) as pages:
        async for mapped in pages:
            await add(mapped.employees)
            collected.unreadable |= mapped.unreadable - collected.employees.ids
            await progress("employees", len(collected.employees), mapped.total)
    mapper = open_mapper(reader.draft)
    async for batch in reader.iterate_unlisted(collected.employees.ids):
        await add([CollectedEmployee.build(mapper.map_stored(snapshot, is_absent=True)) for snapshot in batch])
    return collected
