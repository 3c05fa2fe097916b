"""Transforms of texts and of lists of texts: spaces, case, joining, splitting, ASCII, value tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.transforms import (
    First,
    Join,
    Lower,
    Split,
    Title,
    Transform,
    Transliterate,
    Trim,
    Upper,
    ValueTable,
)
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform

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
        (Upper(), "de", "DE"),
        (Upper(), "straße", "STRASSE"),
        (Upper(), ("a", 2.5), ("A", 2.5)),
        (Title(), "ANNA MARIA", "Anna Maria"),
        (Title(), "hans-peter MÜLLER", "Hans-Peter Müller"),
        (Title(), "große straße", "Große Straße"),
        (Title(), "shane o'neil", "Shane O'Neil"),
        (Title(), "GABRIELE D’ANNUNZIO", "Gabriele D’Annunzio"),
        (Title(), "anna's garten", "Anna's Garten"),
        (Title(), "rock 'n' roll", "Rock 'n' Roll"),
        (Title(), "VON DER HEIDE", "Von Der Heide"),
        (Title(), "2nd floor (east)", "2nd Floor (East)"),
        (Title(), "JOSE\u0301 ÑANDÚ", "Jose\u0301 Ñandú"),
        (Title(), 5, 5),
        (Transliterate(), "Jürgen Müßig", "Juergen Muessig"),
        (Transliterate(), "MÜLLER", "MUELLER"),
        (Transliterate(), "Ärztin in Österreich", "Aerztin in Oesterreich"),
        (Transliterate(), "BÄ", "BAE"),
        (Transliterate(), "A\u0308rger", "Aerger"),
        (Transliterate(), "GROẞ", "GROSS"),
        (Transliterate(), "Łukasz Żółć", "Lukasz Zolc"),
        (Transliterate(german=False), "Jürgen Müßig", "Jurgen Mussig"),
        (Transliterate(german=False), "Åsa Öberg", "Asa Oberg"),
        (Transliterate(), "\u200b", None),
        (Transliterate(), "Zoë 😀", "Zoe :grinning:"),
        (Transliterate(), ("ä", 3), ("ae", 3)),
        (Join(), ("a", None, "b"), "a, b"),
        (Join(separator=""), ("a", "b"), "ab"),
        (Join(separator=" / "), ("a", 5, True, 2.5), "a / 5 / true / 2.5"),
        (Join(), "a", "a"),
        (Join(), 5, "5"),
        (Split(), "a, b ,,c", ("a", "b", "c")),
        (Split(separator=";"), ("a;b", "c"), ("a", "b", "c")),
        (Split(separator=" - "), "a - b-c", ("a", "b-c")),
        (Split(), " , ", ()),
        (Split(), 5, (5,)),
        (Split(), ("a,b", False), ("a", "b", False)),
        (First(), (None, "", "b", "c"), "b"),
        (First(), (0, 1), 0),
        (First(), "a", "a"),
        (ValueTable(table={"1": "one"}), 1, "one"),
        (ValueTable(table={"true": "yes"}), True, "yes"),
        (ValueTable(table=YES_NO), ("Ja", "Nein"), (True, False)),
        (ValueTable(table=YES_NO, otherwise="keep"), "vielleicht", "vielleicht"),
        (ValueTable(table=YES_NO, otherwise="missing"), "vielleicht", None),
        (ValueTable(table=YES_NO, otherwise="missing"), ("Ja", "vielleicht"), (True,)),
        (ValueTable(table={"None": "wrong"}, otherwise="keep"), (None, "x"), ("x",)),
        (ValueTable(table={"n/a": None}), "n/a", None),
        (ValueTable(table=YES_NO, ignore_case=True), "JA", True),
        (ValueTable(table={"STRASSE": 1}, ignore_case=True), "Straße", 1),
        (ValueTable(table=YES_NO, otherwise="keep"), "JA", "JA"),
        (ValueTable(table=YES_NO, ignore_case=True, otherwise="keep"), "Ja ", "Ja "),
        (ValueTable(table=YES_NO, ignore_case=True, otherwise="keep"), "NIE", "NIE"),
    ],
)
def test_text_transform_gives_value_and_type(transform: Transform, value: Value, expected: Value) -> None:
    """The result of each transform, for single values and lists."""
    result = compile_transform(transform)(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", ["vielleicht", ("Ja", "vielleicht"), "ja", " Ja", 1])
def test_value_outside_the_table_is_not_quoted(value: Value) -> None:
    """The message becomes the reason in an event."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(ValueTable(table=YES_NO))(value)

    assert str(caught.value) == "is not in the value table"


@pytest.mark.parametrize(
    "settings",
    [
        {"table": {str(number): 1 for number in range(2_001)}},
        {"table": {"x" * 1_001: 1}},
        {"table": {"x": "y" * 1_001}},
        {"table": {"Ja": 1, "JA": 2}, "ignore_case": True},
        {"table": {"Straße": 1, "STRASSE": 2}, "ignore_case": True},
    ],
    ids=["entries", "key", "replacement", "case", "sharp s"],
)
def test_large_or_ambiguous_table_is_refused(settings: dict[str, object]) -> None:
    """A mapping is read into the memory of each mapper."""
    with pytest.raises(ValidationError):
        ValueTable.model_validate(settings)


@pytest.mark.parametrize("settings", [{"separator": ""}, {"separator": "x" * 21}])
def test_separator_that_cannot_split_is_refused(settings: dict[str, object]) -> None:
    """Python raises an error for an empty separator."""
    with pytest.raises(ValidationError):
        Split.model_validate(settings)


@given(text=st.text())
def test_title_case_changes_case_only(text: str) -> None:
    """Spaces, marks and the order of words stay."""
    result = compile_transform(Title())(text)

    assert isinstance(result, str)
    assert result.casefold() == text.casefold()


@given(text=st.text(), german=st.booleans())
def test_transliteration_gives_ascii(text: str, german: bool) -> None:
    """Systems behind Declaree may read ASCII only."""
    result = compile_transform(Transliterate(german=german))(text)

    assert str(result).isascii()


@given(entries=st.lists(st.text("abc", min_size=1), min_size=1).map(tuple))
def test_joined_list_can_be_split_again(entries: tuple[str, ...]) -> None:
    """The two transforms are inverse for entries without the separator and spaces around them."""
    text = compile_transform(Join(separator=";"))(entries)

    assert compile_transform(Split(separator=";"))(text) == entries
