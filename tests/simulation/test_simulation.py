"""The whole product under seeded faults: every schedule ends right, and a broken rule is found.

Each test runs ``python -m tests.simulation`` in a process of its own, because a seed gives the same schedule only with a
fixed hash seed.
"""

import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.faults import Fault
from tests.simulation.rules import Rule
from tests.simulation.runner import Summary

SCHEDULES = 60
"""Number of schedules in the test suite; ``make simulate`` runs more."""
SEARCH = 400
"""Number of schedules of which one finds a broken rule."""
FIRST_SEEDS = {
    Rule.CONDITIONAL_LEDGER: 70,
    Rule.OWNERSHIP: 379,
    Rule.LATE_LOOK: 244,
    Rule.REDELIVERED_RECORD: 210,
    Rule.UNKNOWN_LEAVER: 279,
}
"""The seeds at which a search begins that would take long from 0: each finds the broken rule."""


def run_simulation(*arguments: str) -> tuple[int, str]:
    """Runs the command in one process. Returns exit code and output."""
    command = [sys.executable, "-m", "tests.simulation", "--processes", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(400)  # some hundred schedules, and a history if one fails
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
@pytest.mark.promise("P4")
@pytest.mark.promise("P5")
@pytest.mark.promise("P9")
def test_schedules_with_faults_keep_every_promise() -> None:
    """Crashes, moved partitions and every other fault, in any order, break no promise; each fault strikes."""
    code, output = run_simulation("--count", str(SCHEDULES))

    assert code == 0, output


@pytest.mark.timeout(400)
@pytest.mark.parametrize("rule", list(Rule), ids=str)
def test_schedules_without_a_rule_break_a_promise(rule: Rule) -> None:
    """Each rule is needed: without it, a schedule breaks a promise, and its seed is named."""
    first = FIRST_SEEDS.get(rule, 0)
    code, output = run_simulation("--broken", rule, "--first", str(first), "--count", str(SEARCH), "--brief")

    assert code == 1, output
    assert "seed " in output
    assert "ViolationError" in output


def test_schedule_with_one_seed_is_always_the_same() -> None:
    """Two runs of one seed have the same history, to the last step."""
    first, second = run_simulation("--seed", "7"), run_simulation("--seed", "7")

    assert "is written" in first[1]
    assert first == second


def test_summary_without_a_fault_names_it() -> None:
    """A fault that never struck is named, because the run proved nothing about it."""
    struck = Counter(dict.fromkeys(frozenset(Fault) - {Fault.CRASH}, 1))

    assert Summary(fired=struck).find_missing_faults() == [Fault.CRASH]
