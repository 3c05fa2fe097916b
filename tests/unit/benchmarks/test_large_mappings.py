"""The report about large mappings."""

from benchmarks.large_mappings import FASTEST_COMPUTED, FASTEST_PLAIN, USUAL_BARE, Rates, find_slow_rates, format_rates


def test_report_has_rates_and_ratios() -> None:
    """The ratios are what another machine can be compared by."""
    report = format_rates(Rates(9_000.4, 4_000, 18_000))

    assert "| without expressions | 9,000 | 0.50 |" in report
    assert "| 20 of them with an expression | 4,000 | 0.22 |" in report


def test_missed_targets_are_named() -> None:
    """Each with its ratio to the bare loop."""
    assert find_slow_rates(Rates(FASTEST_PLAIN, FASTEST_COMPUTED, USUAL_BARE)) == []
    assert find_slow_rates(Rates(7_000, 2_000, USUAL_BARE)) == [
        "a mapping of 100 rules without expressions: 0.74 of the bare loop instead of 0.84",
        "a mapping of 100 rules with expressions: 0.21 of the bare loop instead of 0.32",
    ]


def test_slower_machine_misses_no_target() -> None:
    """It is slower for the bare loop as well."""
    assert find_slow_rates(Rates(FASTEST_PLAIN / 2, FASTEST_COMPUTED / 2, USUAL_BARE / 2)) == []
