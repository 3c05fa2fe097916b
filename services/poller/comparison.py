"""Compares listed employees with their snapshots, and notes how Personio lists them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, ListedEmployee
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.observations import Observation, observe_change, was_active
from services.contracts.runs import RunKind
from services.contracts.snapshots import NotedListing, Snapshot, SnapshotState
from services.mapping.employment import EmploymentCalendar
from services.mapping.observe import detect_change, is_unchanged
from services.poller.cursor import Cursor
from services.poller.listings import Recogniser, find_unfilled
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.selection import Selection
from services.poller.snapshot_ports import Snapshots
from services.poller.staging import Changes
from services.poller.tally import Tally
from services.runtime.clock import Clock

TURN_SECONDS = 0.02
"""Seconds for which employees are read or compared until other tasks run. A single employee can take as long."""


@dataclass(slots=True)
class _Read:
    """An employee that may have changed."""

    listed: ListedEmployee
    """How Personio lists the employee."""
    employee: Employee
    """The employee."""
    unfilled: tuple[str, ...]
    """Keys of the requested attributes without a value."""


class Comparison:
    """Compares the employees of one scan. A dry run stores nothing."""

    def __init__(
        self,
        *,
        run: str,
        plan: PollPlan,
        selection: Selection,
        recogniser: Recogniser,
        snapshots: Snapshots,
        outbox: Outbox,
        changes: Changes,
        calendar: EmploymentCalendar,
        cursor: Cursor,
        clock: Clock,
        dry_run: bool,
    ) -> None:
        """``changes`` takes the changes of the run with the id ``run``. ``outbox`` resends employees that are listed again."""
        self._run = run
        self._plan = plan
        self._connection = plan.connection_id
        self._selection = selection
        self._recogniser = recogniser
        self._snapshots = snapshots
        self._outbox = outbox
        self._changes = changes
        self._calendar = calendar
        self._cursor = cursor
        self._clock = clock
        self._dry_run = dry_run
        self._turn_at = clock.monotonic()

    async def compare(self, pages: Sequence[Mapping[EmployeeId, ListedEmployee]], tally: Tally) -> None:
        """Compares the employees of some pages, and hands on the changes. One command reads the states of all of them.

        An employee that cannot be read is counted and passed over.
        """
        states = await self._snapshots.read_states(self._connection, [key for page in pages for key in page])
        for page in pages:
            await self._compare_page(page, states, tally)

    async def _compare_page(
        self,
        page: Mapping[EmployeeId, ListedEmployee],
        states: Mapping[EmployeeId, SnapshotState | None],
        tally: Tally,
    ) -> None:
        noted: list[NotedListing] = []
        doubtful = await self._sort_out_unchanged(page, states, tally, noted)
        stored = await self._snapshots.read(self._connection, doubtful.keys() & states.keys())
        tally.known += len(stored)
        tally.gone += sum(not was_active(snapshot) for snapshot in stored.values())
        observations = await self._observe(doubtful, stored, tally, noted)
        if not self._dry_run:
            self._outbox.ensure_lease()  # the process may have been suspended past its lease since it fetched the page
            returned = [key for key, snapshot in stored.items() if snapshot.absent_since is not None]
            if returned:
                await self._snapshots.clear_absent(self._connection, returned)
                await self._resend_unchanged([stored[key] for key in returned], observations)
            if noted:
                await self._snapshots.note_listings(self._connection, noted)
        if observations:
            tally.count_released(await self._changes.add(observations))

    async def _sort_out_unchanged(
        self,
        page: Mapping[EmployeeId, ListedEmployee],
        states: Mapping[EmployeeId, SnapshotState | None],
        tally: Tally,
        noted: list[NotedListing],
    ) -> dict[EmployeeId, _Read]:
        """Counts the employees that certainly have not changed, and returns the others. Adds listings to note to ``noted``.

        In most scans this is the whole work. So it does without the stored attributes, and reads no employee that is recognised.
        """
        doubtful: dict[EmployeeId, _Read] = {}
        unchanged: list[SnapshotState] = []
        all_unfilled: list[tuple[str, ...]] = []
        for key, listed in page.items():
            state = states.get(key)
            if state is not None and self._recogniser.recognises(state, listed):
                unchanged.append(state)
                all_unfilled.append(state.listing.unfilled)
                continue
            await self._give_turn()
            employee = listed.read()
            if employee is None:
                tally.skipped += 1
                continue
            unfilled = find_unfilled(employee, self._selection.requested)
            all_unfilled.append(unfilled)
            if state is not None and is_unchanged(state, employee, self._selection.stored, self._calendar):
                unchanged.append(state)
                self._note(noted, key, listed, state, unfilled)
            else:
                doubtful[key] = _Read(listed, employee, unfilled)
        tally.count_unchanged(unchanged)
        tally.count_values(all_unfilled, self._selection.requested)
        return doubtful

    async def _observe(
        self,
        doubtful: Mapping[EmployeeId, _Read],
        stored: Mapping[EmployeeId, Snapshot],
        tally: Tally,
        noted: list[NotedListing],
    ) -> list[Observation]:
        """Returns the changes of the employees of a page. Adds listings to note to ``noted``."""
        observations: list[Observation] = []
        now = self._clock.now()
        for key, read in doubtful.items():
            await self._give_turn()
            previous, employee = stored.get(key), read.employee
            snapshot = detect_change(self._connection, previous, employee, now, self._selection.stored, self._calendar)
            if snapshot is None:
                tally.unchanged += 1
                if previous is not None and not previous.oversized:
                    self._note(noted, key, read.listed, previous, read.unfilled)
                continue
            tally.created += snapshot.kind is ChangeKind.CREATED
            tally.changed += snapshot.kind is ChangeKind.CHANGED
            tally.oversized += bool(snapshot.oversized)
            is_full = tally.kind is RunKind.FULL
            tally.missed += is_full and self._cursor.is_missed(self._plan.progress, employee.modified_at)
            listing = self._recogniser.build_listing(read.listed, snapshot, read.unfilled)
            listed = snapshot.model_copy(update=listing._asdict())
            observations.append(observe_change(self._run, previous, listed))
        return observations

    async def _give_turn(self) -> None:
        """Lets other tasks run if employees have taken ``TURN_SECONDS`` since the last turn."""
        if self._clock.monotonic() - self._turn_at >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_at = self._clock.monotonic()

    def _note(
        self,
        noted: list[NotedListing],
        employee: EmployeeId,
        listed: ListedEmployee,
        state: SnapshotState | Snapshot,
        unfilled: tuple[str, ...],
    ) -> None:
        """Adds the listing of an employee that has not changed, if it has a digest."""
        listing = self._recogniser.build_listing(listed, state, unfilled)
        if listing.digest is not None:
            noted.append(NotedListing(employee, state.content_hash, listing))

    async def _resend_unchanged(self, returned: Sequence[Snapshot], observations: Sequence[Observation]) -> None:
        """Resends employees that are listed again without a change: nothing was provisioned while they were absent."""
        changed = {observation.employee_id for observation in observations}
        unchanged = [snapshot for snapshot in returned if snapshot.employee_id not in changed]
        await self._outbox.emit(self._connection, unchanged, SendReason.RESENT)
