"""One full scan of a connection: page by page, with at most two pages in memory."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, EmployeePage, find_missing_attributes
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import RunCounts
from services.contracts.snapshots import Snapshot
from services.errors import ConfigurationError
from services.poller.observe import detect_change
from services.poller.outbox import Outbox
from services.poller.ports import Personio, Snapshots
from services.poller.scan_limits import PageReader, ScanLimits, ScanStoppedError
from services.runtime.clock import Clock


class MissingAttributesError(ConfigurationError):
    """The credential cannot read the attributes that a synchronisation requires."""

    code: ClassVar[str] = "missing-attributes"


@dataclass(slots=True)
class Tally:
    """The counts of a scan in progress."""

    created: int = 0
    """Number of new employees."""
    changed: int = 0
    """Number of employees with a changed attribute."""
    unchanged: int = 0
    """Number of employees without a change."""
    emitted: int = 0
    """Number of events that Kafka has acknowledged."""
    oversized: int = 0
    """Number of events that are too large for Kafka."""
    absent: int = 0
    """Number of employees with a snapshot that a complete scan no longer lists."""
    repeated: int = 0
    """Number of employees that Personio listed more than once."""
    skipped: int = 0
    """Number of list elements without an employee id."""
    totals: set[int | None] = field(default_factory=set)
    """The different numbers of employees that Personio announced; None stands for a page without a number."""
    ids: set[EmployeeId] = field(default_factory=set)
    """The ids of all listed employees, to find the absent ones. Takes some tens of bytes for each employee."""
    known: int = 0
    """Number of listed employees with a snapshot from an earlier scan."""
    no_longer_visible: set[str] = field(default_factory=set)
    """Keys of stored attributes that the credential can no longer read."""
    stopped: str | None = None
    """Why the scan ended before the last page; None if it did not."""

    @property
    def is_complete(self) -> bool:
        """Whether every page was received, the ids are unique, and the announced total stayed the same and is right."""
        if self.stopped is not None or self.repeated or self.skipped:
            return False
        return self.totals == {len(self.ids)}

    @property
    def has_more_pages(self) -> bool:
        """Whether Personio has announced more employees than it has listed so far, or no number."""
        return self.total is None or self.total > len(self.ids)

    @property
    def total(self) -> int | None:
        """The maximum of the numbers of employees that Personio announced; None if it announced none."""
        return max((total for total in self.totals if total is not None), default=None)

    def counts(self) -> RunCounts:
        """Returns the counts as they are stored with the run."""
        return RunCounts(
            seen=len(self.ids),
            created=self.created,
            changed=self.changed,
            unchanged=self.unchanged,
            emitted=self.emitted,
            oversized=self.oversized,
            absent=self.absent,
        )


async def read_visible_attributes(personio: Personio) -> frozenset[str]:
    """Returns the keys that the credential can read; raises ``MissingAttributesError`` if a required key is missing."""
    visible = frozenset(definition.key for definition in await personio.list_attributes())
    missing = find_missing_attributes(visible)
    if missing:
        raise MissingAttributesError(
            f"the Personio credential does not release: {', '.join(missing)}. "
            "Release these attributes for the credential in Personio (Settings, API credentials)"
        )
    return visible


class Scan:
    """Compares all employees in Personio with their snapshots. A dry run neither stores nor publishes anything."""

    def __init__(
        self, snapshots: Snapshots, outbox: Outbox, clock: Clock, limits: ScanLimits, *, dry_run: bool = False
    ) -> None:
        """Stores changes in ``snapshots`` and publishes them through ``outbox``. ``limits`` are shared with other scans."""
        self._snapshots = snapshots
        self._outbox = outbox
        self._clock = clock
        self._limits = limits
        self._dry_run = dry_run

    async def run(
        self,
        connection: ConnectionId,
        personio: Personio,
        progress: Callable[[Tally], Awaitable[None]],
        *,
        stored: int,
    ) -> Tally:
        """Scans all pages and calls ``progress`` after each. At a limit the scan stops, and is not complete.

        ``stored`` is the number of snapshots before the scan. If as many were listed, none is absent.
        """
        tally = Tally()
        async with self._limits.open(personio) as reader:
            try:
                await self._scan(connection, personio, reader, tally, progress)
            except ScanStoppedError as error:
                tally.stopped = str(error)
        if tally.is_complete and tally.known != stored:
            await self._report_absent(connection, tally)
        return tally

    async def _scan(
        self,
        connection: ConnectionId,
        personio: Personio,
        reader: PageReader,
        tally: Tally,
        progress: Callable[[Tally], Awaitable[None]],
    ) -> None:
        visible = await reader.wait(read_visible_attributes(personio))
        while (page := await reader.read()) is not None:
            known = len(tally.ids)
            async with self._limits.places:
                reader.prefetch()
                await self._handle_page(connection, page, tally, visible)
                await progress(tally)
            reader.note_new(len(tally.ids) - known)

    async def _handle_page(
        self, connection: ConnectionId, page: EmployeePage, tally: Tally, visible: frozenset[str]
    ) -> None:
        employees = {employee.id: employee for employee in page.employees}
        tally.totals.add(page.total)
        tally.skipped += page.skipped
        tally.repeated += len(page.employees) - len(employees) + len(tally.ids & employees.keys())
        tally.ids |= employees.keys()
        stored = await self._snapshots.read(connection, employees)
        tally.known += len(stored)
        changes = self._detect_changes(connection, employees, stored, tally)
        for snapshot in stored.values():
            tally.no_longer_visible |= {key for key in snapshot.attributes if key.partition(".")[0] not in visible}
        if self._dry_run:
            return
        # The process may have been suspended past its lease since it fetched this page. Storing the page would then
        # overwrite newer data.
        self._outbox.ensure_lease()
        returned = [key for key, snapshot in stored.items() if snapshot.absent_since is not None]
        if returned:
            await self._snapshots.clear_absent(connection, returned)
            await self._resend_unchanged(connection, [stored[key] for key in returned], changes)
        lost = await self._snapshots.save(changes) if changes else frozenset()
        saved = [snapshot for snapshot, _ in changes if snapshot.employee_id not in lost]
        emitted, oversized = await self._outbox.emit(connection, saved, SendReason.DETECTED)
        tally.emitted += emitted
        tally.oversized += oversized

    async def _resend_unchanged(
        self, connection: ConnectionId, returned: Sequence[Snapshot], changes: Sequence[tuple[Snapshot, int | None]]
    ) -> None:
        """Resends employees that are listed again without a change: nothing was provisioned while they were absent."""
        changed = {snapshot.employee_id for snapshot, _ in changes}
        unchanged = [snapshot for snapshot in returned if snapshot.employee_id not in changed]
        await self._outbox.emit(connection, unchanged, SendReason.RESENT)

    def _detect_changes(
        self,
        connection: ConnectionId,
        employees: dict[EmployeeId, Employee],
        stored: dict[EmployeeId, Snapshot],
        tally: Tally,
    ) -> list[tuple[Snapshot, int | None]]:
        """Returns the changed snapshots, each with the revision that it replaces; None for a new employee."""
        changes: list[tuple[Snapshot, int | None]] = []
        now = self._clock.now()
        for employee in employees.values():
            previous = stored.get(employee.id)
            snapshot = detect_change(connection, previous, employee, now)
            if snapshot is None:
                tally.unchanged += 1
                continue
            tally.created += snapshot.kind is ChangeKind.CREATED
            tally.changed += snapshot.kind is ChangeKind.CHANGED
            changes.append((snapshot, previous.revision if previous else None))
        return changes

    async def _report_absent(self, connection: ConnectionId, tally: Tally) -> None:
        absent = [key async for key in self._snapshots.stream_employee_ids(connection) if key not in tally.ids]
        tally.absent = len(absent)
        if absent and not self._dry_run:
            await self._snapshots.mark_absent(connection, absent, self._clock.now())
