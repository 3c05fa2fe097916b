"""Dates as texts."""

from datetime import date

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.transforms import DateFormat
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform, find_transform_problem


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        (DateFormat(), "2026-03-09T00:00:00+01:00", "2026-03-09"),
        (DateFormat(), "2026-03-09 23:59", "2026-03-09"),
        (DateFormat(format="dd.MM.yyyy"), "2026-03-09", "09.03.2026"),
        (DateFormat(format="dd.MM.yyyy"), "1926-05-01T00:00:00+00:53", "01.05.1926"),
        (DateFormat(format="dd.MM.yyyy"), "9999-12-31", "31.12.9999"),
        (DateFormat(format="yyyy"), "0001-01-01", "0001"),
        (DateFormat(format="yyyy"), ("2026-03-09", "2025-01-01"), ("2026", "2025")),
        (DateFormat(format="d. MMMM yyyy", locale="de"), "2026-03-09", "9. März 2026"),
        (DateFormat(format="MMMM", locale="de_AT"), "2026-01-09", "Jänner"),
        (DateFormat(format="MMMM", locale="de-AT"), "2026-01-09", "Jänner"),
        (DateFormat(format="d 'of' MMMM"), "2026-03-09", "9 of March"),
        (DateFormat(format="h'' y".replace("h", "'o'")), "2026-03-09", "o' 2026"),
        (DateFormat(format="yyyy年M月"), "2026-03-09", "2026年3月"),
        (DateFormat(format="EEEE", locale="de"), "2026-03-09", "Montag"),
        (DateFormat(format="Qy"), "2026-03-09", "12026"),
        (DateFormat(format="short", locale="de"), "2026-03-09", "09.03.26"),
        (DateFormat(format="medium", locale="de"), "2026-03-09", "09.03.2026"),
        (DateFormat(format="long", locale="en"), "2026-03-09", "March 9, 2026"),
        (DateFormat(format="full", locale="de"), "2026-03-09", "Montag, 9. März 2026"),
    ],
)
def test_date_is_formatted(transform: DateFormat, value: Value, expected: Value) -> None:
    """The date of a timestamp is the date that Personio shows: no time zone applies."""
    assert compile_transform(transform)(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "09.03.2026",
        "2026-02-30",
        ("2026-03-09", "soon"),
        "20260309",
        "2026-W10-1",
        "2026-03-09x",
        "٢٠٢٦-03-09",
        20260309,
        True,
        1.5,
    ],
)
def test_value_that_is_not_a_date_is_not_quoted(value: Value) -> None:
    """The message becomes the reason in an event."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(DateFormat())(value)

    assert str(caught.value) == "is not a date"


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("%d.%m.%Y", "the format contains Y, m, which is not a field of a date (the month is M, the year is y)"),
        ("dd.mm.yyyy", "the format contains m, which"),
        ("dd.MM.YYYY", "the format contains Y, which"),
        ("HH:mm", "the format contains H, m, which"),
        ("w", "the format contains w, which"),
        ("yyyy-MM-ddTHH", "the format contains H, T, which"),
        ("yyyy 'x", "the format contains a single quote without an end"),
        ("yyyy\n", "the format contains a control character"),
        ("'yyyy'", "the format contains no field of a date"),
        ("MMMMMM", "the format repeats a letter too often"),
    ],
)
def test_pattern_with_a_mistake_is_a_problem(pattern: str, problem: str) -> None:
    """Minutes for months and the year of the week are common mistakes, and give wrong dates in silence."""
    assert (find_transform_problem(DateFormat(format=pattern)) or "").startswith(problem)


@pytest.mark.parametrize(
    "settings",
    [{"format": ""}, {"format": "y" * 101}, {"locale": ""}, {"locale": "de_DE.UTF-8"}, {"locale": "../../etc"}],
)
def test_settings_of_dates_have_limits(settings: dict[str, str]) -> None:
    """The name of a locale becomes a part of a file name in the library."""
    with pytest.raises(ValidationError):
        DateFormat.model_validate(settings)


@pytest.mark.parametrize("language", sorted(name for name in locale_identifiers() if "_" not in name))
def test_each_locale_has_names_for_all_fields(language: str) -> None:
    """A missing name would stop the mapper at the first employee."""
    for pattern in (
        "short",
        "medium",
        "long",
        "full",
        "E EEEE EEEEE EEEEEE ccc cccc",
        "MMM MMMM MMMMM LLLL",
        "QQQ QQQQ qqqq",
    ):
        function = compile_transform(DateFormat(format=pattern, locale=language))

        assert all(function(f"{year}-01-31") for year in ("0001", "2026", "9999"))


@given(
    day=st.dates(), pattern=st.lists(st.sampled_from(["y", "M", "dd", "MMMM", "E", "D", "QQQQ", "' '"])).map("".join)
)
def test_accepted_pattern_formats_each_date(day: date, pattern: str) -> None:
    """A pattern that works for one day works for each."""
    transform = DateFormat(format=f"yyyy.{pattern}"[:100])
    if find_transform_problem(transform) is None:
        assert str(compile_transform(transform)(day.isoformat())).startswith(f"{day.year:04}")
