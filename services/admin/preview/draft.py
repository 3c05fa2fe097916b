"""Maps employees with a draft, as poller and mapper do. Pure."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.contracts.employees import Employee
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.mappings import PublishedMapping
from services.contracts.outcomes import Intent
from services.contracts.snapshots import Snapshot
from services.mapping.employment import EmploymentCalendar
from services.mapping.engine import Engine
from services.mapping.observe import detect_change
from services.mapping.unmatched_values import TableCheck, UnmatchedValue


@dataclass(frozen=True, slots=True)
class MappedEmployee:
    """One employee, mapped with the draft."""

    request: AccountRequested
    """What the mapper would ask the writer for."""
    is_absent: bool
    """Whether Personio no longer lists the employee, or does not know the id."""
    name: str | None
    """First and last name; None if both are empty or unknown."""
    event: EmployeeChanged
    """What the request was mapped from."""
    unmatched: frozenset[UnmatchedValue] = frozenset()
    """Values that are not in value tables; nothing for an employee that needs no account."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, and what else decides how an employee is mapped with it. Another process may map with it."""

    published: str
    """The draft as it would be published, as JSON."""
    stored: frozenset[str]
    """Keys of the attributes that snapshots may contain."""
    time_zone: str
    """The time zone of the company."""
    now: datetime
    """The time of the preview."""


class DraftMapper:
    """Maps employees with a draft. Pure."""

    def __init__(self, draft: Draft) -> None:
        """Compiles the draft."""
        published = PublishedMapping.model_validate_json(draft.published)
        self._draft = draft
        self._connection = published.connection_id
        self._engine = Engine(published)
        self._tables = TableCheck(published.mapping)
        self._calendar = EmploymentCalendar.open(published, ZoneInfo(draft.time_zone), draft.now)

    def map_listed(self, employee: Employee, previous: Snapshot | None) -> MappedEmployee:
        """Maps an employee as Personio shows it now. ``previous`` is the stored snapshot; None without one."""
        draft = self._draft
        changed = detect_change(self._connection, previous, employee, draft.now, draft.stored, self._calendar)
        snapshot = changed or previous
        if snapshot is None:
            raise RuntimeError("an employee without a snapshot has not changed")
        return self.map_stored(snapshot, is_absent=False)

    def map_stored(self, snapshot: Snapshot, *, is_absent: bool) -> MappedEmployee:
        """Maps an employee as the snapshot has it. ``is_absent`` tells whether Personio no longer lists the employee."""
        event = snapshot.to_event()
        request = self._engine.map(event)
        needs_account = request.intent in {Intent.PROVISION, Intent.REJECT}
        unmatched = self._tables.find(event.attributes) if needs_account else frozenset[UnmatchedValue]()
        return MappedEmployee(request, is_absent, snapshot.full_name, event, unmatched)
