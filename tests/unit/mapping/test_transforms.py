"""What all transforms have in common: empty values, lists, limits, and settings that cannot be used."""

import string
import subprocess
import sys
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.transforms import (
    DateFormat,
    Default,
    Extract,
    First,
    Iban,
    Join,
    LanguageTag,
    Lower,
    Matching,
    NumberFormat,
    Phone,
    Split,
    Title,
    ToNumber,
    Transform,
    Transliterate,
    Trim,
    Upper,
    ValueTable,
)
from services.contracts.values import Value
from services.mapping.functions.values import MAX_CHARACTERS, MAX_ENTRIES
from services.mapping.transforms import UnfitValueError, compile_transform, find_transform_problem, is_empty

ALL: tuple[Transform, ...] = (
    Trim(),
    Lower(),
    Upper(),
    Title(),
    Default(value="-"),
    DateFormat(),
    NumberFormat(),
    ToNumber(),
    ValueTable(table={"x": 1}),
    Join(),
    Split(),
    First(),
    Extract(pattern="x"),
    Matching(pattern="x"),
    Phone(),
    Iban(),
    LanguageTag(),
    Transliterate(),
)
UNBOUNDED = (Default, First)


def get_kind(transform: Transform) -> str:
    """Returns the name of a transform, for the id of a test."""
    return transform.kind


def test_list_of_the_tests_contains_each_transform() -> None:
    """A new transform has to keep the rules of this file."""
    assert {type(transform) for transform in ALL} == {*get_args(get_args(Transform)[0])}


@pytest.mark.parametrize("empty", [None, "", (), (None, "")])
@pytest.mark.parametrize("transform", [one for one in ALL if not isinstance(one, Default)], ids=get_kind)
def test_empty_value_stays_empty_without_a_default(transform: Transform, empty: Value) -> None:
    """Only a default replaces an empty value."""
    assert is_empty(compile_transform(transform)(empty))


@pytest.mark.parametrize(
    ("default", "value", "expected"),
    [
        ("de", None, "de"),
        ("de", "", "de"),
        (("a", "b"), (), ("a", "b")),
        ("de", (None, ""), "de"),
        ("de", "en", "en"),
        (1, 0, 0),
        (True, False, False),
    ],
)
def test_default_replaces_empty_values_only(default: Value, value: Value, expected: Value) -> None:
    """Zero and false are values."""
    result = compile_transform(Default(value=default))(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [0, 0.0, False, " ", (None, 0), (False,)])
def test_zero_false_and_filled_lists_are_not_empty(value: Value) -> None:
    """Only null, empty strings and lists of such values are empty."""
    assert not is_empty(value)


def test_large_libraries_are_imported_for_a_rule_only() -> None:
    """Commands start faster, and most mappings need none of the libraries."""
    libraries = ("babel", "re2", "phonenumbers", "schwifty", "pycountry")
    program = f"import sys, services.mapping.rules; print([name for name in {libraries} if name in sys.modules])"

    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert process.stdout == "[]\n"


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("transform", [one for one in ALL if not isinstance(one, UNBOUNDED)], ids=get_kind)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x" * (MAX_CHARACTERS + 1), "has more than 10,000 characters"),
        (("x" * (MAX_CHARACTERS - 1), "xx"), "has more than 10,000 characters"),
        (("x",) * (MAX_ENTRIES + 1), "has more than 1,000 entries"),
    ],
    ids=["text", "list of texts", "list"],
)
def test_large_value_is_rejected(transform: Transform, value: Value, reason: str) -> None:
    """One employee must not hold the mapper."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("transform", "value"),
    [
        (Upper(), "ΐ" * 9_000),
        (Transliterate(), "ä" * 9_000),
        (Join(separator="x" * 20), ("y",) * 900),
        (ValueTable(table={"a": "b" * 1_000}), ("a",) * 11),
        (DateFormat(format="'" + "x" * 90 + "' y"), ("2026-03-01",) * 900),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "value",
)
def test_result_has_the_same_limit_as_a_value(transform: Transform, value: Value) -> None:
    """Transforms must not multiply a value, and the events of an employee with it."""
    with pytest.raises(UnfitValueError, match=r"^has more than 10,000 characters$"):
        compile_transform(transform)(value)


def test_split_into_too_many_entries_is_rejected() -> None:
    """Each entry costs the time of the transforms after it."""
    with pytest.raises(UnfitValueError, match=r"^has more than 1,000 entries$"):
        compile_transform(Split())("a," * 1_001)


@pytest.mark.parametrize("transform", [ValueTable(table={"x": 1}), Extract(pattern="x"), Join()], ids=get_kind)
def test_huge_integer_is_rejected(transform: Transform) -> None:
    """Python refuses to write an integer with more than 4,300 digits."""
    with pytest.raises(UnfitValueError, match=r"^is too large a number$"):
        compile_transform(transform)(10**5_000)


# ---------------------------------------------------------------- settings that cannot be used

BROKEN: tuple[tuple[Transform, str], ...] = (
    (Extract(pattern="("), "the pattern is not valid"),
    (Matching(pattern="a**"), "the pattern is not valid"),
    (DateFormat(format="%d.%m.%Y"), "the format contains"),
    (DateFormat(locale="xx"), "the locale xx is unknown"),
    (NumberFormat(locale="de_JP"), "the locale de_JP is unknown"),
    (ToNumber(locale="zz-ZZ"), "the locale zz-ZZ is unknown"),
    (Phone(region="XX"), "the region XX is unknown"),
)


@pytest.mark.parametrize(("transform", "problem"), BROKEN, ids=lambda value: getattr(value, "kind", ""))
def test_problem_of_a_transform_says_what_to_do(transform: Transform, problem: str) -> None:
    """The author of a mapping reads it before the mapping is published."""
    text = find_transform_problem(transform)

    assert text is not None
    assert text.startswith(problem)
    assert ": " in text


@pytest.mark.parametrize("transform", ALL, ids=get_kind)
def test_transform_that_works_has_no_problem(transform: Transform) -> None:
    """A problem forbids the publication of a mapping."""
    assert find_transform_problem(transform) is None


@pytest.mark.parametrize(("transform", "_problem"), BROKEN, ids=lambda value: getattr(value, "kind", ""))
@pytest.mark.parametrize("value", ["x", 1, ("x", 1)])
def test_stored_transform_with_a_problem_rejects_values(transform: Transform, _problem: str, value: Value) -> None:
    """A newer version of a library may refuse a published pattern. The mapper must go on with other companies."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == f"cannot pass the transform {transform.kind}, which has an invalid setting"


@pytest.mark.parametrize(("transform", "_problem"), BROKEN, ids=lambda value: getattr(value, "kind", ""))
def test_transform_with_a_problem_leaves_empty_values(transform: Transform, _problem: str) -> None:
    """An empty value passes through all transforms but a default."""
    assert compile_transform(transform)(None) is None


# ---------------------------------------------------------------- any value, any transform

WORDS = st.sampled_from(
    ["Deutsch", "de_AT", "2026-03-01", "1.234,5", "+49 (0)171 2345678", "DE89 3704 0044 0532 0130 00", "Straße", "a;b"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(string.digits + " +-.,/()", max_size=30)
    | st.characters(codec=None).map(lambda character: character * 3)
    | st.dates().map(str)
    | WORDS
)
VALUES = SCALARS | st.lists(SCALARS, max_size=4).map(tuple)
LOCALES = st.sampled_from(["de", "en", "de_CH", "hi", "ar", "fa", "sv", "zz", "en_US", "zh-Hant-TW"]) | st.from_regex(
    r"[a-z]{2,3}(_[A-Z]{2})?", fullmatch=True
)
OTHERWISE = st.sampled_from(["keep", "missing", "reject"])
PATTERNS = st.text(min_size=1, max_size=500) | st.text(r"ab(){}[]|*+?.\^$,019:<>PpLN-", min_size=1, max_size=60)
TRANSFORMS: st.SearchStrategy[Transform] = st.one_of(
    st.builds(Trim),
    st.builds(Lower),
    st.builds(Upper),
    st.builds(Title),
    st.builds(Default, value=st.text()),
    st.builds(
        DateFormat,
        format=st.text(min_size=1, max_size=100)
        | st.text("yMLdDEcQq.' /mYh", min_size=1, max_size=12)
        | st.sampled_from(["short", "full"]),
        locale=LOCALES,
    ),
    st.builds(NumberFormat, decimals=st.none() | st.integers(0, 6), locale=LOCALES, grouping=st.booleans()),
    st.builds(ToNumber, locale=LOCALES),
    st.builds(ValueTable, table=st.dictionaries(st.text(), SCALARS, max_size=3), otherwise=OTHERWISE),
    st.builds(Join, separator=st.text(max_size=20)),
    st.builds(Split, separator=st.text(min_size=1, max_size=20)),
    st.builds(First),
    st.builds(Extract, pattern=PATTERNS, group=st.none() | st.integers() | st.text(max_size=3), otherwise=OTHERWISE),
    st.builds(Matching, pattern=PATTERNS),
    st.builds(Phone, region=st.from_regex(r"[A-Z]{2}", fullmatch=True), otherwise=OTHERWISE),
    st.builds(Iban, otherwise=OTHERWISE),
    st.builds(
        LanguageTag,
        separator=st.sampled_from("-_"),
        region=st.sampled_from(["keep", "add", "remove"]),
        otherwise=OTHERWISE,
    ),
    st.builds(Transliterate, german=st.booleans()),
)


def is_value(result: object) -> bool:
    """Returns whether the result may be the value of a field."""
    if isinstance(result, tuple):
        return all(is_value(entry) and not isinstance(entry, tuple) for entry in result)
    return result is None or type(result) in {str, bool, int, float}


@given(transform=TRANSFORMS, value=VALUES)
def test_any_value_gives_a_value_or_a_reason(transform: Transform, value: Value) -> None:
    """Neither Personio's data nor a mapping may stop the mapper."""
    begin, reason = time.process_time(), ""
    try:
        result = compile_transform(transform)(value)
    except UnfitValueError as error:
        result, reason = None, str(error)

    assert is_value(result)
    assert "\n" not in reason
    assert time.process_time() - begin < 1.0


@given(transforms=st.lists(TRANSFORMS, min_size=2, max_size=4), value=VALUES)
def test_any_transforms_can_follow_one_another(transforms: list[Transform], value: Value) -> None:
    """Each transform takes what another gives."""
    try:
        for transform in transforms:
            value = compile_transform(transform)(value)
    except UnfitValueError:
        return
    assert is_value(value)


@given(transform=TRANSFORMS, value=st.text(min_size=1))
def test_transform_with_a_problem_fits_no_value(transform: Transform, value: str) -> None:
    """The check of a draft finds what would reject all employees."""
    if find_transform_problem(transform) is None:
        return
    with pytest.raises(UnfitValueError, match=r"which has an invalid setting$"):
        compile_transform(transform)(value)
