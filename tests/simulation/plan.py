"""What is decided before a schedule begins."""

import random
from dataclasses import dataclass

from sandbox.declaree.behaviour import Behaviour
from tests.simulation.company import Script, write_script
from tests.simulation.faults import MOST, RARE, Fault, draw_rates
from tests.simulation.rules import Rule

HELPS_AGAINST = {
    Rule.LOOK_AFTER_LOST_ANSWER: (Fault.ANSWER_LOST, Fault.ERROR_AFTER),
    Rule.CONDITIONAL_LEDGER: (Fault.MOVE, Fault.PAUSE),
    Rule.COMMIT_LAST: (Fault.CRASH, Fault.PUBLISH_REFUSED),
    Rule.OWNERSHIP: (Fault.MOVE, Fault.PAUSE),
    Rule.LATE_LOOK: (Fault.LATE_LANDING,),
    Rule.REDELIVERED_RECORD: (Fault.CRASH, Fault.LATE_LANDING),
    Rule.UNANSWERED_CREATE: (Fault.LATE_LANDING,),
    Rule.UNKNOWN_LEAVER: (Fault.STORE_UNANSWERED, Fault.ANSWER_LOST),
}
"""The faults that each rule helps against: where the rule is broken, they strike in every schedule."""

FREQUENT = 0.03
"""How likely each of these faults is; ten times as likely if it is rare. More often, all strikes are used up too early."""
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
    most: int
    """How often one fault strikes at most."""
    behaviour: Behaviour
    """How the server behaves."""
    batch: int
    """Maximum number of records in one batch."""

    @classmethod
    def draw(cls, seed: int, broken: Rule | None) -> "Plan":
        """Draws the plan of a seed. ``broken`` is the rule that is broken on purpose."""
        rng = random.Random(f"plan {seed}")
        behaviour = Behaviour(
            versions=rng.random() < 0.5,
            patch=rng.random() < 0.8,
            patch_answer=rng.choice((200, 204)),
            id_format=rng.choice(("number", "uuid")),
            unique_user_names=rng.random() < 0.7,
            schemas=rng.random() < 0.8,
        )
        script, rates, batch = write_script(rng, (MARKED, UNMARKED)), draw_rates(rng), rng.choice((1, 3, 8))
        most = rng.choice(MOST)
        if broken is not None:
            rates |= {fault: FREQUENT * (10 if fault in RARE else 1) for fault in HELPS_AGAINST[broken]}
            most = max(MOST)
        return cls(script, rates, most, behaviour, batch)
