"""Everything one sandbox knows and remembers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.personio.behaviour import Behaviour
from sandbox.personio.clock import Clock
from sandbox.personio.company import Company
from sandbox.personio.credentials import Credential, Credentials
from sandbox.personio.faults import Faults
from sandbox.personio.generator import generate
from sandbox.personio.journal import Journal
from sandbox.personio.limits import Limits
from sandbox.personio.rendering import Renderer

DEMO_CREDENTIAL = Credential("demo-client", "demo-secret")


def _keep_nothing(_: "State") -> None:
    """The default of ``State.keep``: a sandbox without a file."""


@dataclass
class State:
    """``keep`` is called after every change made by the control API."""

    company: Company
    credentials: Credentials
    clock: Clock = field(default_factory=Clock)
    behaviour: Behaviour = field(default_factory=Behaviour)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    journal: Journal = field(default_factory=Journal)
    keep: Callable[["State"], None] = _keep_nothing

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.company)

    @classmethod
    def generated(
        cls,
        *,
        seed: int = 1,
        employees: int = 250,
        credential: Credential = DEMO_CREDENTIAL,
        clock: Clock | None = None,
        behaviour: Behaviour | None = None,
    ) -> "State":
        """A new company with so many active employees, and one credential."""
        clock = clock or Clock()
        company = generate(seed=seed, active=employees, today=clock.today())
        return cls(company, Credentials([credential]), clock, behaviour or Behaviour())

    def now(self) -> datetime:
        return self.clock.now().astimezone(UTC)

    def settle(self) -> None:
        """Lets the status flips happen that have become due."""
        self.company.settle(self.clock.today(), self.now(), leave_a_mark=self.behaviour.flips_leave_a_mark)
