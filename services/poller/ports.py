"""What the poller needs from outside, with only the methods that it calls."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol, TypeAlias

from services.contracts.catalogues import SourceCatalogue
from services.contracts.cloudevents import Record
from services.contracts.connections import Connection
from services.contracts.employees import AttributeDefinition, EmployeePage
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.leases import Lease, ProcessIdentity
from services.contracts.mappings import PublishedMapping
from services.contracts.runs import Run
from services.contracts.snapshots import Snapshot
from services.contracts.tasks import Action, Task
from services.poller.expiry import SnapshotExpiry
from services.poller.verification_ports import Claims, Ledger, Mappings, Verifications

ProgressCallback: TypeAlias = Callable[[Mapping[str, int]], Awaitable[None]]
"""Receives the counts of work in progress."""


class Personio(Protocol):
    """One company's Personio, in any version of its API."""

    @property
    def queued_seconds(self) -> float:
        """Seconds in which requests have waited for their turn in this process."""
        ...

    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes that the credential may read."""
        ...

    def iterate_pages(self, requested: Collection[str]) -> AsyncIterator[EmployeePage]:
        """Yields all employees with the requested attributes, page by page."""
        ...


class PollPlan(Protocol):
    """What a connection needs, as it was when the plan was read."""

    @property
    def connection_id(self) -> ConnectionId:
        """The connection."""
        ...

    @property
    def is_active(self) -> bool:
        """Whether the connection exists and is not paused."""
        ...

    @property
    def employees(self) -> int:
        """Number of snapshots."""
        ...

    @property
    def has_succeeded(self) -> bool:
        """Whether the newest run has succeeded."""
        ...

    @property
    def rejected_resent_on(self) -> date | None:
        """The day (UTC) of the last resend of rejected employees; None if there was none."""
        ...

    @property
    def verified_on(self) -> date | None:
        """The day (UTC) of the last scheduled verification; None if there was none."""
        ...

    @property
    def catalogue(self) -> SourceCatalogue | None:
        """The source catalogue; None before the first scan."""
        ...

    @property
    def open_mapping(self) -> Callable[[], PublishedMapping | None]:
        """Returns the newest published mapping; None before the first."""
        ...

    @property
    def open_connection(self) -> Callable[[], Connection]:
        """Returns the connection with its secrets."""
        ...

    def needs_any(self, *names: str) -> bool:
        """Returns whether the connection needs one of these."""
        ...


class Source(Protocol):
    """Opens a connection's Personio for one run."""

    def __call__(self, plan: PollPlan) -> AbstractAsyncContextManager[Personio]:
        """Returns the client as a context manager."""
        ...


class Publisher(Protocol):
    """Publishes records to Kafka."""

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Publishes the records and waits for Kafka. Returns the records that are too large for Kafka."""
        ...


class Snapshots(Protocol):
    """The snapshots of all connections."""

    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]:
        """Returns the existing snapshots of these employees."""
        ...

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]:
        """Stores each snapshot if the stored revision is the paired one. Returns the employees with another one."""
        ...

    async def replace_attributes(self, snapshots: Sequence[Snapshot]) -> None:
        """Stores the attributes of these snapshots, unless their revision has changed. All else stays as it is."""
        ...

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has acknowledged these revisions."""
        ...

    async def mark_oversized(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that these revisions are too large for Kafka."""
        ...

    async def read_pending(
        self, connection: ConnectionId, limit: int, after: EmployeeId | None = None
    ) -> tuple[Snapshot, ...]:
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

    async def clear_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None:
        """Notes that Personio lists these employees again."""
        ...

    async def find_oversized(self, connection: ConnectionId) -> Sequence[EmployeeId]:
        """Returns the employees with a newest event that is too large for Kafka."""
        ...

    async def count(self, connection: ConnectionId) -> int:
        """Returns the number of snapshots."""
        ...


class Catalogues(Protocol):
    """The source catalogues of all connections."""

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        ...


class Polls(Protocol):
    """The plans of polls."""

    async def plan(self, connection: ConnectionId) -> PollPlan:
        """Returns what a connection needs. Sends one query."""
        ...


class SettlementMarks(Protocol):
    """The marks on snapshots that tell what the ledger says."""

    async def repair_unsettled(self, connection: ConnectionId) -> int:
        """Corrects the marks of the employees that count as unsettled."""
        ...

    async def repair_all(self, connection: ConnectionId) -> int:
        """Corrects the marks of all employees."""
        ...


class Runs(Protocol):
    """The history of runs."""

    async def begin(self, connection: ConnectionId, *, now: datetime, is_stored: bool = True) -> Run:
        """Returns a new run. Without ``is_stored``, only ``save`` stores it."""
        ...

    async def fail_unfinished(self, connection: ConnectionId, error: str, *, now: datetime) -> int:
        """Ends the runs that an earlier lease owner left unfinished. Returns their number."""
        ...

    async def save(self, run: Run) -> None:
        """Stores the new state of a run."""
        ...


class Tasks(Protocol):
    """The tasks that are filed for lease owners."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> object:
        """Files a task. With ``once``, an open task of the same key stands for the new one."""
        ...

    async def list_open(self, connection: ConnectionId) -> tuple[Task, ...]:
        """Returns the open tasks, oldest first."""
        ...

    async def find_connections_with_unfinished(
        self, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns connections with an open or running task, the longest unfinished first."""
        ...

    async def start(self, task: str) -> bool:
        """Marks a task as running. Returns False if it is no longer open."""
        ...

    async def set_progress(self, task: str, counts: Mapping[str, int]) -> None:
        """Stores the counts of a running task."""
        ...

    async def finish(self, task: str, counts: Mapping[str, int], *, now: datetime) -> None:
        """Marks a running task as done."""
        ...

    async def fail(self, task: str, error: str, *, now: datetime) -> None:
        """Marks a task as failed."""
        ...

    async def reopen_running(self, connection: ConnectionId) -> int:
        """Opens the tasks again that an earlier lease owner left running. Returns their number."""
        ...


class FollowUps(Protocol):
    """Queries for employees with a change that can be retried now."""

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[Sequence[EmployeeId]]:
        """Yields the employees with a rejected last change."""
        ...

    def page_incomplete(self, connection: ConnectionId, tried_before: datetime) -> AsyncIterator[Sequence[EmployeeId]]:
        """Yields the employees with a refused field that was tried before this time only."""
        ...

    async def find_resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees that are not written with the present account of their manager."""
        ...

    async def find_unblocked(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns the rejected employees for which the conflicting account has another user name now."""
        ...

    async def find_exchanging(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns the rejected employees that exchange their e-mail addresses, and so block each other."""
        ...


class PollSchedule(Protocol):
    """When each connection is polled next."""

    async def find_due(
        self, now: datetime, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns active connections with a due poll, the longest due first."""
        ...

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        """Stores the time of the next poll."""
        ...

    async def set_verified_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last scheduled verification."""
        ...

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last resend of rejected employees."""
        ...


class Leases(Protocol):
    """Leases with one owner at a time."""

    async def acquire(
        self,
        name: str,
        owner: ProcessIdentity,
        *,
        now: datetime,
        seconds: float,
        is_dead: Callable[[ProcessIdentity], bool],
    ) -> Lease | None:
        """Returns the lease; None if another live process owns it."""
        ...

    async def find_held(self, names: Iterable[str], *, now: datetime) -> tuple[Lease, ...]:
        """Returns those leases of these names that have not ended."""
        ...

    async def count_held(self, prefix: str, *, now: datetime) -> int:
        """Returns the number of leases with names that begin like this and have not ended."""
        ...

    async def forget_ended(self, prefix: str, *, before: datetime) -> None:
        """Deletes the leases with names that begin like this and ended before that time."""
        ...

    async def renew(self, lease: Lease, *, now: datetime, seconds: float) -> bool:
        """Extends the lease. Returns False if it was lost."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives the lease back. Does nothing for a lost lease."""
        ...


class Repositories(Protocol):
    """Everything that the poller reads and writes in the database."""

    @property
    def snapshots(self) -> Snapshots:
        """The snapshots."""
        ...

    @property
    def catalogues(self) -> Catalogues:
        """The source catalogues."""
        ...

    @property
    def runs(self) -> Runs:
        """The runs."""
        ...

    @property
    def tasks(self) -> Tasks:
        """The tasks."""
        ...

    @property
    def followups(self) -> FollowUps:
        """The employees to resend."""
        ...

    @property
    def polls(self) -> Polls:
        """The plans of polls."""
        ...

    @property
    def marks(self) -> SettlementMarks:
        """The marks on snapshots."""
        ...

    @property
    def schedule(self) -> PollSchedule:
        """The poll times."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The ledger entries."""
        ...

    @property
    def claims(self) -> Claims:
        """The owners of accounts."""
        ...

    @property
    def mappings(self) -> Mappings:
        """The published mappings."""
        ...

    @property
    def verifications(self) -> Verifications:
        """The verifications and their findings."""
        ...

    @property
    def expiry(self) -> SnapshotExpiry:
        """The snapshots of leavers."""
        ...

    @property
    def leases(self) -> Leases:
        """The leases."""
        ...
