"""Both ends of the poller, Personio and Kafka, and the plan of a poll, with only the methods that it calls."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

from services.contracts.catalogues import SourceCatalogue
from services.contracts.cloudevents import Record
from services.contracts.connections import Connection, Guard
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import PublishedMapping
from services.contracts.polls import PollProgress
from services.contracts.vendor_notes import VendorNotes

ProgressCallback: TypeAlias = Callable[[Mapping[str, int]], Awaitable[None]]
"""Receives the counts of work in progress."""


class Personio(Protocol):
    """One company's Personio, in any version of its API."""

    @property
    def fingerprint(self) -> str:
        """Identifies the address and the credential."""
        ...

    @property
    def queued_seconds(self) -> float:
        """Seconds in which requests have waited for their turn in this process."""
        ...

    @property
    def notes(self) -> VendorNotes:
        """What the answers so far said beside their content."""
        ...

    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes that the credential may read."""
        ...

    async def get_employee(self, employee_id: EmployeeId) -> Employee | None:
        """Returns one employee with all visible attributes; None if Personio does not know the id."""
        ...

    def iterate_pages(self, requested: Collection[str], since: datetime | None = None) -> AsyncIterator[EmployeePage]:
        """Yields employees with the requested attributes, page by page: those that have changed since a time; None for all."""
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
    def has_succeeded(self) -> bool:
        """Whether the newest run has succeeded."""
        ...

    @property
    def is_imported(self) -> bool:
        """Whether a complete scan was released before: the guard holds no first import."""
        ...

    @property
    def progress(self) -> PollProgress | None:
        """Up to when the changes are released; None before the first complete scan, and if it cannot be read."""
        ...

    @property
    def time_zone(self) -> ZoneInfo:
        """The company's time zone."""
        ...

    @property
    def guard(self) -> Guard:
        """The thresholds of the connection."""
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
        """Returns whether there is a document of one of these kinds, such as ``open_task``."""
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
