"""Compares listed employees with their snapshots, and notes how Personio lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.contracts.cloudevents import SendReason
from services.contracts.employees import Employee, ListedEmployee
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.observations import Observation, observe_change, was_active
from services.contracts.runs import RunKind
from services.contracts.snapshots import Listing, NotedListing, Snapshot, SnapshotState
from services.mapping.employment import EmploymentCalendar
from services.poller.cursor import Cursor
from services.poller.listings import Recogniser, find_unfilled
from services.poller.observe import detect_change, is_unchanged
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.selection import Selection
from services.poller.snapshot_ports import Snapshots
from services.poller.staging import Changes
from services.poller.tally import Tally
from services.runtime.clock import Clock


@dataclass(slots=True)
class _Outcome:
    """What a first look at a batch of employees has found."""

    employees: dict[EmployeeId, Employee] = field(default_factory=dict)
    """The employees that may have changed."""
    listings: dict[EmployeeId, Listing] = field(default_factory=dict)
    """How Personio lists them."""
    noted: list[NotedListing] = field(default_factory=list)
    """The listings to note, of employees that have not changed."""

    def note(self, employee: EmployeeId, content_hash: str, listing: Listing) -> None:
        """Adds a listing to note, if it has a digest."""
        if listing.digest is not None:
            self.noted.append(NotedListing(employee, content_hash, listing))


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

    async def compare(self, listed: Mapping[EmployeeId, ListedEmployee], tally: Tally) -> None:
        """Compares employees, and hands on the changes. An employee that cannot be read is counted and passed over."""
        states = await self._snapshots.read_states(self._connection, listed)
        outcome = self._sort_out_unchanged(listed, states, tally)
        stored = await self._snapshots.read(self._connection, outcome.employees.keys() & states.keys())
        tally.known += len(stored)
        tally.gone += sum(not was_active(snapshot) for snapshot in stored.values())
        observations = self._observe(outcome, stored, tally)
        if not self._dry_run:
            self._outbox.ensure_lease()  # the process may have been suspended past its lease since it fetched the pages
            returned = [key for key, snapshot in stored.items() if snapshot.absent_since is not None]
            if returned:
                await self._snapshots.clear_absent(self._connection, returned)
                await self._resend_unchanged([stored[key] for key in returned], observations)
            if outcome.noted:
                await self._snapshots.note_listings(self._connection, outcome.noted)
        tally.count_released(await self._changes.add(observations))

    def _sort_out_unchanged(
        self,
        listed: Mapping[EmployeeId, ListedEmployee],
        states: Mapping[EmployeeId, SnapshotState | None],
        tally: Tally,
    ) -> _Outcome:
        """Counts the employees that certainly have not changed, and returns the others.

        In most scans this is the whole work. So it does without the stored attributes, and reads no employee that is recognised.
        """
        outcome = _Outcome()
        unchanged: list[SnapshotState] = []
        all_unfilled: list[tuple[str, ...]] = []
        for key, entry in listed.items():
            state = states.get(key)
            if state is not None and self._recogniser.recognises(state, entry):
                unchanged.append(state)
                all_unfilled.append(state.listing.unfilled)
                continue
            employee = entry.read()
            if employee is None:
                tally.skipped += 1
                continue
            unfilled = find_unfilled(employee, self._selection.requested)
            all_unfilled.append(unfilled)
            listing = self._recogniser.build_listing(entry, unfilled)
            if state is not None and is_unchanged(state, employee, self._selection.stored, self._calendar):
                unchanged.append(state)
                outcome.note(key, state.content_hash, listing)
            else:
                outcome.employees[key], outcome.listings[key] = employee, listing
        tally.count_unchanged(unchanged)
        tally.count_values(all_unfilled, self._selection.requested)
        return outcome

    def _observe(self, outcome: _Outcome, stored: Mapping[EmployeeId, Snapshot], tally: Tally) -> list[Observation]:
        """Returns the changes of the employees of a batch."""
        observations: list[Observation] = []
        now = self._clock.now()
        for key, employee in outcome.employees.items():
            previous, listing = stored.get(key), outcome.listings[key]
            snapshot = detect_change(
                self._connection, previous, employee, now, self._selection.stored, self._calendar, listing
            )
            if snapshot is None:
                tally.unchanged += 1
                if previous is not None and not previous.oversized:
                    outcome.note(key, previous.content_hash, listing)
                continue
            tally.created += snapshot.kind is ChangeKind.CREATED
            tally.changed += snapshot.kind is ChangeKind.CHANGED
            tally.oversized += bool(snapshot.oversized)
            is_full = tally.kind is RunKind.FULL
            tally.missed += is_full and self._cursor.is_missed(self._plan.progress, employee.modified_at)
            observations.append(observe_change(self._run, previous, snapshot))
        return observations

    async def _resend_unchanged(self, returned: Sequence[Snapshot], observations: Sequence[Observation]) -> None:
        """Resends employees that are listed again without a change: nothing was provisioned while they were absent."""
        changed = {observation.employee_id for observation in observations}
        unchanged = [snapshot for snapshot in returned if snapshot.employee_id not in changed]
        await self._outbox.emit(self._connection, unchanged, SendReason.RESENT)
