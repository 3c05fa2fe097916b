"""What is decided before a schedule begins."""

import random
from dataclasses import dataclass

from sandbox.declaree.behaviour import Behaviour
from tests.simulation.company import Script, write_script
from tests.simulation.faults import Fault, draw_rates
from tests.simulation.rules import Rule

MARKED, UNMARKED = "payroll@nordlicht.example", "desk@nordlicht.example"
"""Addresses of strangers' accounts with and without an external id, which a new employee may have as well."""


@dataclass(frozen=True)
class Options:
    """What all schedules of a run have in common."""

    broken: Rule | None = None
    """The rule of the product that is broken on purpose; None for the product as it is."""

    def describe(self) -> str:
        """Returns the options as ``make simulate`` takes them; empty for the default."""
        return "" if self.broken is None else f" OPTIONS='--broken {self.broken}'"


@dataclass(frozen=True)
class Plan:
    """What the seed decides before the schedule begins."""

    script: Script
    """What happens in the company."""
    rates: dict[Fault, float]
    """How likely each fault is."""
    behaviour: Behaviour
    """How the server behaves."""
    batch: int
    """Maximum number of records in one batch."""

    @classmethod
    def draw(cls, seed: int) -> "Plan":
        """Draws the plan of a seed."""
        rng = random.Random(f"plan {seed}")
        behaviour = Behaviour(
            versions=rng.random() < 0.5,
            patch=rng.random() < 0.8,
            patch_answer=rng.choice((200, 204)),
            id_format=rng.choice(("number", "uuid")),
            unique_user_names=rng.random() < 0.7,
            schemas=rng.random() < 0.8,
        )
        return cls(write_script(rng, (MARKED, UNMARKED)), draw_rates(rng), behaviour, rng.choice((1, 3, 8)))
