"""Runs the schedule of one seed, and simplifies a schedule that fails."""

from collections import Counter
from dataclasses import dataclass, field

import detangle
from detangle import PCT, RandomWalk, Replay, Strategy

from tests.simulation.faults import Fault
from tests.simulation.plan import Options, Plan
from tests.simulation.simulation import Simulation

CONFIG = detangle.SimConfig(max_steps=3_000_000, fail_on_unobserved=False)
"""The settings of the event loop."""


class Natural(RandomWalk):
    """Runs tasks in the order of asyncio; draws faults at random."""

    def schedule(self, lanes: object) -> int:
        """Returns the oldest ready task."""
        return 0


def choose_strategy(seed: int) -> Strategy:
    """Returns how the ready tasks of a seed's schedule are ordered."""
    strategies = (Natural(seed), RandomWalk(seed), PCT(seed, depth=4, horizon=10_000))
    strategy = strategies[seed % len(strategies)]
    strategy.start(0)
    return strategy


@dataclass
class Report:
    """How a schedule ended."""

    seed: int
    """The seed."""
    failure: str | None
    """What is wrong; None if every promise was kept."""
    fired: Counter[Fault] = field(default_factory=Counter)
    """How often each fault has struck."""
    steps: int = 0
    """Number of steps of the loop."""
    order: int = 0
    """Identifies the order in which the tasks ran."""
    history: str = ""
    """What happened; empty unless it was asked for, or the schedule has failed."""


def run_schedule(seed: int, options: Options, decisions: list[int] | None = None, *, tells: bool = False) -> Report:
    """Runs the schedule of a seed. ``decisions`` replaces what the seed decides on the way; ``tells`` keeps the history."""
    plan = Plan.draw(seed, options.broken)
    simulations: list[Simulation] = []

    async def main() -> None:
        simulations.append(Simulation(plan, options))
        await simulations[-1].run()

    strategy = choose_strategy(seed) if decisions is None else Replay(decisions)
    result = detangle.execute(main, config=CONFIG, strategy=strategy)
    history = simulations[-1].history.render() if simulations and (tells or result.failure) else ""
    fired = simulations[-1].faults.fired if simulations else Counter()
    failure = result.failure.headline() if result.failure else None
    return Report(seed, failure, fired, result.steps, result.order_hash, history)


def shrink_decisions(seed: int, options: Options) -> list[int] | None:
    """Returns simpler decisions with which the schedule of a seed fails in the same way; None if it does not fail."""
    plan = Plan.draw(seed, options.broken)

    async def main() -> None:
        await Simulation(plan, options).run()

    try:
        detangle.explore(
            main, runs=1, strategy=choose_strategy(seed), shrink=True, database=False, config=CONFIG, replay=None
        )
    except detangle.BugFound as found:
        return list(found.report.values)
    return None
