"""Each transform separately: results, empty values and values that do not fit."""

import pytest

from services.contracts.transforms import DateFormat, Default, Lower, Transform, Trim, ValueTable
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform, is_empty

YES_NO = {"Ja": True, "Nein": False}


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        (Trim(), "  Zoë\t", "Zoë"),
        (Trim(), " \n ", None),
        (Trim(), (" a ", "b"), ("a", "b")),
        (Trim(), (" a ", "  "), ("a",)),
        (Trim(), (" ", 7), (7,)),
        (Trim(), 7, 7),
        (Lower(), "ÄRZTIN", "ärztin"),
        (Lower(), ("A", 1, True), ("a", 1, True)),
        (Lower(), False, False),
        (Default(value="de"), None, "de"),
        (Default(value="de"), "", "de"),
        (Default(value=("a", "b")), (), ("a", "b")),
        (Default(value="de"), "en", "en"),
        (Default(value=1), 0, 0),
        (Default(value=True), False, False),
        (DateFormat(), "2026-03-09T00:00:00+01:00", "2026-03-09"),
        (DateFormat(format="%d.%m.%Y"), "2026-03-09", "09.03.2026"),
        (DateFormat(format="%d.%m.%Y"), "1926-05-01T00:00:00+00:53", "01.05.1926"),
        (DateFormat(format="%Y"), ("2026-03-09", "2025-01-01"), ("2026", "2025")),
        (ValueTable(table={"1": "one"}), 1, "one"),
        (ValueTable(table={"true": "yes"}), True, "yes"),
        (ValueTable(table=YES_NO), ("Ja", "Nein"), (True, False)),
        (ValueTable(table=YES_NO, otherwise="keep"), "vielleicht", "vielleicht"),
        (ValueTable(table=YES_NO, otherwise="missing"), "vielleicht", None),
        (ValueTable(table=YES_NO, otherwise="missing"), ("Ja", "vielleicht"), (True,)),
        (ValueTable(table={"None": "wrong"}, otherwise="keep"), (None, "x"), ("x",)),
        (ValueTable(table={"n/a": None}), "n/a", None),
    ],
)
def test_transform_gives_value_and_type(transform: Transform, value: Value, expected: Value) -> None:
    """The result of each transform, for single values and lists."""
    result = compile_transform(transform)(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("empty", [None, "", (), (None, "")])
@pytest.mark.parametrize(
    "transform", [Trim(), Lower(), DateFormat(), ValueTable(table=YES_NO)], ids=lambda transform: transform.kind
)
def test_empty_value_stays_empty_without_a_default(transform: Transform, empty: Value) -> None:
    """Only a default replaces an empty value."""
    assert is_empty(compile_transform(transform)(empty))


@pytest.mark.parametrize(
    ("transform", "value", "reason"),
    [
        (DateFormat(), "09.03.2026", "is not a date"),
        (DateFormat(), "2026-02-30", "is not a date"),
        (DateFormat(), ("2026-03-09", "soon"), "is not a date"),
        (ValueTable(table=YES_NO), "vielleicht", "is not in the value table"),
        (ValueTable(table=YES_NO), ("Ja", "vielleicht"), "is not in the value table"),
    ],
)
def test_unfit_value_is_not_quoted(transform: Transform, value: Value, reason: str) -> None:
    """The message becomes the reason in an event."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == reason


@pytest.mark.parametrize("value", [0, 0.0, False, " ", (None, 0), (False,)])
def test_zero_false_and_filled_lists_are_not_empty(value: Value) -> None:
    """Only null, empty strings and lists of such values are empty."""
    assert not is_empty(value)
