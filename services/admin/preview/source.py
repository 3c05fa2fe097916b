"""Reads employees from Personio and the database, to be mapped with a draft. Stores nothing."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

from services.accounts.dry_writer import Server
from services.admin.preview.draft import Draft
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MappingDocument, PublishedMapping
from services.contracts.snapshots import Snapshot
from services.mapping.selection import Selection, select_attributes
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import Clock
from services.runtime.reading_ahead import read_ahead
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


class DraftReader:
    """Reads employees, to map them with a draft under the number of the next version."""

    def __init__(
        self,
        store: Store,
        connection: ConnectionId,
        version: int,
        draft: Draft,
        personio: Personio,
        selection: Selection,
    ) -> None:
        """``version`` is the number that the draft would get."""
        self.connection = connection
        self.version = version
        self.draft = draft
        self._store = store
        self._personio = personio
        self._selection = selection

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
        draft = Draft(published.model_dump_json(), selection.stored, connection.time_zone, clock.now())
        return cls(store, connection.id, published.version, draft, personio, selection)

    async def read(self, employee: EmployeeId) -> tuple[Employee | None, Snapshot | None]:
        """Returns one employee as Personio shows it, and the snapshot; None for what does not exist. Raises the errors of Personio."""
        found = await self._personio.get_employee(employee)
        return found, (await self._store.snapshots.read(self.connection, [employee])).get(employee)

    async def iterate_listed(self) -> AsyncGenerator[tuple[EmployeePage, dict[EmployeeId, Snapshot]], None]:
        """Yields the employees that Personio lists, page by page, with their snapshots. Close it: it ends a request that is being made."""
        pages = read_ahead(self._personio.iterate_pages(self._selection.requested))
        async with aclosing(pages):
            async for page in pages:
                yield page, await self._store.snapshots.read(self.connection, [listed.id for listed in page.employees])

    async def iterate_unlisted(self, listed: Collection[EmployeeId]) -> AsyncIterator[list[Snapshot]]:
        """Yields the snapshots of the employees that are known and not listed: they would be resent, too."""
        async for batch in self._store.snapshots.stream(self.connection):
            yield [stored for stored in batch if stored.employee_id not in listed]
