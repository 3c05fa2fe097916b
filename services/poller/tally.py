"""The counts of a scan in progress, and what is wrong with the list."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.contracts.employees import EmployeePage, ListedEmployee
from services.contracts.ids import EmployeeId
from services.contracts.observations import is_active
from services.contracts.polls import ScanBasis
from services.contracts.runs import RunCounts, RunKind
from services.contracts.snapshots import SnapshotState
from services.contracts.vendor_notes import VendorNotes
from services.poller.scan_limits import ALL_SAFE
from services.poller.staging import Released


@dataclass(slots=True)
class Tally:
    """The counts of a scan in progress."""

    kind: RunKind = RunKind.FULL
    """Which employees the scan asks for."""
    basis: ScanBasis | None = None
    """What the scan compares; None before Personio has named the visible attributes."""
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
    """Number of employees with a snapshot that a complete full scan no longer lists."""
    repeated: int = 0
    """Number of employees that Personio listed more than once."""
    skipped: int = 0
    """Number of list elements without an employee id, and of those that cannot be read."""
    total: int | None = None
    """The maximum of the numbers of employees that Personio announced; None if it announced none."""
    last_total: int | None = None
    """The number of employees that the last page announced; None if it announced none."""
    is_steady: bool = True
    """Whether all pages announced the same number, and none lacked one."""
    ids: set[EmployeeId] = field(default_factory=set)
    """The ids of all listed employees, to find the absent ones. Takes some tens of bytes for each employee."""
    filled: Counter[str] = field(default_factory=Counter)
    """Number of employees with a value, by the requested key."""
    invisible: tuple[str, ...] = ()
    """Keys of wanted attributes that the credential cannot read."""
    notes: VendorNotes = field(default_factory=VendorNotes)
    """What Personio's answers said beside their content."""
    removed: int = 0
    """Number of absent employees that count as deleted."""
    existing: int = 0
    """Number of employees that exist, although the list of all employees lacks them."""
    before: int = 0
    """Number of employees with a snapshot before a full scan."""
    known: int = 0
    """Number of listed employees with a snapshot from an earlier scan."""
    gone: int = 0
    """Number of employees that were inactive, removed or no longer listed before the scan."""
    missed: int = 0
    """Number of changes that an earlier incremental poll should have seen."""
    stopped: str | None = None
    """Why the scan ended before the last page; None if it did not."""

    def count_page(self, page: EmployeePage) -> dict[EmployeeId, ListedEmployee]:
        """Counts a page, and returns its employees without those of earlier pages: a second listing would count a change twice."""
        is_first = self.last_total is None and self.is_steady
        self.is_steady = page.total is not None and (is_first or (self.is_steady and page.total == self.last_total))
        self.last_total = page.total
        if page.total is not None:
            self.total = max(page.total, self.total or 0)
        new = {entry.id: entry for entry in page.employees if entry.id not in self.ids}
        self.skipped += page.skipped
        self.repeated += len(page.employees) - len(new)
        self.ids.update(new)  # `|=` with the keys of a dictionary would copy the whole set
        return new

    def count_values(self, unfilled: Iterable[tuple[str, ...]], requested: frozenset[str]) -> None:
        """Counts, for each ``requested`` attribute, the employees with a value of it.

        ``unfilled`` has the keys without a value, one tuple for each employee.
        """
        for keys, number in Counter(unfilled).items():  # most employees have values of the same attributes
            self.filled.update(dict.fromkeys(requested.difference(keys), number))

    def count_unchanged(self, states: Sequence[SnapshotState]) -> None:
        """Counts employees without a change."""
        self.known += len(states)
        self.unchanged += len(states)
        self.gone += sum(not is_active(state.status, state.phase) for state in states)

    def describe_gap(self) -> str | None:
        """Returns why the scan is not complete, with the announced and the listed number; None if it is complete."""
        if self.is_complete:
            return None
        if self.stopped is not None:
            return self.stopped
        announced = "no number of" if self.total is None else f"{self.total}"
        details = [f"Personio announced {announced} employees and listed {len(self.ids)}"]
        details += [f"{self.repeated} were listed more than once"] if self.repeated else []
        details += [f"{self.skipped} could not be read"] if self.skipped else []
        details += [f"{self.existing} exist that it does not list"] if self.existing else []
        details += (
            ["the announced number changed during the scan"] if self.total is not None and not self.is_steady else []
        )
        return f"{', '.join(details)}. {ALL_SAFE}"

    @property
    def is_complete(self) -> bool:
        """Whether every page was received, the ids are unique, and the announced total stayed the same and is right.

        An incremental list may grow and repeat employees, because others change while it is read. It must not lack any.
        """
        if self.stopped is not None or self.skipped or self.existing:
            return False
        if self.kind is RunKind.INCREMENTAL:
            return self.total is None or len(self.ids) >= self.total
        return not self.repeated and self.is_steady and self.total == len(self.ids)

    @property
    def has_more_pages(self) -> bool:
        """Whether Personio has announced more employees than it has listed so far, or no number."""
        return self.total is None or self.total > len(self.ids)

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
            missed=self.missed,
        )
