"""The report of idle companies: the load at rest is subtracted."""

from dataclasses import replace

import pytest

from benchmarks.idle.report import Idle, Window, find_idle_misses, format_idle

REST = Window(seconds=20.0, cpu_seconds={"poller": 0.2}, commands=60, polls=0)
BUSY = Window(seconds=10.0, cpu_seconds={"poller": 2.1}, commands=630, polls=100)
IDLE = Idle(people=100, companies=50, rest=REST, busy=BUSY)


def test_idle_poll_is_measured_without_the_load_at_rest() -> None:
    """At rest, 10 s take 0.1 s of CPU and 30 commands."""
    assert IDLE.get_cpu_ms("poller") == pytest.approx(20.0)
    assert IDLE.commands == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("busy", "miss"),
    [
        (replace(BUSY, commands=690), "an idle poll sends 6.6 commands to MongoDB, not at most 6"),
        (replace(BUSY, cpu_seconds={"poller": 15.2}), "an idle poll takes 151 ms of the poller's CPU, not at most 150"),
    ],
)
def test_idle_poll_misses_a_target(busy: Window, miss: str) -> None:
    """A fraction of a command comes from the work at rest, which is not evenly spread."""
    assert find_idle_misses(IDLE) == []
    assert find_idle_misses(replace(IDLE, busy=busy)) == [miss]


def test_table_of_idle_companies_shows_the_load_of_many() -> None:
    """3,000 polls of 20 ms within 900 s are 67 ms in each second."""
    assert format_idle(IDLE).splitlines()[2:] == [
        "| CPU of poller, ms | ≤ 150 | 20.0 | 10.0 | 7 % of a core |",
        "| commands to MongoDB | ≤ 6 | 6.0 | 3.0 | 20 a second |",
    ]
