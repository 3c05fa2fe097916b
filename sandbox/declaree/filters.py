"""The filter language (RFC 7644, section 3.4.2.2): a parser, and conditions that match a dict."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox.declaree.errors import bad_request

Operator = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"]

_TOKEN = re.compile(r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<bracket>[()\[\]])|(?P<word>[^\s()\[\]"]+))')
_NAME = re.compile(r"(?:urn:[^\s]+:)?[A-Za-z$][\w$-]*(?:\.[A-Za-z$][\w$-]*)?\Z")

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: bool(have == want),
    "co": lambda have, want: want in have,
    "sw": lambda have, want: have.startswith(want),
    "ew": lambda have, want: have.endswith(want),
    "gt": lambda have, want: have > want,
    "ge": lambda have, want: have >= want,
    "lt": lambda have, want: have < want,
    "le": lambda have, want: have <= want,
}

Lookup = Callable[[str], list[Any]]
"""Returns the values of the named attribute. A value that is compared exactly is a ``CaseExact``."""


class Filter(Protocol):
    """A parsed condition."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether the condition holds for the values of ``lookup``."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The condition ``attribute operator value``. Strings are compared without regard to case."""

    attribute: str
    """Path of the attribute."""
    operator: Operator
    """Operator in lowercase."""
    value: Any = None
    """Value on the right side; None for the operator ``pr``."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether at least one value satisfies the comparison; for ``ne``, whether no value is equal."""
        values = [value for value in lookup(self.attribute) if value is not None]
        if self.operator == "pr":
            return bool(values)
        if self.operator == "ne":
            return not any(_holds("eq", value, self.value) for value in values)
        return any(_holds(self.operator, value, self.value) for value in values)


@dataclass(frozen=True, slots=True)
class And:
    """A condition that holds if all parts hold."""

    parts: tuple[Filter, ...]
    """Conditions to combine."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether all parts hold."""
        return all(part.matches(lookup) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """A condition that holds if one part holds."""

    parts: tuple[Filter, ...]
    """Conditions to combine."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether at least one part holds."""
        return any(part.matches(lookup) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """A condition that holds if its part does not hold."""

    part: Filter
    """Condition to negate."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether the part does not hold."""
        return not self.part.matches(lookup)


@dataclass(frozen=True, slots=True)
class ValuePath:
    """A condition such as ``emails[type eq "work"]``, which one value must satisfy as a whole."""

    attribute: str
    """Name of the multi-valued attribute."""
    condition: Filter
    """Condition on one value."""

    def matches(self, lookup: Lookup) -> bool:
        """Returns whether one value satisfies the condition."""
        items = (item for item in lookup(self.attribute) if isinstance(item, dict))
        return any(self.condition.matches(make_item_lookup(item)) for item in items)


@dataclass(frozen=True, slots=True)
class CaseExact:
    """A string that is compared with regard to case (``caseExact`` in RFC 7643, section 2.2)."""

    text: str
    """String as the resource stores it."""


def _holds(operator: str, have: Any, want: Any) -> bool:
    if isinstance(have, dict):  # A complex attribute without a sub-attribute means its value.
        have = have.get("value")
    if isinstance(have, CaseExact):
        have = have.text
    elif isinstance(have, str) and isinstance(want, str):
        have, want = have.casefold(), want.casefold()
    if type(have) is not type(want):
        return False
    if isinstance(have, bool) and operator != "eq":
        raise bad_request("invalidFilter", f"{operator} cannot compare a boolean")
    return _COMPARE[operator](have, want)


def make_item_lookup(item: dict[str, Any]) -> Lookup:
    """Returns a lookup into one value of a multi-valued attribute."""
    folded = {name.casefold(): value for name, value in item.items()}
    return lambda name: [folded[name.casefold()]] if name.casefold() in folded else []


def split_comparisons(parsed: Filter) -> list[Comparison] | None:
    """Returns the comparisons of a filter that joins comparisons by ``and``; None for any other filter."""
    match parsed:
        case Comparison():
            return [parsed]
        case And(parts):
            nested = [split_comparisons(part) for part in parts]
            return [comparison for part in nested if part for comparison in part] if all(nested) else None
        case _:
            return None


def parse_filter(text: str) -> Filter:
    """Parses a filter. Raises ``ScimError`` of type ``invalidFilter`` for invalid syntax."""
    parser = _Parser(_tokenize(text))
    parsed = parser.parse_or()
    if parser.peek() is not None:
        raise _build_syntax_error()
    return parsed


def _build_syntax_error() -> Exception:
    return bad_request("invalidFilter", "the filter cannot be read")


def _tokenize(text: str) -> list[str]:
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _build_syntax_error()
        tokens.append(match.group(match.lastgroup or 0))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent parser. Precedence from high to low: grouping, ``not``, ``and``, ``or``."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> str:
        token = self.peek()
        if token is None:
            raise _build_syntax_error()
        self._position += 1
        return token

    def _accept(self, word: str) -> bool:
        token = self.peek()
        if token is None or token.casefold() != word:
            return False
        self._position += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise _build_syntax_error()

    def parse_or(self) -> Filter:
        parts = [self._parse_and()]
        while self._accept("or"):
            parts.append(self._parse_and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _parse_and(self) -> Filter:
        parts = [self._parse_term()]
        while self._accept("and"):
            parts.append(self._parse_term())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _parse_term(self) -> Filter:
        if self._accept("not"):
            self._expect("(")
            return Not(self._parse_group())
        if self._accept("("):
            return self._parse_group()
        return self._parse_comparison()

    def _parse_group(self) -> Filter:
        inner = self.parse_or()
        self._expect(")")
        return inner

    def _parse_comparison(self) -> Filter:
        name = self._next()
        if _NAME.match(name) is None:
            raise _build_syntax_error()
        if self._accept("["):
            condition = self.parse_or()
            self._expect("]")
            return ValuePath(name, condition)
        operator = self._next().casefold()
        if operator == "pr":
            return Comparison(name, "pr")
        if operator != "ne" and operator not in _COMPARE:
            raise _build_syntax_error()
        return Comparison(name, operator, _parse_value(self._next()))  # type: ignore[arg-type]  # checked above


def _parse_value(token: str) -> Any:
    try:
        return json.loads(token)
    except ValueError as error:
        raise _build_syntax_error() from error
