"""The arithmetic of the benchmarks: rates, ratios, missed targets, and the usage of a process."""

from dataclasses import replace

import pytest

from benchmarks.processes import Usage, parse_usage
from benchmarks.report import Import, Round, Stage, Verification, count_steady, find_misses, format_report

USAGE = {"writer": Usage(cpu_seconds=20.0, resident_mib=90.0, peak_mib=100.0)}
WHOLE = Import(
    employees=1_000,
    accounts=900,
    seconds=4.0,
    polled_seconds=2.0,
    requests=990,
    usage=USAGE,
    growth_mib={"poller": 20.0},
)
ROUND = Round(
    whole=WHOLE,
    fetch=Stage("fetch", 1_000, 0.5),
    parse=Stage("parse", 1_000, 0.8),
    map=Stage("bare map", 2_000, 1.0),
    mapper=Stage("mapper", 2_000, 1.1),
    write=Stage("requests", 1_000, 2.5, requests=990),
    verification=Verification(accounts=900, seconds=3.0, pages=9, requests=9, poller_growth_mib=20.0, cpu_seconds=2.0),
    half_filled=WHOLE,
)


def test_round_compares_the_import_with_the_bare_loops() -> None:
    """The bare loops take 0.5, 0.5 and 2.5 ms for an employee, one after another."""
    assert ROUND.loops_rate == pytest.approx(1_000 / 3.5)
    assert ROUND.ratio_to_loops == pytest.approx(250 * 3.5 / 1_000)
    assert ROUND.ratio_of_mapper == pytest.approx(1.0 / 1.1)
    assert find_misses([ROUND]) == []


@pytest.mark.parametrize(
    ("worse", "miss"),
    [
        (replace(ROUND, whole=replace(WHOLE, seconds=32.0)), "the first import reaches 0.11"),
        (replace(ROUND, mapper=Stage("mapper", 2_000, 1.3)), "the mapper alone reaches 0.77"),
        (replace(ROUND, whole=replace(WHOLE, growth_mib={"poller": 100.0})), "the poller grows by 100 MiB"),
        (
            replace(ROUND, verification=replace(ROUND.verification, requests=10)),
            "a verification sends 1.11 requests for each page",
        ),
        (
            replace(ROUND, verification=replace(ROUND.verification, poller_growth_mib=100.0)),
            "the poller grows by 100 MiB in a verification",
        ),
        (replace(ROUND, whole=replace(WHOLE, requests=1_100)), "the first import sends 1.22 requests for each account"),
        (
            replace(ROUND, half_filled=replace(WHOLE, requests=1_100)),
            "an import into a half-filled Declaree sends 1.22",
        ),
    ],
)
def test_targets_are_compared_with_the_median_of_the_rounds(worse: Round, miss: str) -> None:
    """Two bad rounds of three miss a target, one does not."""
    assert [text[: len(miss)] for text in find_misses([ROUND, worse, worse])] == [miss]
    assert find_misses([ROUND, ROUND, worse]) == []


def test_report_shows_medians_and_the_range_of_the_ratios() -> None:
    """The report lists rates, ratios with their lowest and highest value, and the usage of processes."""
    rounds = [replace(ROUND, whole=replace(WHOLE, seconds=seconds)) for seconds in (4.0, 4.4, 5.0)]

    lines = format_report(rounds).splitlines()

    assert "| **the first import, whole** | ours | 1000 | 4.4 | **227** |" in lines
    assert "| first import / the bare loops one after another | ≥ 0.12 | 0.80 | 0.70 | 0.88 |" in lines
    assert "| verification of all accounts | ours | 900 | 3.0 | 300 |" in lines
    assert "| verification: requests for each page | ≤ 1.1 | 1.00 | 1.00 | 1.00 |" in lines
    assert "| writer | 20.0 | 20.00 | 100 |" in lines


def test_rate_skips_the_first_answers() -> None:
    """The first answers are slower, because the stage is still starting."""
    slow_start = [0, 9_000, *range(10_000, 12_000)]

    assert count_steady(slow_start, skipped=2) == (1_999, 1.999)


def test_rate_of_few_answers_counts_the_later_half() -> None:
    """A short run has fewer answers than are skipped."""
    assert count_steady([5, 1, 3, 2, 4], skipped=1_000) == (2, 0.002)


def test_usage_is_parsed_for_a_command_with_brackets() -> None:
    """The command stands before the fields and may contain spaces and brackets."""
    stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 900 0 0 0 250 50 0 0 20 0 1 0 100 1000 200"

    usage = parse_usage(stat, "Name:\ta\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n")

    assert usage.cpu_seconds == 3.0
    assert usage.resident_mib == 100.0
    assert usage.peak_mib == 200.0
