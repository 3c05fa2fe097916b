"""What is stored of employees, with only the methods that the poller calls."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from services.contracts.catalogues import SourceCatalogue
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import NotedListing, Snapshot, SnapshotState


class Snapshots(Protocol):
    """The snapshots of all connections."""

    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]:
        """Returns the existing snapshots of these employees."""
        ...

    async def read_states(
        self, connection: ConnectionId, employees: Iterable[EmployeeId]
    ) -> dict[EmployeeId, SnapshotState | None]:
        """Returns the states of the existing snapshots; None for one that is needed as a whole."""
        ...

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]:
        """Stores each snapshot if the stored revision is the paired one. Returns the employees with another one."""
        ...

    async def replace_attributes(self, snapshots: Sequence[Snapshot]) -> None:
        """Stores the attributes of these snapshots, unless their revision has changed. All else stays as it is."""
        ...

    async def note_listings(self, connection: ConnectionId, noted: Sequence[NotedListing]) -> None:
        """Notes how Personio lists employees, unless their content has changed since the comparison."""
        ...

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has acknowledged these revisions."""
        ...

    async def mark_oversized(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that these revisions are too large for Kafka."""
        ...

    async def read_pending(self, connection: ConnectionId, limit: int) -> tuple[Snapshot, ...]:
        """Returns stored changes that are not known to be published."""
        ...

    def stream(
        self, connection: ConnectionId, employees: Iterable[EmployeeId] | None = None, batch: int = 500
    ) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Yields the snapshots of all employees, or of the named ones, in batches."""
        ...

    def stream_employee_ids(self, connection: ConnectionId) -> AsyncIterator[EmployeeId]:
        """Yields the ids of all employees with a snapshot."""
        ...

    async def mark_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a complete scan did not list these employees."""
        ...

    async def find_marked_absent(self, connection: ConnectionId) -> frozenset[EmployeeId]:
        """Returns the employees that an earlier complete scan no longer listed, and none listed since."""
        ...

    async def find_unknown(self, connection: ConnectionId, before: datetime, limit: int) -> Sequence[EmployeeId]:
        """Returns absent employees that a first lookup has not found, at this time or earlier, and without a decision."""
        ...

    async def find_not_looked_up(self, connection: ConnectionId, limit: int) -> Sequence[EmployeeId]:
        """Returns absent employees without a lookup and without a decision."""
        ...

    async def mark_unknown(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a first lookup has not found these absent employees."""
        ...

    async def clear_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None:
        """Notes that Personio lists these employees again."""
        ...

    async def find_oversized(self, connection: ConnectionId) -> Sequence[EmployeeId]:
        """Returns the employees with a newest event that is too large for Kafka."""
        ...

    async def find_due(self, connection: ConnectionId, today: date, limit: int) -> Sequence[EmployeeId]:
        """Returns listed employees with a ``next_day`` that has come, the longest due first."""
        ...

    async def count(self, connection: ConnectionId) -> int:
        """Returns the number of snapshots."""
        ...

    async def count_present(self, connection: ConnectionId) -> int:
        """Returns the number of employees that are listed, and neither inactive nor removed."""
        ...


class SettlementMarks(Protocol):
    """The marks on snapshots that tell what the ledger says."""

    async def repair_unsettled(self, connection: ConnectionId) -> int:
        """Corrects the marks of the employees that count as unsettled."""
        ...

    async def repair_all(self, connection: ConnectionId) -> int:
        """Corrects the marks of all employees."""
        ...


class Catalogues(Protocol):
    """The source catalogues of all connections."""

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        ...
