"""The report about large mappings."""

from benchmarks.large_mappings import FASTEST_COMPUTED, FASTEST_PLAIN, Rates, find_slow_rates, format_rates


def test_report_has_rates_and_ratios() -> None:
    """The ratios are what another machine can be compared by."""
    report = format_rates(Rates(9_000.4, 4_000, 18_000))

    assert "| without expressions | 9,000 | 0.50 |" in report
    assert "| 20 of them with an expression | 4,000 | 0.22 |" in report


def test_missed_targets_are_named() -> None:
    """Each with its rate."""
    assert find_slow_rates(Rates(FASTEST_PLAIN, FASTEST_COMPUTED, 1)) == []
    assert find_slow_rates(Rates(7_000, 2_000, 1)) == [
        "a mapping of 100 rules without expressions: 7,000 employees a second and core instead of 8,000",
        "a mapping of 100 rules with expressions: 2,000 employees a second and core instead of 3,000",
    ]
