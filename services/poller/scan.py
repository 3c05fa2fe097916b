"""One scan of a connection, of all employees or of the changed ones: page by page, with at most two pages in memory."""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, EmployeePage
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.observations import Observation, observe_change, was_active
from services.contracts.polls import ScanBasis
from services.contracts.runs import RunKind
from services.contracts.snapshots import Snapshot
from services.errors import ConnectorError, PermanentError
from services.mapping.employment import EmploymentCalendar
from services.poller.absences import MAX_CANDIDATES, Absences, Found
from services.poller.cursor import Cursor
from services.poller.observe import detect_change, is_unchanged
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


class Scan:
    """Compares employees in Personio with their snapshots. A dry run stores nothing."""

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
                selection = await self._begin(reader, wanted, personio.fingerprint, tally, is_full=is_full)
                await self._read_list(reader, selection, tally, progress)
                if tally.kind is RunKind.FULL:
                    await self._finish_full(reader, selection, tally)
                else:
                    await self._finish_incremental(reader, selection, tally)
            except ScanStoppedError as error:
                tally.stopped = str(error)
        tally.notes = personio.notes
        return tally

    async def _begin(
        self, reader: PageReader, wanted: frozenset[str], source: str, tally: Tally, *, is_full: bool
    ) -> Selection:
        selection = await reader.begin(wanted)
        tally.invisible = selection.invisible
        tally.basis = ScanBasis(
            attributes=tuple(sorted(selection.stored)), employment=self._calendar.dates, source=source
        )
        if not self._dry_run:
            async with self._limits.places:
                await self._catalogue.begin(selection)
        now = self._clock.now()
        since = None if is_full else self._cursor.find_since(self._plan, tally.basis, now)
        reader.open_list(selection, since)
        if since is not None:
            await self._try_incremental(reader, selection, tally)
        if tally.kind is RunKind.FULL:
            tally.before = await self._snapshots.count(self._connection)
        return selection

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
        self, reader: PageReader, selection: Selection, tally: Tally, progress: Callable[[Tally], Awaitable[None]]
    ) -> None:
        while (page := await self._read(reader, tally)) is not None:
            known = len(tally.ids)
            async with self._limits.places:
                reader.prefetch()
                employees = {employee.id: employee for employee in page.employees}
                # a second listing would count a change twice
                for again in tally.count_page(page, set(employees)):
                    del employees[again]
                await self._compare(employees, tally, selection)
                await progress(tally)
            reader.note_new(len(tally.ids) - known)

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

    async def _compare(self, employees: dict[EmployeeId, Employee], tally: Tally, selection: Selection) -> None:
        tally.count_values(employees.values(), selection.requested)
        doubtful, known = await self._pass_over_unchanged(employees, tally, selection)
        stored = await self._snapshots.read(self._connection, doubtful.keys() & known)
        tally.known += len(stored)
        tally.gone += sum(not was_active(snapshot) for snapshot in stored.values())
        observations = self._observe(doubtful, stored, tally, selection)
        if not self._dry_run:
            self._outbox.ensure_lease()  # the process may have been suspended past its lease since it fetched this page
            returned = [key for key, snapshot in stored.items() if snapshot.absent_since is not None]
            if returned:
                await self._snapshots.clear_absent(self._connection, returned)
                await self._resend_unchanged([stored[key] for key in returned], observations)
        tally.count_released(await self._changes.add(observations))

    async def _pass_over_unchanged(
        self, employees: dict[EmployeeId, Employee], tally: Tally, selection: Selection
    ) -> tuple[dict[EmployeeId, Employee], Collection[EmployeeId]]:
        """Counts the employees that certainly have not changed. Returns the others, and all employees that have a snapshot.

        In most scans this is the whole work, so it does without the stored attributes.
        """
        states = await self._snapshots.read_states(self._connection, employees)
        doubtful = {}
        for key, employee in employees.items():
            state = states.get(key)
            if state is not None and is_unchanged(state, employee, selection.stored, self._calendar):
                tally.count_unchanged(state)
            else:
                doubtful[key] = employee
        return doubtful, states.keys()

    async def _resend_unchanged(self, returned: Sequence[Snapshot], observations: Sequence[Observation]) -> None:
        """Resends employees that are listed again without a change: nothing was provisioned while they were absent."""
        changed = {observation.employee_id for observation in observations}
        unchanged = [snapshot for snapshot in returned if snapshot.employee_id not in changed]
        await self._outbox.emit(self._connection, unchanged, SendReason.RESENT)

    def _observe(
        self,
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
            snapshot = detect_change(self._connection, previous, employee, now, selection.stored, self._calendar)
            if snapshot is None:
                tally.unchanged += 1
                continue
            tally.created += snapshot.kind is ChangeKind.CREATED
            tally.changed += snapshot.kind is ChangeKind.CHANGED
            tally.oversized += bool(snapshot.oversized)
            is_full = tally.kind is RunKind.FULL
            tally.missed += is_full and self._cursor.is_missed(self._plan.progress, employee.modified_at)
            observations.append(observe_change(self._run, previous, snapshot))
        return observations

    async def _finish_full(self, reader: PageReader, selection: Selection, tally: Tally) -> None:
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
            await self._compare_existing(found, tally, selection)
        else:
            await self._take_absences(found, tally)

    async def _finish_incremental(self, reader: PageReader, selection: Selection, tally: Tally) -> None:
        """Looks up employees that a day makes due, and those that an earlier full scan no longer listed.

        Those that exist are compared like listed ones.
        """
        tally.stopped = tally.describe_gap()
        if self._plan.needs_any("next_day"):
            due = await self._snapshots.find_due(self._connection, self._calendar.today, MAX_CANDIDATES)
            await self._compare_existing(await self._absences.look_up(due, reader), tally, selection)
        if self._plan.needs_any("undecided_absence"):
            found = await self._absences.follow_up(self._connection, reader)
            await self._compare_existing(found, tally, selection)
            await self._take_absences(found, tally)

    async def _compare_existing(self, found: Found, tally: Tally, selection: Selection) -> None:
        existing = {employee.id: employee for employee in found.existing if employee.id not in tally.ids}
        if tally.kind is RunKind.INCREMENTAL:
            tally.ids |= existing.keys()
        tally.stopped = tally.stopped or found.error
        async with self._limits.places:
            await self._compare(existing, tally, selection)

    async def _take_absences(self, found: Found, tally: Tally) -> None:
        """Takes what the lookups have found. The scan is not complete if they ended early."""
        tally.stopped = tally.stopped or found.error
        tally.removed = sum(seen.snapshot is not None for seen in found.observations)
        tally.count_released(await self._changes.add(found.observations))
        if found.unknown and not self._dry_run:
            self._outbox.ensure_lease()
            await self._snapshots.mark_unknown(self._connection, found.unknown, self._clock.now())
