"""The output of commands, without servers."""

from services.cli.output import format_columns


def test_columns_but_the_last_are_aligned() -> None:
    """A list can be read by columns, and no line ends with spaces."""
    assert format_columns([("1", "waiting", "long reason"), ("12", "absent", "x")]) == (
        "1   waiting  long reason\n12  absent   x"
    )


def test_no_rows_give_no_text() -> None:
    """The command prints a sentence instead."""
    assert format_columns([]) == ""
