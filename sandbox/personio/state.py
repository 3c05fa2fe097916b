"""State of one sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

from sandbox.personio.behaviour import Behaviour
from sandbox.personio.clock import Clock
from sandbox.personio.company import Company
from sandbox.personio.credentials import Credential, Credentials
from sandbox.personio.effective_dates import compute_flip, find_effective_day, find_zone
from sandbox.personio.faults import Faults
from sandbox.personio.generator import generate
from sandbox.personio.journal import Journal
from sandbox.personio.limits import Limits
from sandbox.personio.rendering import Renderer

DEMO_CREDENTIAL = Credential("demo-client", "demo-secret")


def _skip_save(_: "State") -> None:
    """Does nothing; the default of ``State.save`` for a sandbox without a file."""


def _find_today(clock: Clock, behaviour: Behaviour) -> date:
    return clock.now().astimezone(find_zone(behaviour.time_zone)).date()


@dataclass
class State:
    """Everything that one sandbox stores."""

    company: Company
    """Employees and units."""
    credentials: Credentials
    """Credentials and tokens."""
    clock: Clock = field(default_factory=Clock)
    """Clock of the sandbox."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    """Permanent switches."""
    faults: Faults = field(default_factory=Faults)
    """Faults of the next requests."""
    limits: Limits = field(default_factory=Limits)
    """Rate limits with the requests they have counted."""
    journal: Journal = field(default_factory=Journal)
    """Latest requests to the vendor's API."""
    save: Callable[["State"], None] = _skip_save
    """Function that the control API calls after every change of the company, a whitelist or the clock."""

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.company)

    @classmethod
    def generate(
        cls,
        *,
        seed: int = 1,
        employees: int = 250,
        credential: Credential = DEMO_CREDENTIAL,
        clock: Clock | None = None,
        behaviour: Behaviour | None = None,
    ) -> "State":
        """Returns a sandbox with a generated company of ``employees`` active employees, and one credential.

        Raises ``ValueError`` if ``employees`` is below 1.
        """
        clock = clock or Clock()
        behaviour = behaviour or Behaviour()
        company = generate(seed=seed, active=employees, today=_find_today(clock, behaviour))
        return cls(company, Credentials([credential]), clock, behaviour)

    def now(self) -> datetime:
        """Returns the current time of the sandbox in UTC."""
        return self.clock.now().astimezone(UTC)

    def today(self) -> date:
        """Returns the current day in the time zone of the company."""
        return _find_today(self.clock, self.behaviour)

    def format_date_header(self) -> str:
        """Returns the value of the header ``Date``."""
        shown = self.now() + timedelta(seconds=self.behaviour.date_offset_seconds)
        return format_datetime(shown, usegmt=True)

    def apply_due_statuses(self) -> None:
        """Applies the status changes of employees that are due."""
        zone, hour = find_zone(self.behaviour.time_zone), self.behaviour.flip_hour
        day = find_effective_day(self.now(), zone, hour)
        at = compute_flip(day, zone, hour)
        self.company.apply_due_statuses(day, at, mark_modified=self.behaviour.flips_leave_a_mark)
