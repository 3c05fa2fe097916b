"""One scan of a connection, of all employees or of the changed ones, with a few pages in memory."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.contracts.employees import EmployeePage, ListedEmployee
from services.contracts.ids import EmployeeId
from services.contracts.polls import ScanBasis
from services.contracts.runs import RunKind
from services.errors import ConnectorError, PermanentError
from services.mapping.employment import EmploymentCalendar
from services.poller.absences import MAX_CANDIDATES, Absences, Found
from services.poller.comparison import Comparison
from services.poller.cursor import Cursor
from services.poller.listings import Recogniser
from services.poller.outbox import Outbox
from services.poller.ports import Personio, PollPlan
from services.poller.scan_limits import PageReader, ScanLimits, ScanStoppedError
from services.poller.selection import Selection
from services.poller.snapshot_ports import Catalogues, Snapshots
from services.poller.source_catalogue import SourceCatalogueKeeper
from services.poller.staging import Changes
from services.poller.tally import Tally
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """Pages that are compared at once. MongoDB is asked once for their employees."""

    pages: list[dict[EmployeeId, ListedEmployee]] = field(default_factory=list)
    """The employees of each page, without those that an earlier page has listed."""
    has_read_employee: bool = False
    """Whether an employee is read already, and so takes several times the memory."""

    def add(self, page: dict[EmployeeId, ListedEmployee]) -> None:
        """Adds a page."""
        self.pages.append(page)
        self.has_read_employee = self.has_read_employee or any(listed.digest is None for listed in page.values())


class Scan:
    """Reads the list of employees in Personio, and has each page compared. A dry run stores nothing."""

    def __init__(
        self,
        run: str,
        plan: PollPlan,
        snapshots: Snapshots,
        catalogues: Catalogues,
        outbox: Outbox,
        changes: Changes,
        absences: Absences,
        calendar: EmploymentCalendar,
        cursor: Cursor,
        clock: Clock,
        limits: ScanLimits,
        *,
        dry_run: bool = False,
    ) -> None:
        """``changes`` takes the changes of the run with the id ``run``. ``outbox`` resends employees that are listed again.
        ``absences`` looks up employees that are no longer listed. ``calendar`` has the day of the run. ``cursor`` decides which
        employees an incremental poll asks for. ``limits`` are shared with other scans.
        """
        self._run = run
        self._plan = plan
        self._connection = plan.connection_id
        self._snapshots = snapshots
        self._outbox = outbox
        self._changes = changes
        self._absences = absences
        self._calendar = calendar
        self._cursor = cursor
        self._clock = clock
        self._limits = limits
        self._dry_run = dry_run
        self._catalogue = SourceCatalogueKeeper(catalogues, snapshots, outbox, plan, clock.now())

    async def run(
        self, personio: Personio, wanted: frozenset[str], progress: Callable[[Tally], Awaitable[None]], *, is_full: bool
    ) -> Tally:
        """Scans for the ``wanted`` attributes and calls ``progress`` after each page.

        With ``is_full``, and if a full scan is due, it asks for all employees. At a limit the scan stops, and is not complete.
        Raises ``MissingAttributesError``.
        """
        tally = Tally()
        async with self._limits.open(personio) as reader:
            try:
                selection, basis = await self._begin(reader, wanted, personio.fingerprint, tally, is_full=is_full)
                comparison = self._open_comparison(selection, basis)
                await self._read_list(reader, comparison, tally, progress)
                if tally.kind is RunKind.FULL:
                    await self._finish_full(reader, selection, comparison, tally)
                else:
                    await self._finish_incremental(reader, comparison, tally)
            except ScanStoppedError as error:
                tally.stopped = str(error)
        tally.notes = personio.notes
        return tally

    async def _begin(
        self, reader: PageReader, wanted: frozenset[str], source: str, tally: Tally, *, is_full: bool
    ) -> tuple[Selection, ScanBasis]:
        selection = await reader.begin(wanted)
        tally.invisible = selection.invisible
        tally.basis = basis = ScanBasis(
            attributes=tuple(sorted(selection.stored)), employment=self._calendar.dates, source=source
        )
        if not self._dry_run:
            async with self._limits.places:
                await self._catalogue.begin(selection)
        now = self._clock.now()
        since = None if is_full else self._cursor.find_since(self._plan, basis, now)
        reader.open_list(selection, since)
        if since is not None:
            await self._try_incremental(reader, selection, tally)
        if tally.kind is RunKind.FULL:
            tally.before = await self._snapshots.count(self._connection)
        return selection, basis

    def _open_comparison(self, selection: Selection, basis: ScanBasis) -> Comparison:
        return Comparison(
            run=self._run,
            plan=self._plan,
            selection=selection,
            recogniser=Recogniser(basis, self._plan.time_zone, self._calendar.today),
            snapshots=self._snapshots,
            outbox=self._outbox,
            changes=self._changes,
            calendar=self._calendar,
            cursor=self._cursor,
            clock=self._clock,
            dry_run=self._dry_run,
        )

    async def _try_incremental(self, reader: PageReader, selection: Selection, tally: Tally) -> None:
        """Asks for all employees if Personio refuses the filter by time, or does not answer it and the newest run failed too."""
        try:
            await reader.wait(reader.prefetch())
        except ScanStoppedError:
            raise
        except ConnectorError as error:
            if self._plan.has_succeeded and not isinstance(error, PermanentError):
                raise
            logger.warning("full scan, because %s", error, extra={"connection": self._connection})
            reader.open_list(selection, None)
        else:
            tally.kind = RunKind.INCREMENTAL

    async def _read_list(
        self, reader: PageReader, comparison: Comparison, tally: Tally, progress: Callable[[Tally], Awaitable[None]]
    ) -> None:
        """Compares the listed employees in batches of pages. If the scan stops, the pages before are compared first."""
        batch = _Batch()
        try:
            while (page := await self._read(reader, tally)) is not None:
                new = tally.count_page(page)
                batch.add(new)
                if len(batch.pages) >= self._get_batch_pages() or batch.has_read_employee:
                    await self._compare(batch, comparison, tally, reader)
                    batch = _Batch()
                await progress(tally)
                reader.note_new(len(new))
        except ScanStoppedError:
            await self._compare(batch, comparison, tally)
            raise
        await self._compare(batch, comparison, tally)

    def _get_batch_pages(self) -> int:
        """Returns the number of pages to compare at once. The new employees of a first import do not wait for the next page."""
        return self._limits.batch_pages if self._plan.is_imported else 1

    async def _compare(
        self, batch: _Batch, comparison: Comparison, tally: Tally, reader: PageReader | None = None
    ) -> None:
        """Compares a batch, unless it is empty. ``reader`` fetches the next page at the same time; None if the list has ended."""
        if not batch.pages:
            return
        async with self._limits.places:
            if reader is not None:
                reader.prefetch()
            await comparison.compare(batch.pages, tally)

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

    async def _finish_full(
        self, reader: PageReader, selection: Selection, comparison: Comparison, tally: Tally
    ) -> None:
        """Looks up employees that are no longer listed. If one of them exists, the list is wrong, and the scan is not complete.
        The one that exists is compared nevertheless: a list that lacks a leaver for ever would keep the account enabled.

        If as many employees with a snapshot were listed as there are, none is absent.
        """
        if not self._dry_run:
            await self._catalogue.end(selection, tally.filled, len(tally.ids))
        if not tally.is_complete or tally.known == tally.before:
            return
        listed = self._snapshots.stream_employee_ids(self._connection)
        missing = [employee async for employee in listed if employee not in tally.ids]
        found = await self._absences.examine(self._connection, missing, reader)
        tally.absent, tally.existing = len(missing), len(found.existing)
        tally.gone += found.absent_before
        if found.existing:
            await self._compare_existing(found, comparison, tally)
        else:
            await self._take_absences(found, tally)

    async def _finish_incremental(self, reader: PageReader, comparison: Comparison, tally: Tally) -> None:
        """Looks up employees that a day makes due, and those that an earlier full scan no longer listed.

        Those that exist are compared like listed ones.
        """
        tally.stopped = tally.describe_gap()
        if self._plan.needs_any("next_day"):
            due = await self._snapshots.find_due(self._connection, self._calendar.today, MAX_CANDIDATES)
            await self._compare_existing(await self._absences.look_up(due, reader), comparison, tally)
        if self._plan.needs_any("undecided_absence"):
            found = await self._absences.follow_up(self._connection, reader)
            await self._compare_existing(found, comparison, tally)
            await self._take_absences(found, tally)

    async def _compare_existing(self, found: Found, comparison: Comparison, tally: Tally) -> None:
        existing = {employee.id: employee for employee in found.existing if employee.id not in tally.ids}
        if tally.kind is RunKind.INCREMENTAL:
            tally.ids.update(existing)
        tally.stopped = tally.stopped or found.error
        async with self._limits.places:
            await comparison.compare([existing], tally)

    async def _take_absences(self, found: Found, tally: Tally) -> None:
        """Takes what the lookups have found. The scan is not complete if they ended early."""
        tally.stopped = tally.stopped or found.error
        tally.removed = sum(seen.snapshot is not None for seen in found.observations)
        tally.count_released(await self._changes.add(found.observations))
        if found.unknown and not self._dry_run:
            self._outbox.ensure_lease()
            await self._snapshots.mark_unknown(self._connection, found.unknown, self._clock.now())
