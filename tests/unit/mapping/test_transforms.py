"""Each transform alone: what it makes of a value, of nothing, and of what does not fit."""

import pytest

from services.contracts.mappings import DateFormat, Default, Lower, Transform, Trim, ValueTable
from services.contracts.model import Value
from services.mapping.transforms import UnfitValueError, compiled, missing

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
    ],
)
def test_a_transform_gives(transform: Transform, value: Value, expected: Value) -> None:
    given = compiled(transform)(value)
    assert (given, type(given)) == (expected, type(expected))


@pytest.mark.parametrize("nothing", [None, "", (), (None, "")])
@pytest.mark.parametrize("transform", [Trim(), Lower(), DateFormat(), ValueTable(table=YES_NO)], ids=lambda t: t.kind)
def test_a_missing_value_passes_through_everything_but_a_default(transform: Transform, nothing: Value) -> None:
    assert missing(compiled(transform)(nothing))


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
def test_what_does_not_fit_is_said_without_the_value(transform: Transform, value: Value, reason: str) -> None:
    with pytest.raises(UnfitValueError) as caught:
        compiled(transform)(value)
    assert str(caught.value) == reason


@pytest.mark.parametrize("value", [0, 0.0, False, " ", (None, 0), (False,)])
def test_zero_false_and_a_list_with_something_in_it_are_not_missing(value: Value) -> None:
    assert not missing(value)
