"""The output of commands, without servers."""

from datetime import datetime, timedelta, timezone

import pytest

from services.cli.output import MINUTES, format_columns, format_time, join_lines


def test_columns_but_the_last_are_aligned() -> None:
    """A list can be read by columns, and no line ends with spaces."""
    assert format_columns([("1", "waiting", "long reason"), ("12", "absent", "x")]) == (
        "1   waiting  long reason\n12  absent   x"
    )


def test_no_rows_give_no_text() -> None:
    """The command prints a sentence instead."""
    assert format_columns([]) == ""


def test_time_is_shown_in_utc() -> None:
    """Independent of the offset in which it was recorded."""
    time = datetime(2026, 3, 9, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))

    assert format_time(time) == "2026-03-08 23:30:05 UTC"
    assert format_time(time, MINUTES) == "2026-03-08 23:30 UTC"


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_forged_time_without_one_in_utc_is_shown(written: str) -> None:
    """A recorded event can have any."""
    assert format_time(datetime.fromisoformat(written)) == written


def test_line_breaks_within_lines_are_replaced() -> None:
    """The reason of a forged outcome is one line."""
    assert join_lines(["created (x\n2099-01-01)", "", "  change"]) == "created (x\ufffd2099-01-01)\n\n  change"
