"""One full scan of a connection: page by page, at most two pages in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from services.clients.personio.client import EmployeePage
from services.clients.personio.employees import Employee
from services.contracts.envelope import Cause
from services.contracts.events import Kind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import RunCounts
from services.contracts.snapshots import Snapshot
from services.errors import ConfigurationError
from services.poller.changes import Seen, detect
from services.poller.outbox import Outbox
from services.poller.ports import Personio, Snapshots
from services.runtime.clock import Clock

MINIMUM = ("first_name", "last_name", "email", "status")


class MissingAttributesError(ConfigurationError):
    """The credential does not release what a synchronisation needs at least."""


@dataclass(slots=True)
class Tally:
    """What a scan has found so far. ``ids`` holds every id seen (some tens of bytes a person), to find who is missing."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    emitted: int = 0
    refused: int = 0
    missing: int = 0
    repeated: int = 0
    skipped: int = 0
    totals: set[int | None] = field(default_factory=set)
    ids: set[EmployeeId] = field(default_factory=set)
    unreleased: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Every page came, ids are unique, and the total was the same from the first page to the last."""
        return not self.repeated and not self.skipped and self.totals == {len(self.ids)}

    @property
    def total(self) -> int | None:
        """How many there are by what Personio says."""
        return max((total for total in self.totals if total is not None), default=None)

    def counts(self) -> RunCounts:
        return RunCounts(
            seen=len(self.ids),
            created=self.created,
            changed=self.changed,
            unchanged=self.unchanged,
            emitted=self.emitted,
            refused=self.refused,
            missing=self.missing,
        )


async def check_minimum(personio: Personio) -> frozenset[str]:
    """The keys that the credential releases; raises ``MissingAttributesError`` naming what has to be released."""
    released = frozenset(definition.key for definition in await personio.attributes())
    missing = [key for key in MINIMUM if key not in released]
    if missing:
        raise MissingAttributesError(
            f"the Personio credential does not release: {', '.join(missing)}. "
            "Release these attributes for the credential in Personio (Settings, API credentials)"
        )
    return released


class Scan:
    """Compares everybody in Personio with their snapshots. A dry run stores and sends nothing."""

    def __init__(self, snapshots: Snapshots, outbox: Outbox, clock: Clock, *, dry_run: bool = False) -> None:
        self._snapshots = snapshots
        self._outbox = outbox
        self._clock = clock
        self._dry_run = dry_run

    async def run(
        self, connection: ConnectionId, personio: Personio, progress: Callable[[Tally], Awaitable[None]]
    ) -> Tally:
        """``progress`` is told after each page."""
        tally = Tally()
        released = await check_minimum(personio)
        async for page in _ahead(personio.pages()):
            await self._page(connection, page, tally, released)
            await progress(tally)
        if tally.complete:
            await self._report_missing(connection, tally)
        return tally

    async def _page(self, connection: ConnectionId, page: EmployeePage, tally: Tally, released: frozenset[str]) -> None:
        employees = {employee.id: employee for employee in page.employees}
        tally.totals.add(page.total)
        tally.skipped += page.skipped
        tally.repeated += len(page.employees) - len(employees) + len(tally.ids & employees.keys())
        tally.ids |= employees.keys()
        known = await self._snapshots.read(connection, employees)
        changes = self._changes(connection, employees, known, tally)
        for snapshot in known.values():
            tally.unreleased |= {key for key in snapshot.attributes if key.partition(".")[0] not in released}
        if self._dry_run:
            return
        # a page that was fetched before this process slept for longer than its lease is older than what is stored now
        self._outbox.check()
        back = [key for key, snapshot in known.items() if snapshot.missing_since is not None]
        if back:
            await self._snapshots.clear_missing(connection, back)
        lost = await self._snapshots.save(changes) if changes else frozenset()
        stored = [snapshot for snapshot, _ in changes if snapshot.employee_id not in lost]
        emitted, refused = await self._outbox.emit(connection, stored, Cause.DETECTED)
        tally.emitted += emitted
        tally.refused += refused

    def _changes(
        self,
        connection: ConnectionId,
        employees: dict[EmployeeId, Employee],
        known: dict[EmployeeId, Snapshot],
        tally: Tally,
    ) -> list[tuple[Snapshot, int | None]]:
        changes: list[tuple[Snapshot, int | None]] = []
        now = self._clock.now()
        for employee in employees.values():
            previous = known.get(employee.id)
            seen = Seen(employee.id, employee.attributes, employee.modified_at)
            snapshot = detect(connection, previous, seen, now)
            if snapshot is None:
                tally.unchanged += 1
                continue
            tally.created += snapshot.kind is Kind.CREATED
            tally.changed += snapshot.kind is Kind.CHANGED
            changes.append((snapshot, previous.revision if previous else None))
        return changes

    async def _report_missing(self, connection: ConnectionId, tally: Tally) -> None:
        gone = [key async for key in self._snapshots.employee_ids(connection) if key not in tally.ids]
        tally.missing = len(gone)
        if gone and not self._dry_run:
            await self._snapshots.set_missing(connection, gone, self._clock.now())


async def _ahead(pages: AsyncIterator[EmployeePage]) -> AsyncIterator[EmployeePage]:
    """Fetches the next page while the current one is worked on."""
    coming = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await coming) is not None:
            coming = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        if not coming.cancelled():
            coming.exception()
