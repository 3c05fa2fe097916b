"""One full scan of a connection: page by page, with at most two pages in memory."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, EmployeePage, get_parent
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.observations import Observation, observe_change, was_active
from services.contracts.runs import RunCounts
from services.contracts.snapshots import Snapshot
from services.errors import ConnectorError
from services.poller.absences import Absences
from services.poller.observe import detect_change
from services.poller.outbox import Outbox
from services.poller.ports import Personio, PollPlan
from services.poller.scan_limits import ALL_SAFE, PageReader, ScanLimits, ScanStoppedError
from services.poller.selection import Selection
from services.poller.snapshot_ports import Catalogues, Snapshots
from services.poller.source_catalogue import SourceCatalogueKeeper
from services.poller.staging import Changes, Released
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
    removed: int = 0
    """Number of absent employees that count as deleted."""
    existing: int = 0
    """Number of employees that exist, although the list lacks them."""
    known: int = 0
    """Number of listed employees with a snapshot from an earlier scan."""
    gone: int = 0
    """Number of employees that were inactive, removed or no longer listed before the scan."""
    stopped: str | None = None
    """Why the scan ended before the last page; None if it did not."""

    def describe_gap(self) -> str | None:
        """Returns why the scan is not complete, with the announced and the listed number; None if it is complete."""
        if self.is_complete:
            return None
        if self.stopped is not None:
            return self.stopped
        announced = "no number of" if self.total is None else f"{self.total}"
        details = [f"Personio announced {announced} employees and listed {len(self.ids)}"]
        details += [f"{self.repeated} were listed more than once"] if self.repeated else []
        details += [f"{self.skipped} had no valid id"] if self.skipped else []
        details += [f"{self.existing} exist that it does not list"] if self.existing else []
        details += ["the announced number changed during the scan"] if len(self.totals) > 1 else []
        return f"{', '.join(details)}. {ALL_SAFE}"

    @property
    def is_complete(self) -> bool:
        """Whether every page was received, the ids are unique, and the announced total stayed the same and is right."""
        if self.stopped is not None or self.repeated or self.skipped or self.existing:
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

    def count_released(self, released: Released) -> None:
        """Counts what became of released changes. Those that are not stored no longer count as changes."""
        self.emitted += released.emitted
        self.oversized += released.oversized
        self.created -= released.lost_created
        self.changed -= released.lost_changed

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
            removed=self.removed,
            announced=self.total,
        )


class Scan:
    """Compares all employees in Personio with their snapshots. A dry run stores nothing."""

    def __init__(
        self,
        run: str,
        snapshots: Snapshots,
        catalogues: Catalogues,
        outbox: Outbox,
        changes: Changes,
        absences: Absences,
        clock: Clock,
        limits: ScanLimits,
        *,
        dry_run: bool = False,
    ) -> None:
        """``changes`` takes the changes of the run with the id ``run``. ``outbox`` resends employees that are listed again.
        ``absences`` looks up employees that are no longer listed. ``limits`` are shared with other scans.
        """
        self._run = run
        self._snapshots = snapshots
        self._catalogues = catalogues
        self._outbox = outbox
        self._changes = changes
        self._absences = absences
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
                if tally.is_complete and tally.known != plan.employees:
                    await self._look_up_missing(plan.connection_id, tally, reader)
            except ScanStoppedError as error:
                tally.stopped = str(error)
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
        while (page := await self._read(reader, tally)) is not None:
            known = len(tally.ids)
            async with self._limits.places:
                reader.prefetch()
                await self._handle_page(plan.connection_id, page, tally, selection)
                await progress(tally)
            reader.note_new(len(tally.ids) - known)
        if not self._dry_run:
            await catalogue.end(selection, tally.filled, len(tally.ids))

    async def _read(self, reader: PageReader, tally: Tally) -> EmployeePage | None:
        """Returns the next page; None after the last. An error after the first page stops the scan, so that its changes are kept."""
        try:
            return await reader.read()
        except ScanStoppedError:
            raise
        except ConnectorError as error:
            if not tally.ids:
                raise
            raise ScanStoppedError(str(error)) from error

    async def _handle_page(
        self, connection: ConnectionId, page: EmployeePage, tally: Tally, selection: Selection
    ) -> None:
        employees = {employee.id: employee for employee in page.employees}
        tally.totals.add(page.total)
        tally.skipped += page.skipped
        seen = tally.ids & employees.keys()  # a second listing would count a change twice
        tally.repeated += len(page.employees) - len(employees) + len(seen)
        tally.ids |= employees.keys()
        employees = {key: employee for key, employee in employees.items() if key not in seen}
        stored = await self._snapshots.read(connection, employees)
        tally.known += len(stored)
        tally.gone += sum(not was_active(snapshot) for snapshot in stored.values())
        observations = self._observe(connection, employees, stored, tally, selection)
        if not self._dry_run:
            self._outbox.ensure_lease()  # the process may have been suspended past its lease since it fetched this page
            returned = [key for key, snapshot in stored.items() if snapshot.absent_since is not None]
            if returned:
                await self._snapshots.clear_absent(connection, returned)
                await self._resend_unchanged(connection, [stored[key] for key in returned], observations)
        tally.count_released(await self._changes.add(observations))

    async def _resend_unchanged(
        self, connection: ConnectionId, returned: Sequence[Snapshot], observations: Sequence[Observation]
    ) -> None:
        """Resends employees that are listed again without a change: nothing was provisioned while they were absent."""
        changed = {observation.employee_id for observation in observations}
        unchanged = [snapshot for snapshot in returned if snapshot.employee_id not in changed]
        await self._outbox.emit(connection, unchanged, SendReason.RESENT)

    def _observe(
        self,
        connection: ConnectionId,
        employees: dict[EmployeeId, Employee],
        stored: dict[EmployeeId, Snapshot],
        tally: Tally,
        selection: Selection,
    ) -> list[Observation]:
        """Returns the changes of the employees of a page."""
        observations: list[Observation] = []
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
            observations.append(observe_change(self._run, previous, snapshot))
        return observations

    async def _look_up_missing(self, connection: ConnectionId, tally: Tally, reader: PageReader) -> None:
        """Looks up employees that are no longer listed. If one of them exists, the list is wrong, and the scan is not complete."""
        listed = self._snapshots.stream_employee_ids(connection)
        missing = [employee async for employee in listed if employee not in tally.ids]
        found = await self._absences.examine(connection, missing, reader)
        tally.absent, tally.existing, tally.stopped = len(missing), found.existing, found.error
        tally.gone += found.absent_before
        if found.existing:
            return
        tally.removed = sum(seen.snapshot is not None for seen in found.observations)
        tally.count_released(await self._changes.add(found.observations))
        if found.unknown and not self._dry_run:
            self._outbox.ensure_lease()
            await self._snapshots.mark_unknown(connection, found.unknown, self._clock.now())
