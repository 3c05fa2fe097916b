"""Expressions: what they mean with and without values, what is refused, and their bounds."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.mappings import MAX_EXPRESSION_LENGTH
from services.contracts.values import Value
from services.mapping.expressions.evaluation import (
    MAX_INPUT_ENTRIES,
    MAX_INPUT_LENGTH,
    MAX_LOOP_INPUT_LENGTH,
    CompiledExpression,
)
from services.mapping.expressions.functions import FUNCTIONS
from services.mapping.expressions.tokens import InvalidExpressionError
from services.mapping.expressions.translation import find_attributes
from services.mapping.functions.values import MAX_CHARACTERS, MAX_ENTRIES
from services.mapping.transforms import UnfitValueError, is_empty

EMPTY_VALUES: tuple[Value, ...] = (None, "", ())
"""What Personio sends for an attribute without a value."""


def evaluate(expression: str, attributes: dict[str, Value]) -> Value:
    """Returns the result of an expression."""
    return CompiledExpression(expression).evaluate(attributes)


@pytest.mark.parametrize(
    ("expression", "attributes", "result"),
    [
        ('"Berlin"', {}, "Berlin"),
        ("first_name", {"first_name": "Zoë"}, "Zoë"),
        ("office.name", {"office.name": "Kiel"}, "Kiel"),
        ('attribute("2nd-phone")', {"2nd-phone": "5"}, "5"),
        ('office.name == "Kiel" ? "KI" : "HH"', {"office.name": "Kiel"}, "KI"),
        ("weekly_hours > 20", {"weekly_hours": 38.5}, True),
        ("weekly_hours / 2 + 1", {"weekly_hours": 39}, 20.5),
        ("weekly_hours * 2", {"weekly_hours": 20}, 40),
        ("-weekly_hours", {"weekly_hours": 2}, -2),
        ('"Raum " + string(room)', {"room": 5}, "Raum 5"),
        ('hire_date < "2026-01-01"', {"hire_date": "2025-05-05T00:00:00+02:00"}, True),
        ("cost_centers.name[0]", {"cost_centers.name": ("A", "B")}, "A"),
        ("cost_centers.name[1 + 0]", {"cost_centers.name": ("A", "B")}, "B"),
        ('cost_centers.name.map(n, n + "!")', {"cost_centers.name": ("A", "B")}, ("A!", "B!")),
        ('names.filter(n, n.startsWith("4")).first()', {"names": ("31", "41", "42")}, "41"),
        ('names.exists(n, n == "41") && names.all(n, size(n) == 2)', {"names": ("31", "41")}, True),
        ('status in ["active", "leave"]', {"status": "leave"}, True),
        ("[1, 2.5]", {}, (1, 2.5)),
        ('name // the name\n + "\'s"', {"name": "Ann"}, "Ann's"),
        ("supervisor.id == 5", {"supervisor.id": 5}, True),
        ("id", {"id": 1 << 60}, str(1 << 60)),
    ],
)
def test_expression_gives(expression: str, attributes: dict[str, Value], result: Value) -> None:
    """Operators are those of CEL; all numbers are decimal numbers."""
    assert evaluate(expression, attributes) == result


@pytest.mark.parametrize("empty", EMPTY_VALUES)
@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('x == ""', True),
        ("x == null", True),
        ("null == x", True),
        ("has(x)", False),
        ("!has(x)", True),
        ('x == "a"', False),
        ('x != "a"', True),
        ("x == 5", False),
        ('x in ["a"]', False),
        ('first + " " + x', "Anna"),
        ('first + " " + x + " " + last', "Anna Blum"),
        ("join([last, x, first])", "Blum, Anna"),
        ("first(x, last)", "Blum"),
        ('x == null ? "none" : x', "none"),
        ('has(x) ? "a" : null', None),
        ("x", None),
        ("x.lower().trim()", None),
        ("size(x)", 0),
        ('x.startsWith("a")', False),
        ("number(x)", None),
        ("x > 20", None),
        ("x[0]", None),
        ("x + 1", None),
        ("x ? 1 : 2", None),
        ('x > 20 || first == "Anna"', True),
        ('x > 20 && first == "Berta"', False),
    ],
)
def test_empty_attribute_is_a_value(expression: str, result: Value, empty: Value) -> None:
    """It can be tested, compared and joined. What is not possible with it has an empty result."""
    names: dict[str, Value] = {"first": "Anna", "last": "Blum"}

    assert evaluate(expression, {**names, "x": empty}) == result


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function_takes_any_value(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A function that raises would have the library print the values."""
    fewest, most = FUNCTIONS[name].arguments
    values: tuple[Value, ...] = ("text", "", "5", 5, -1.5, True, None, ("a", 1, None), (), "(", "a" * 9_000)
    for number in range(fewest, min(most, 3) + 1):
        for value in values:
            for other in values:
                arguments = ", ".join(["x", "y", "y"][:number])
                attributes = {"x": value, "y": other} if number > 1 else {"x": value}
                with suppress(UnfitValueError):  # of a value that is too long
                    evaluate(f"{name}({arguments})", attributes)

    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    "expression",
    ["join(split(y, ','), y)", "replace(y, ',', y)", "size(split(z, ',')) > 0 ? z : null", "number('1_000')"],
)
def test_function_makes_no_large_value(expression: str) -> None:
    """Its result would be empty. The library ends the process if memory is short."""
    compiled = CompiledExpression(expression)
    values: dict[str, Value] = {"y": "a," * 99, "z": "a," * 200}

    assert compiled.evaluate(dict.fromkeys(compiled.attributes, "") | values) is None


@pytest.mark.parametrize(
    ("expression", "problem", "position"),
    [
        ("", "is empty", 1),
        ("  // nothing", "is empty", 1),
        ("a = b", "write == instead", 3),
        ("a & b", "write && instead", 3),
        ("“a”", 'write " instead', 1),
        ('"a', "has no end", 1),
        ("(a", "add )", 1),
        ("a)", "closes none", 2),
        ("(a]", "closes none", 3),
        ("a b", "cannot be read from here", 3),
        ("a == ", "cannot be read from here", 3),
        ("a.b.c", "not a part of a value", 5),
        ("if", 'attribute("if")', 1),
        ("foo(a)", "the function foo is unknown", 1),
        ("timestamp(a)", "the function timestamp is unknown", 1),
        ("a.lower(b)", "takes 1 value and has 2", 8),
        ("replace(a)", "takes 3 values and has 1", 8),
        ("attribute(a)", "is a text", 1),
        ("a.map(1, 2)", "needs a name", 3),
        ("a.map(x, b.map(y, y))", "stands inside another", 12),
        ('a.matches("(")', "the pattern is not valid", 11),
        ('a.matches("\\q")', "backslash", 11),
        ('{"a": 1}', "no meaning", 1),
        ("5 % 2", "no meaning", 3),
        ("a.?b", "cannot be read", 2),
        ("1e999", "too large", 1),
        ("(" * 31 + "a" + ")" * 31, "more than 30 brackets", 31),
        ("+".join(["y"] * 151), "more than 300 words", 301),
        ("x.map(n, " + "+".join(["y"] * 50) + ")", "more than 100 words", 104),
        ("x" + ".map(n, n)" * 4, "more than 3 times", 33),
        ("true ? " * 70 + "1" + " : 2" * 70, "cannot be read", 1),
    ],
)
def test_refused_expression_says_where_and_what_to_write(expression: str, problem: str, position: int) -> None:
    """An administrator corrects it before anything is published."""
    with pytest.raises(InvalidExpressionError) as caught:
        CompiledExpression(expression)

    assert problem in caught.value.problem
    assert caught.value.position == position


def test_operation_that_values_do_not_fit_rejects_the_employee() -> None:
    """The reason says what to write, and contains no value."""
    with pytest.raises(UnfitValueError, match=r"use string\(…\) or number\(…\)") as caught:
        evaluate('"Raum " + room', {"room": 4711})

    assert "4711" not in str(caught.value)


def test_attributes_are_known_before_the_evaluation() -> None:
    """They are what the mapping wants of Personio."""
    expression = 'has(a) ? cost_centers.name.map(n, n + b) : attribute("c-d") + a'

    assert find_attributes(expression) == ("a", "cost_centers.name", "b", "c-d")


def test_expression_that_cannot_be_used_reads_nothing() -> None:
    """The employees of its company are rejected; no attribute is needed for that."""
    assert find_attributes("a +") == ("a",)
    assert find_attributes("a = b") == ()


@pytest.mark.parametrize(
    "value", ["a" * (MAX_INPUT_LENGTH + 1), ("a",) * (MAX_INPUT_ENTRIES + 1), ("a" * MAX_INPUT_LENGTH, "b")]
)
def test_values_that_are_too_long_reject_the_employee(value: Value) -> None:
    """The time of an evaluation depends on them."""
    with pytest.raises(UnfitValueError, match="with more than"):
        evaluate("x", {"x": value})


def test_result_is_bounded() -> None:
    """Few values can make a long text, or a long list."""
    with pytest.raises(UnfitValueError, match=f"more than {MAX_CHARACTERS:,} characters"):
        evaluate("x + x + x", {"x": "a" * 4_000})
    with pytest.raises(UnfitValueError, match=f"more than {MAX_CHARACTERS:,} characters"):
        evaluate("[x, x, x]", {"x": "a" * 4_000})
    with pytest.raises(UnfitValueError, match=f"more than {MAX_ENTRIES:,} entries"):
        evaluate(" + ".join(["x"] * 11), {"x": ("a",) * 100})


@pytest.mark.parametrize(
    "expression",
    [
        "x.map(n, " + "+".join(["y"] * 45) + ")",
        "!" * 290 + "x",
        "x.all(n, n.matches('(a*)*b'))",
        "y.matches('([a-z]{30}){30}')",
        "+".join(["y"] * 150),
        "x" + ".map(n, n + y)" * 3,
        "x" + ".map(n, n + y + y + y + y + y)" * 3,
        "y" + ".replace('a', y)" * 30,
        "y" + ".split('a').join(y)" * 25,
        "size(join(split(y, 'a'), join(split(y, 'a'), join(split(y, 'a'), y))))",
        "size(split(y, 'a').map(n, [replace(y, 'a', y) + replace(y, 'a', y)]))",
    ],
)
def test_hostile_expression_ends_in_time(expression: str) -> None:
    """The longest expressions and the largest values: an evaluation takes less than a second on any machine."""
    assert len(expression) <= MAX_EXPRESSION_LENGTH
    length = MAX_LOOP_INPUT_LENGTH if "(n, " in expression else MAX_INPUT_LENGTH
    compiled = CompiledExpression(expression)
    began = time.process_time()
    with suppress(UnfitValueError):
        compiled.evaluate({"x": ("a",) * MAX_INPUT_ENTRIES, "y": "a" * (length - MAX_INPUT_ENTRIES)})

    assert time.process_time() - began < 1


OPERANDS = ["x", "y", "n", "office.name", '"a"', "5", "2.5", "null", "true", "has(", "first(", ".map(n,", ".size()"]
SYMBOLS = [
    "+",
    "-",
    "*",
    "/",
    "==",
    "<",
    "&&",
    "||",
    "!",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "in",
    "{",
    "%",
    "\\",
    "'",
]
PARTS = st.sampled_from([*OPERANDS, *SYMBOLS])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = SCALARS | st.lists(SCALARS, max_size=4).map(tuple)


@given(
    expression=st.lists(PARTS, min_size=1, max_size=12).map(" ".join) | st.text(min_size=1, max_size=40),
    values=st.lists(VALUES, min_size=3, max_size=3),
)
def test_any_expression_is_refused_or_gives_a_value(expression: str, values: list[Value]) -> None:
    """Nothing else happens: no other error, and no result of a type that an account does not have."""
    try:
        compiled = CompiledExpression(expression)
        result = compiled.evaluate(dict.fromkeys(compiled.attributes, "z") | dict(zip("xyn", values, strict=True)))
    except (InvalidExpressionError, UnfitValueError):
        return

    assert is_empty(result) or all(
        isinstance(entry, str | bool | int | float | None)
        for entry in (result if isinstance(result, tuple) else [result])
    )
