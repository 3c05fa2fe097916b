"""The arithmetic of the benchmarks: rates, ratios, what is missed, and what the kernel says of a process."""

from dataclasses import replace

import pytest

from benchmarks.processes import Usage, parsed
from benchmarks.report import Import, Round, Stage, misses, steady, table

USED = {"writer": Usage(cpu_seconds=20.0, resident_mib=90.0, peak_mib=100.0)}
WHOLE = Import(
    employees=1_000, accounts=900, seconds=4.0, polled_seconds=2.0, requests=3_500, usage=USED, poller_growth_mib=20.0
)
ROUND = Round(
    whole=WHOLE,
    fetch=Stage("fetch", 1_000, 0.5),
    parse=Stage("parse", 1_000, 0.8),
    map=Stage("bare map", 2_000, 1.0),
    mapper=Stage("mapper", 2_000, 1.1),
    write=Stage("requests", 1_000, 2.5, requests=3_500),
)


def test_the_import_is_compared_with_the_slowest_bare_stage() -> None:
    assert ROUND.slowest is ROUND.write
    assert ROUND.of_slowest == pytest.approx(250 / 400)
    assert ROUND.of_mapping == pytest.approx(1.0 / 1.1)
    assert misses([ROUND]) == []


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        (replace(ROUND, whole=replace(WHOLE, seconds=5.1)), "the first import reaches 0.49"),
        (replace(ROUND, mapper=Stage("mapper", 2_000, 1.3)), "the mapper alone reaches 0.77"),
        (replace(ROUND, whole=replace(WHOLE, poller_growth_mib=100.0)), "the poller grows by 100 MiB"),
    ],
)
def test_what_is_missed_is_named_by_the_median_of_the_rounds(worse: Round, named: str) -> None:
    assert [text[: len(named)] for text in misses([ROUND, worse, worse])] == [named]
    assert misses([ROUND, ROUND, worse]) == []


def test_the_table_shows_medians_and_how_far_the_rounds_lie_apart() -> None:
    rounds = [replace(ROUND, whole=replace(WHOLE, seconds=seconds)) for seconds in (4.0, 4.4, 5.0)]
    lines = table(rounds).splitlines()
    assert "| **the first import, whole** | ours | 1000 | 4.4 | **227** |" in lines
    assert "| first import / slowest bare stage (requests) | ≥ 0.5 | 0.57 | 0.50 | 0.62 |" in lines
    assert "| writer | 20.0 | 20.00 | 100 |" in lines


def test_a_rate_is_taken_after_the_first_answers_which_stand_for_start_up() -> None:
    slow_start = [0, 9_000, *range(10_000, 12_000)]
    assert steady(slow_start, skipped=2) == (1_999, 1.999)
    assert steady([5, 1, 3, 2, 4], skipped=1_000) == (2, 0.002), "of few answers the later half counts"


def test_what_the_kernel_says_is_read_whatever_a_process_calls_itself() -> None:
    stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 900 0 0 0 250 50 0 0 20 0 1 0 100 1000 200"
    used = parsed(stat, "Name:\ta\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n")
    assert (used.cpu_seconds, used.resident_mib, used.peak_mib) == (3.0, 100.0, 200.0)
