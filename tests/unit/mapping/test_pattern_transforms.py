"""Regular expressions: what they select, and patterns that would take time or memory."""

import time
from contextlib import suppress

import pytest
from pydantic import ValidationError

from services.contracts.transforms import Extract, Matching, Transform
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform, find_transform_problem


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        (Extract(pattern=r"\d+"), "Team 42 of 50", "42"),
        (Extract(pattern=r"Team (\d+)"), "Team 42", "42"),
        (Extract(pattern=r"(\w+) (\d+)", group=2), "Team 42", "42"),
        (Extract(pattern=r"(\w+) (\d+)", group=0), "Team 42", "Team 42"),
        (Extract(pattern=r"(?P<name>\w+) (?P<number>\d+)", group="number"), "Team 42", "42"),
        (Extract(pattern=r"(?i)^kst-(\d+)"), "KST-4711 Berlin", "4711"),
        (Extract(pattern=r"^\p{L}+"), "Jürgen Müller", "Jürgen"),
        (Extract(pattern=r"^(\d{2})"), 4711, "47"),
        (Extract(pattern=r"^(t)"), True, "t"),
        (Extract(pattern=r"\d+"), ("a1", "b2"), ("1", "2")),
        (Extract(pattern=r"\d+", otherwise="keep"), "none", "none"),
        (Extract(pattern=r"\d+", otherwise="keep"), True, True),
        (Extract(pattern=r"\d+", otherwise="missing"), "none", None),
        (Extract(pattern=r"\d+", otherwise="missing"), ("a1", "b"), ("1",)),
        (Extract(pattern=r"(a)|b", otherwise="missing"), "b", None),
        (Extract(pattern=r"x*"), "abc", None),
        (Matching(pattern=r"^K"), ("K1", "X", "K2"), ("K1", "K2")),
        (Matching(pattern=r"^4"), (4711, 5000, True), (4711,)),
        (Matching(pattern=r"^K"), "K1", "K1"),
        (Matching(pattern=r"^K"), "X", None),
        (Matching(pattern=r"^K"), ("X",), ()),
    ],
)
def test_pattern_selects_value_and_type(transform: Transform, value: Value, expected: Value) -> None:
    """A pattern may match a part of a text."""
    result = compile_transform(transform)(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("transform", "value", "reason"),
    [
        (Extract(pattern=r"\d"), "secret", "does not match the pattern"),
        (Extract(pattern=r"\d"), ("1", "secret"), "does not match the pattern"),
        (Extract(pattern=r"(a)|b"), "b", "does not match the pattern"),
        (Matching(pattern="a"), "\ud800", "contains a damaged character"),
        (Matching(pattern="(.?){180}"), "a" * 5_000, "is too long for the pattern"),
    ],
)
def test_value_that_does_not_match_is_not_quoted(transform: Transform, value: Value, reason: str) -> None:
    """The message becomes the reason in an event."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "the pattern is not valid (missing ): ()"),
        ("[a", "the pattern is not valid (missing ]: [a)"),
        (r"\1", "the pattern is not valid (invalid escape sequence: \\1)"),
        ("(?=x)", "the pattern is not valid (invalid perl operator: (?=)"),
        ("((a{100}){100}){100}", "the pattern is not valid (invalid repetition size: {100})"),
        (r"\pL{1000}", "the pattern is not valid (pattern too large - compile failed)"),
        ("(" * 250 + ")" * 250, "the pattern has more than 20 groups"),
        (".{1000}", "the pattern is too large"),
    ],
)
def test_pattern_that_cannot_be_used_is_a_problem(pattern: str, problem: str) -> None:
    """The author of the mapping reads what is wrong."""
    assert (find_transform_problem(Matching(pattern=pattern)) or "").startswith(problem)


@pytest.mark.parametrize("group", [2, -1, "name", "", 10**30])
def test_missing_group_is_a_problem(group: int | str) -> None:
    """A group that the pattern does not have would select nothing."""
    problem = find_transform_problem(Extract(pattern="(a)", group=group))

    assert problem == "the pattern does not have the group: correct the number or the name"


@pytest.mark.parametrize("settings", [{"pattern": ""}, {"pattern": "x" * 501}, {"pattern": "x", "group": True}])
def test_settings_of_patterns_have_limits(settings: dict[str, object]) -> None:
    """A boolean is not the number of a group."""
    with pytest.raises(ValidationError):
        Extract.model_validate(settings)


@pytest.mark.parametrize(
    "pattern",
    [
        "(x+x+)+y",
        "(a|a)*b",
        "(a|aa)+$",
        ".*.*.*.*.*=.*",
        "(.?){180}c",
        "(?:(.?)){40}(?:(.?)){40}(?:(.?)){40}(?:(.?)){40}c",
        "((a|b|.)*?){20}c",
    ],
)
def test_hostile_pattern_takes_little_time(pattern: str) -> None:
    """The mapper works for many companies, and the author of one mapping must not hold it."""
    function = compile_transform(Matching(pattern=pattern))
    begin = time.process_time()
    for text in ("a" * 10_000, "xä€😀" * 2_500, "a" * 1_900, "xä€😀" * 190):
        with suppress(UnfitValueError):
            function(text)

    assert time.process_time() - begin < 1.0
