"""The filter language of RFC 7644, section 3.4.2.2, parsed into conditions that can be matched against a dict."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox.declaree.errors import invalid

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
"""Gives the values found under an attribute's name, folded where the attribute ignores case."""


class Filter(Protocol):
    def matches(self, lookup: Lookup) -> bool: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """``attribute op value``; strings are compared without regard to case unless the lookup says otherwise."""

    attribute: str
    operator: Operator
    value: Any = None

    def matches(self, lookup: Lookup) -> bool:
        values = [found for found in lookup(self.attribute) if found is not None]
        if self.operator == "pr":
            return bool(values)
        if self.operator == "ne":
            return not any(_holds("eq", found, self.value) for found in values)
        return any(_holds(self.operator, found, self.value) for found in values)


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple[Filter, ...]

    def matches(self, lookup: Lookup) -> bool:
        return all(part.matches(lookup) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Filter, ...]

    def matches(self, lookup: Lookup) -> bool:
        return any(part.matches(lookup) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter

    def matches(self, lookup: Lookup) -> bool:
        return not self.part.matches(lookup)


@dataclass(frozen=True, slots=True)
class ValuePath:
    """``emails[type eq "work"]``: one of the values fulfils the whole condition."""

    attribute: str
    condition: Filter

    def matches(self, lookup: Lookup) -> bool:
        items = (item for item in lookup(self.attribute) if isinstance(item, dict))
        return any(self.condition.matches(item_lookup(item)) for item in items)


@dataclass(frozen=True, slots=True)
class CaseExact:
    """A string that has to be compared as it is spelled (``caseExact`` of RFC 7643, section 2.2)."""

    text: str


def _holds(operator: str, have: Any, want: Any) -> bool:
    if isinstance(have, dict):  # a complex attribute without a sub-attribute stands for its value
        have = have.get("value")
    if isinstance(have, CaseExact):
        have = have.text
    elif isinstance(have, str) and isinstance(want, str):
        have, want = have.casefold(), want.casefold()
    if type(have) is not type(want):
        return False
    if isinstance(have, bool) and operator != "eq":
        raise invalid("invalidFilter", f"{operator} cannot compare a boolean")
    return _COMPARE[operator](have, want)


def item_lookup(item: dict[str, Any]) -> Lookup:
    """Looks into one value of a multi-valued attribute."""
    folded = {name.casefold(): value for name, value in item.items()}
    return lambda name: [folded[name.casefold()]] if name.casefold() in folded else []


def comparisons(parsed: Filter) -> list[Comparison] | None:
    """The comparisons of a filter that is nothing but comparisons joined by ``and``; None for anything else."""
    match parsed:
        case Comparison():
            return [parsed]
        case Both(parts):
            nested = [comparisons(part) for part in parts]
            return [found for part in nested if part for found in part] if all(nested) else None
        case _:
            return None


def parse(text: str) -> Filter:
    """Raises ``invalidFilter`` for anything that is not a filter."""
    parser = _Parser(_tokens(text))
    parsed = parser.alternatives()
    if parser.peek() is not None:
        raise _unreadable()
    return parsed


def _unreadable() -> Exception:
    return invalid("invalidFilter", "the filter cannot be read")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable()
        found.append(match.group(match.lastgroup or 0))
        position = match.end()
    return found


class _Parser:
    """Recursive descent; precedence is grouping, ``not``, ``and``, ``or``."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> str:
        token = self.peek()
        if token is None:
            raise _unreadable()
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
            raise _unreadable()

    def alternatives(self) -> Filter:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _conjunction(self) -> Filter:
        parts = [self._term()]
        while self._accept("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _term(self) -> Filter:
        if self._accept("not"):
            self._expect("(")
            return Not(self._group())
        if self._accept("("):
            return self._group()
        return self._comparison()

    def _group(self) -> Filter:
        inner = self.alternatives()
        self._expect(")")
        return inner

    def _comparison(self) -> Filter:
        name = self._next()
        if _NAME.match(name) is None:
            raise _unreadable()
        if self._accept("["):
            condition = self.alternatives()
            self._expect("]")
            return ValuePath(name, condition)
        operator = self._next().casefold()
        if operator == "pr":
            return Comparison(name, "pr")
        if operator != "ne" and operator not in _COMPARE:
            raise _unreadable()
        return Comparison(name, operator, _value(self._next()))  # type: ignore[arg-type]  # checked on the line above


def _value(token: str) -> Any:
    try:
        return json.loads(token)
    except ValueError as error:
        raise _unreadable() from error
