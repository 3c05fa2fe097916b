"""Reads employees from Personio and maps them with a draft, as poller and mapper do. Stores nothing."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias
from zoneinfo import ZoneInfo

from services.accounts.dry_writer import Server
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MappingDocument, PublishedMapping
from services.contracts.outcomes import Intent
from services.contracts.snapshots import Snapshot
from services.mapping.employment import EmploymentCalendar
from services.mapping.engine import Engine
from services.mapping.observe import detect_change
from services.mapping.selection import Selection, select_attributes
from services.mapping.unmatched_values import TableCheck, UnmatchedValue
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import Clock
from services.store.database import Store


class Personio(Protocol):
    """One company's Personio."""

    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes that the credential may read."""
        ...

    def iterate_pages(self, requested: frozenset[str]) -> AsyncIterator[EmployeePage]:
        """Yields employees with these attributes, page by page."""
        ...

    async def get_employee(self, employee_id: EmployeeId) -> Employee | None:
        """Returns one employee; None if Personio does not know the id."""
        ...


@dataclass(frozen=True, slots=True)
class Vendors:
    """The clients of the vendors' systems of one connection."""

    personio: Personio
    """Personio."""
    declaree: Server
    """Declaree."""


OpenVendors: TypeAlias = Callable[..., AbstractAsyncContextManager[Vendors]]
"""Opens the clients of a connection: ``open_vendors``, or a function with the same parameters."""


@asynccontextmanager
async def open_vendors(connection: Connection, clock: Clock, *, allow_private: bool) -> AsyncIterator[Vendors]:
    """Yields the clients of a connection, and closes them. ``allow_private`` allows addresses of private networks."""
    declaree = DeclareeClient(
        connection.declaree,
        clock=clock,
        concurrency=1,
        longest_hold=SHORT_HOLD_SECONDS,
        allow_private=allow_private,
    )
    try:
        async with PersonioClient(connection.personio, clock=clock, allow_private=allow_private) as personio:
            yield Vendors(personio, declaree)
    finally:
        await declaree.close()


@dataclass(frozen=True, slots=True)
class MappedEmployee:
    """One employee, mapped with the draft."""

    request: AccountRequested
    """What the mapper would ask the writer for."""
    is_absent: bool
    """Whether Personio no longer lists the employee, or does not know the id."""
    name: str | None
    """First and last name; None if both are empty or unknown."""
    event: EmployeeChanged
    """What the request was mapped from."""
    unmatched: frozenset[UnmatchedValue] = frozenset()
    """Values that are not in value tables; nothing for an employee that needs no account."""


class DraftMapper:
    """Maps employees with a draft under the number of the next version."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        connection: Connection,
        published: PublishedMapping,
        personio: Personio,
        selection: Selection,
    ) -> None:
        """``published`` is the draft as it would be published."""
        self.connection: ConnectionId = connection.id
        self.version = published.version
        self._store = store
        self._clock = clock
        self._personio = personio
        self._selection = selection
        self._engine = Engine(published)
        self._tables = TableCheck(published.mapping)
        self._calendar = EmploymentCalendar.open(published, ZoneInfo(connection.time_zone), clock.now())

    @classmethod
    async def open(
        cls, store: Store, clock: Clock, connection: Connection, mapping: MappingDocument, personio: Personio
    ) -> Self:
        """Reads the number of the newest version, and which attributes are visible.

        Raises ``MissingAttributesError`` and the errors of Personio.
        """
        newest = await store.mappings.find_newest_versions([connection.id])
        published = PublishedMapping(
            connection_id=connection.id,
            version=newest.get(connection.id, 0) + 1,
            mapping=mapping,
            published_at=clock.now(),
        )
        selection = select_attributes(find_wanted_attributes(mapping), await personio.list_attributes())
        return cls(store, clock, connection, published, personio, selection)

    async def read(self, employee: EmployeeId) -> MappedEmployee | None:
        """Returns one employee; None if neither Personio nor the database knows the id. Raises the errors of Personio."""
        found = await self._personio.get_employee(employee)
        previous = (await self._store.snapshots.read(self.connection, [employee])).get(employee)
        if found is None:
            return None if previous is None else self._map(previous, is_absent=True)
        return self._map_listed(found, previous)

    async def iterate_listed(self) -> AsyncIterator[tuple[EmployeePage, list[MappedEmployee]]]:
        """Yields the employees that Personio lists, page by page. Those that cannot be read are left out."""
        async for page in self._personio.iterate_pages(self._selection.requested):
            read = [listed.read() for listed in page.employees]
            employees = [employee for employee in read if employee is not None]
            stored = await self._store.snapshots.read(self.connection, [employee.id for employee in employees])
            yield page, [self._map_listed(employee, stored.get(employee.id)) for employee in employees]

    async def iterate_unlisted(self, listed: Mapping[EmployeeId, object]) -> AsyncIterator[list[MappedEmployee]]:
        """Yields the employees that are known and not listed: they would be resent, too."""
        async for batch in self._store.snapshots.stream(self.connection):
            yield [self._map(stored, is_absent=True) for stored in batch if stored.employee_id not in listed]

    def _map_listed(self, employee: Employee, previous: Snapshot | None) -> MappedEmployee:
        now = self._clock.now()
        changed = detect_change(self.connection, previous, employee, now, self._selection.stored, self._calendar)
        snapshot = changed or previous
        if snapshot is None:
            raise RuntimeError("an employee without a snapshot has not changed")
        return self._map(snapshot, is_absent=False)

    def _map(self, snapshot: Snapshot, *, is_absent: bool) -> MappedEmployee:
        event = snapshot.to_event()
        request = self._engine.map(event)
        needs_account = request.intent in {Intent.PROVISION, Intent.REJECT}
        unmatched = self._tables.find(event.attributes) if needs_account else frozenset[UnmatchedValue]()
        return MappedEmployee(request, is_absent, snapshot.full_name, event, unmatched)
