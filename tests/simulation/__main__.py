"""Runs seeded simulations of the whole product: ``python -m tests.simulation``."""

import argparse
import os
import sys
import time

from tests.simulation.plan import Options
from tests.simulation.rules import Rule
from tests.simulation.runner import Summary, run_many, tell_failure
from tests.simulation.schedule import run_schedule

HASH_SEED = "0"
"""Value of ``PYTHONHASHSEED``: with another one, sets of texts have another order, and a seed gives another schedule."""


def main() -> int:
    """Runs the schedules, and returns the exit code: 1 if one has failed or a fault never struck."""
    arguments = _parse()
    options = Options(broken=arguments.broken)
    if arguments.seed is not None:
        report = run_schedule(arguments.seed, options, tells=True)
        print(report.history, f"order {report.order:x}", report.failure or "every promise was kept", sep="\n")
        return int(report.failure is not None)
    began = time.monotonic()
    seeds = range(arguments.first, arguments.first + arguments.count)
    summary = run_many(seeds, options, arguments.processes, stops_early=arguments.broken is not None)
    _print(summary, time.monotonic() - began)
    for failure in summary.failures[: 0 if arguments.brief else 1]:
        print(tell_failure(failure, options))
    missing = summary.find_missing_faults()
    if missing and not summary.failures:
        print(f"These faults never struck: {', '.join(missing)}")
    return int(bool(summary.failures or missing))


def _print(summary: Summary, seconds: float) -> None:
    print(f"{summary.schedules} schedules, {summary.steps} steps, {seconds:.0f} s")
    for fault, count in sorted(summary.fired.items()):
        print(f"{count:7} × {fault}")
    for failure in summary.failures:
        print(f"seed {failure.seed}: {failure.failure}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=2000, help="number of seeds")
    parser.add_argument("--seed", type=int, help="runs one seed and prints its history")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="number of processes")
    parser.add_argument("--brief", action="store_true", help="prints no history of a failure")
    parser.add_argument("--broken", type=Rule, choices=list(Rule), help="breaks a rule of the product on purpose")
    return parser.parse_args()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], environment)  # noqa: S606
    sys.exit(main())
