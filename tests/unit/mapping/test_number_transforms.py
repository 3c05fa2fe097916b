"""Numbers as texts, and texts as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.transforms import NumberFormat, ToNumber, Transform
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform

DE, CH, FR, HI = ("de", "de_CH", "fr", "hi")
LONG = 10**15


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        (NumberFormat(), 1234567.5, "1,234,567.5"),
        (NumberFormat(locale=DE), 1234567.5, "1.234.567,5"),
        (NumberFormat(locale=DE), -1234, "-1.234"),
        (NumberFormat(locale=DE, grouping=False), 1234567.5, "1234567,5"),
        (NumberFormat(locale=CH), 1234567.5, "1'234'567.5"),
        (NumberFormat(locale=FR), 1234567, "1\u202f234\u202f567"),
        (NumberFormat(locale=HI), 1234567, "12,34,567"),
        (NumberFormat(decimals=2, locale=DE), 5, "5,00"),
        (NumberFormat(decimals=2), 1.005, "1.01"),
        (NumberFormat(decimals=2), -1.005, "-1.01"),
        (NumberFormat(decimals=0), 2.5, "3"),
        (NumberFormat(decimals=2), -0.001, "0.00"),
        (NumberFormat(), 0, "0"),
        (NumberFormat(), 40.0, "40"),
        (NumberFormat(), 1e-7, "0.0000001"),
        (NumberFormat(), 0.1 + 0.2, "0.3"),
        (NumberFormat(locale=DE), "1234.50", "1.234,5"),
        (NumberFormat(), LONG - 1, "999,999,999,999,999"),
        (NumberFormat(), (1000, "0.5"), ("1,000", "0.5")),
        (ToNumber(locale=DE), "1.234,5", 1234.5),
        (ToNumber(locale=DE), "1.234", 1234),
        (ToNumber(locale=DE), " 12 ", 12),
        (ToNumber(locale=DE), "12,0", 12.0),
        (ToNumber(locale=DE), "-5", -5),
        (ToNumber(locale=DE), "−5", -5),
        (ToNumber(locale=DE), "+0,5", 0.5),
        (ToNumber(), "1,234.5", 1234.5),
        (ToNumber(), "007", 7),
        (ToNumber(locale=CH), "1'234’567.5", 1234567.5),
        (ToNumber(locale=FR), "1 234\u00a0567,5", 1234567.5),
        (ToNumber(locale=HI), "12,34,567", 1234567),
        (ToNumber(), 7, 7),
        (ToNumber(), 7.5, 7.5),
        (ToNumber(locale=DE), ("1,5", 2), (1.5, 2)),
    ],
)
def test_number_transform_gives_value_and_type(transform: Transform, value: Value, expected: Value) -> None:
    """Integers stay integers, and only digits after a separator give a float."""
    result = compile_transform(transform)(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("transform", "value", "reason"),
    [
        *((NumberFormat(), value, "is not a number") for value in ("1,234", "x", "1e5", " 1", "٣", True, float("nan"))),
        (NumberFormat(), float("inf"), "is not a number"),
        (NumberFormat(), LONG, "is a number of more than 15 digits"),
        (NumberFormat(), -1e300, "is a number of more than 15 digits"),
        (NumberFormat(), 10**300, "is a number of more than 15 digits"),
        *((ToNumber(locale=DE), value, "is not a number") for value in ("1.5", "1,234.5", "1.2345", "12.34,5", "5 €")),
        *(
            (ToNumber(), value, "is not a number")
            for value in ("NaN", "Infinity", "1_000", "1e5", "٣", "--1", "1.", True)
        ),
        (ToNumber(), "1234567890123456", "is a number of more than 15 digits"),
        (ToNumber(), "0." + "1" * 15, "is a number of more than 15 digits"),
        (ToNumber(), ("1", "one"), "is not a number"),
    ],
)
def test_value_that_is_not_a_number_is_not_quoted(transform: Transform, value: Value, reason: str) -> None:
    """The library takes 1.2.3 for 123 in German, and Python reads NaN and 1_000 as numbers."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == reason


@pytest.mark.parametrize("decimals", [-1, 7, "2", True, 1.0])
def test_number_of_decimals_has_limits(decimals: object) -> None:
    """A table in the documentation promises 0 to 6."""
    with pytest.raises(ValidationError):
        NumberFormat.model_validate({"decimals": decimals})


@given(
    number=st.integers(1 - LONG, LONG - 1) | st.integers(-(10**9), 10**9).map(lambda number: number / 1000),
    locale=st.sampled_from([DE, CH, FR, HI, "en", "sv", "ar", "pl", "pt_PT", "en_IN", "zh"]),
    grouping=st.booleans(),
)
def test_formatted_number_is_read_again(number: float, locale: str, grouping: bool) -> None:
    """The two transforms are inverse in each locale."""
    text = compile_transform(NumberFormat(locale=locale, grouping=grouping))(number)

    assert compile_transform(ToNumber(locale=locale))(text) == number
