"""The report of one large company without changes, and the targets that its polls can miss."""

from dataclasses import replace

import pytest

from benchmarks.unchanged.report import FullScan, Incremental, Unchanged, find_unchanged_misses, format_unchanged

INCREMENTAL = Incremental(requests=3, documents=200, commands=8, cpu_seconds=0.03, growth_mib=4.0)
FULL = FullScan(cpu_seconds=3.0, bare_cpu_seconds=2.0, mongo_cpu_seconds=1.0, growth_mib=20.0)
MEASURED = Unchanged(people=1_000, incremental=INCREMENTAL, full=FULL)


@pytest.mark.parametrize(
    ("measured", "miss"),
    [
        (
            replace(MEASURED, incremental=replace(INCREMENTAL, requests=4)),
            "an incremental poll sends 4 requests to Personio, not at most 3",
        ),
        (
            replace(MEASURED, incremental=replace(INCREMENTAL, documents=201)),
            "an incremental poll reads 201 documents, not at most 200",
        ),
        (
            replace(MEASURED, incremental=replace(INCREMENTAL, growth_mib=100.0)),
            "the poller grows by 100 MiB in an incremental poll, not by less than 100",
        ),
        (
            replace(MEASURED, full=replace(FULL, bare_cpu_seconds=1.5)),
            "a full scan takes 2.00 of the bare loop's CPU, not at most 1.5",
        ),
        (
            replace(MEASURED, full=replace(FULL, growth_mib=100.0)),
            "the poller grows by 100 MiB in a full scan, not by less than 100",
        ),
    ],
)
def test_poll_of_a_large_company_misses_a_target(measured: Unchanged, miss: str) -> None:
    """At the limits, no target is missed."""
    assert find_unchanged_misses(MEASURED) == []
    assert find_unchanged_misses(measured) == [miss]


def test_table_shows_targets_beside_results() -> None:
    """A figure without a target has an empty cell."""
    lines = format_unchanged(MEASURED).splitlines()

    assert lines[0] == "| one company of 1,000 unchanged people | target | result |"
    assert "| full scan: CPU of the poller / of the bare loop | ≤ 1.5 | 1.50 |" in lines
    assert "| full scan: CPU of MongoDB, s |  | 1.0 |" in lines
