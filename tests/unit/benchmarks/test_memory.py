"""The report of the services' memory, and the targets that a service can miss."""

import pytest

from benchmarks.memory.report import Growth, find_growing_services, format_growths


def make_growth(people: int, growth: float) -> Growth:
    """Returns the memory of an import with one service."""
    return Growth(people, growth_mib={"writer": growth}, peak_mib={"writer": 80 + growth})


@pytest.mark.parametrize(
    ("growths", "misses"),
    [
        ([(1_000, 10.0), (10_000, 50.0), (100_000, 85.0)], []),
        (
            [(1_000, 10.0), (10_000, 50.0), (100_000, 86.0)],
            ["100,000 people: the writer grows by 86 MiB, not by at most 85 MiB, which 10,000 people allow"],
        ),
        ([(1_000, 10.0), (10_000, 99.0)], []),
        ([(1_000, 100.0)], ["1,000 people: the writer grows by 100 MiB, not by less than 100"]),
    ],
)
def test_service_that_grows_misses_a_target(growths: list[tuple[int, float]], misses: list[str]) -> None:
    """A company with 10,000 people fills all buffers, so a larger one needs hardly more."""
    assert find_growing_services([make_growth(*growth) for growth in growths]) == misses


def test_table_of_the_memory_has_a_column_for_each_size() -> None:
    """The peak stands beside the growth, because the container's limit concerns the peak."""
    table = format_growths([make_growth(1_000, 10.0), make_growth(10_000, 50.0)])

    assert table.splitlines() == [
        "| memory above readiness, MiB (peak, MiB) | 1,000 people | 10,000 people |",
        "|---|---:|---:|",
        "| writer | 10 (90) | 50 (130) |",
    ]
