"""One full scan of a connection: page by page, with at most two pages in memory."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, EmployeePage, get_parent
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import RunCounts
from services.contracts.snapshots import Snapshot
from services.poller.observe import detect_change
from services.poller.outbox import Outbox
from services.poller.ports import Personio, PollPlan
from services.poller.scan_limits import PageReader, ScanLimits, ScanStoppedError
from services.poller.selection import Selection
from services.poller.snapshot_ports import Catalogues, Snapshots
from services.poller.source_catalogue import SourceCatalogueKeeper
from services.runtime.clock import Clock


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
    """Number of employees with an attribute that is too large, or with an event that is too large for Kafka."""
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
    filled: Counter[str] = field(default_factory=Counter)
    """Number of employees with a value, by the requested key."""
    invisible: tuple[str, ...] = ()
    """Keys of wanted attributes that the credential cannot read."""
    known: int = 0
    """Number of listed employees with a snapshot from an earlier scan."""
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

    def count_lost(self, lost: Iterable[Snapshot]) -> None:
        """Takes changes back that are not stored: another poller was faster, or the stored snapshot cannot be read."""
        for snapshot in lost:
            self.created -= snapshot.kind is ChangeKind.CREATED
            self.changed -= snapshot.kind is ChangeKind.CHANGED

    def get_counts(self) -> RunCounts:
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


class Scan:
    """Compares all employees in Personio with their snapshots. A dry run neither stores nor publishes anything."""

    def __init__(
        self,
        snapshots: Snapshots,
        catalogues: Catalogues,
        outbox: Outbox,
        clock: Clock,
        limits: ScanLimits,
        *,
        dry_run: bool = False,
    ) -> None:
        """Stores changes in ``snapshots`` and publishes them through ``outbox``. Refreshes the catalogue of the source.
        ``limits`` are shared with other scans.
        """
        self._snapshots = snapshots
        self._catalogues = catalogues
        self._outbox = outbox
        self._clock = clock
        self._limits = limits
        self._dry_run = dry_run

    async def run(
        self,
        plan: PollPlan,
        personio: Personio,
        wanted: frozenset[str],
        progress: Callable[[Tally], Awaitable[None]],
    ) -> Tally:
        """Scans all pages for the ``wanted`` attributes and calls ``progress`` after each.

        At a limit the scan stops, and is not complete. If as many employees with a snapshot are listed as ``plan`` has counted,
        none is absent. Raises ``MissingAttributesError``.
        """
        tally = Tally()
        async with self._limits.open(personio) as reader:
            try:
                await self._scan(plan, reader, wanted, tally, progress)
            except ScanStoppedError as error:
                tally.stopped = str(error)
        if tally.is_complete and tally.known != plan.employees:
            await self._report_absent(plan.connection_id, tally)
        return tally

    async def _scan(
        self,
        plan: PollPlan,
        reader: PageReader,
        wanted: frozenset[str],
        tally: Tally,
        progress: Callable[[Tally], Awaitable[None]],
    ) -> None:
        selection = await reader.begin(wanted)
        tally.invisible = selection.invisible
        catalogue = SourceCatalogueKeeper(self._catalogues, self._snapshots, self._outbox, plan)
        if not self._dry_run:
            async with self._limits.places:
                await catalogue.begin(selection)
        while (page := await reader.read()) is not None:
            known = len(tally.ids)
            async with self._limits.places:
                reader.prefetch()
                await self._handle_page(plan.connection_id, page, tally, selection)
                await progress(tally)
            reader.note_new(len(tally.ids) - known)
        if not self._dry_run:
            await catalogue.end(selection, tally.filled, len(tally.ids))

    async def _handle_page(
        self, connection: ConnectionId, page: EmployeePage, tally: Tally, selection: Selection
    ) -> None:
        employees = {employee.id: employee for employee in page.employees}
        tally.totals.add(page.total)
        tally.skipped += page.skipped
        tally.repeated += len(page.employees) - len(employees) + len(tally.ids & employees.keys())
        tally.ids |= employees.keys()
        stored = await self._snapshots.read(connection, employees)
        tally.known += len(stored)
        changes = self._detect_changes(connection, employees, stored, tally, selection)
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
        tally.count_lost(snapshot for snapshot, _ in changes if snapshot.employee_id in lost)
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
        selection: Selection,
    ) -> list[tuple[Snapshot, int | None]]:
        """Returns the changed snapshots, each with the revision that it replaces; None for a new employee."""
        changes: list[tuple[Snapshot, int | None]] = []
        now = self._clock.now()
        for employee in employees.values():
            previous = stored.get(employee.id)
            filled = {get_parent(key) for key, value in employee.attributes.items() if value is not None}
            tally.filled.update(filled & selection.requested)
            snapshot = detect_change(connection, previous, employee, now, selection.stored)
            if snapshot is None:
                tally.unchanged += 1
                continue
            tally.created += snapshot.kind is ChangeKind.CREATED
            tally.changed += snapshot.kind is ChangeKind.CHANGED
            tally.oversized += bool(snapshot.oversized)
            changes.append((snapshot, previous.revision if previous else None))
        return changes

    async def _report_absent(self, connection: ConnectionId, tally: Tally) -> None:
        absent = [key async for key in self._snapshots.stream_employee_ids(connection) if key not in tally.ids]
        tally.absent = len(absent)
        if absent and not self._dry_run:
            await self._snapshots.mark_absent(connection, absent, self._clock.now())
