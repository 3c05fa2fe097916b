"""What the poller needs of the world."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.clients.personio.client import AttributeDefinition, EmployeePage
from services.contracts.envelope import Record
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot


class Personio(Protocol):
    async def attributes(self) -> tuple[AttributeDefinition, ...]: ...

    def pages(self) -> AsyncIterator[EmployeePage]: ...


class Source(Protocol):
    """Opens a connection's Personio for one run."""

    def __call__(self, connection: ConnectionId) -> AbstractAsyncContextManager[Personio]: ...


class Snapshots(Protocol):
    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]: ...

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]: ...

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None: ...

    async def refuse(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None: ...

    async def pending(
        self, connection: ConnectionId, limit: int, after: EmployeeId | None = None
    ) -> tuple[Snapshot, ...]: ...

    def stream(
        self, connection: ConnectionId, employees: Iterable[EmployeeId] | None = None, batch: int = 500
    ) -> AsyncIterator[tuple[Snapshot, ...]]: ...

    def employee_ids(self, connection: ConnectionId) -> AsyncIterator[EmployeeId]: ...

    async def set_missing(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None: ...

    async def clear_missing(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None: ...


class Publisher(Protocol):
    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]: ...
