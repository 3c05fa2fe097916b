"""Translates an expression of a mapping into the CEL that is executed.

What differs from CEL: an empty or missing attribute is the empty text, and ``null`` means the same. All numbers are decimal
numbers. An attribute is named by its key, such as ``cost_centers.name``. Beyond the operators of CEL there are the functions of
``functions``, and ``map``, ``filter``, ``all``, ``exists`` and ``exists_one`` for lists.
"""

import ast
from dataclasses import dataclass, field
from functools import lru_cache

from services.mapping.expressions.functions import EMPTY, FUNCTIONS, compile_pattern
from services.mapping.expressions.tokens import InvalidExpressionError, Token, split_tokens
from services.mapping.functions.values import InvalidTransformError

MAX_DEPTH = 30
"""Maximum number of brackets inside each other."""
MAX_TOKENS, MAX_LOOP_TOKENS = 300, 100
"""Maximum number of words, numbers, texts and symbols; the second for an expression that goes through a list."""
MAX_MACROS = 3
"""Maximum number of times that an expression goes through a list."""
MACROS = frozenset({"map", "filter", "all", "exists", "exists_one"})
"""What a list can be asked or changed to, entry by entry."""
ATTRIBUTE = "attribute"
"""The function that names an attribute with a key that is not a name, such as ``attribute("2nd-phone")``."""
_LITERALS = {"true": "true", "false": "false", "null": f'"{EMPTY}"', "in": "in"}
_RESERVED = frozenset(
    (
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    )
)
_CLOSING = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class Translation:
    """An expression that can be executed."""

    source: str
    """The CEL."""
    attributes: tuple[str, ...]
    """Keys of the attributes. The variable of the first one is ``attribute_0``."""
    functions: frozenset[str]
    """Names of the functions of ``FUNCTIONS`` that it calls."""
    macros: int
    """How often it goes through a list."""
    offsets: tuple[tuple[int, int], ...]
    """Where each part of ``source`` begins, from 0, and its position in the expression, from 1."""

    def find_position(self, offset: int) -> int:
        """Returns the position in the expression of a character of ``source``."""
        return max((position for start, position in self.offsets if start <= offset), default=1)


@dataclass(slots=True)
class _Bracket:
    opening: Token
    function: str | None = None
    """The called function; None for a bracket that belongs to no call."""
    arguments: int = 0
    is_index: bool = False
    variable: str | None = None
    """The variable of a macro."""


@lru_cache(maxsize=1024)
def translate(expression: str) -> Translation:
    """Returns the translation. Raises ``InvalidExpressionError``."""
    return _Translator(split_tokens(expression)).translate()


def find_attributes(expression: str) -> tuple[str, ...]:
    """Returns the keys of the attributes that an expression reads; none for one that cannot be used."""
    try:
        return translate(expression).attributes
    except InvalidExpressionError:
        return ()


@dataclass(slots=True)
class _Translator:
    tokens: tuple[Token, ...]
    index: int = 0
    parts: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    macros: int = 0
    brackets: list[_Bracket] = field(default_factory=list)

    def translate(self) -> Translation:
        if not self.tokens:
            raise InvalidExpressionError("the expression is empty: write one, or remove it", 1)
        while self.index < len(self.tokens):
            self._take(self.tokens[self.index])
        if self.brackets:
            opening = self.brackets[-1].opening
            raise InvalidExpressionError(
                f"the bracket has no end: add {_CLOSING[opening.text]} where it belongs", opening.position
            )
        self._check_size()
        offsets, start = [], 0
        for part, position in zip(self.parts, self.positions, strict=True):
            offsets.append((start, position))
            start += len(part) + 1
        functions = frozenset(self.functions)
        return Translation(" ".join(self.parts), tuple(self.attributes), functions, self.macros, tuple(offsets))

    def _check_size(self) -> None:
        most = MAX_LOOP_TOKENS if self.macros else MAX_TOKENS
        if len(self.tokens) > most:
            raise InvalidExpressionError(
                f"the expression has more than {most} words and symbols: make it simpler, or use a value table",
                self.tokens[most].position,
            )

    def _take(self, token: Token) -> None:
        match token.kind:
            case "number":
                self._write(_write_number(token, is_index=any(bracket.is_index for bracket in self.brackets)), token)
            case "text":
                self._write(token.text, token)
            case "name":
                self._take_name(token)
            case "symbol":
                self._take_symbol(token)

    def _write(self, part: str, token: Token) -> None:
        """Adds a part, and goes on behind the present token."""
        self.parts.append(part)
        self.positions.append(token.position)
        self.index += 1

    def _look(self, distance: int) -> str:
        """Returns the text of a token at a distance from the present one; empty beyond the ends."""
        at = self.index + distance
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def _take_name(self, token: Token) -> None:
        if self._look(1) == "(" and token.text not in _LITERALS:
            self._take_call(token)
        elif self._look(-1) == ".":
            raise InvalidExpressionError(
                f"{token.text} is not a part of a value: name an attribute by its key", token.position
            )
        elif token.text in _LITERALS:
            self._write(_LITERALS[token.text], token)
        elif token.text in {bracket.variable for bracket in self.brackets}:
            self._write(f"each_{token.text}", token)
        elif token.text in _RESERVED:
            raise InvalidExpressionError(
                f'{token.text} is a word of the language: for an attribute, write {ATTRIBUTE}("{token.text}")',
                token.position,
            )
        else:
            self._take_path(token)

    def _take_path(self, token: Token) -> None:
        """Takes the key of an attribute: a name, or two names with a point between them."""
        key = token.text
        is_part = self._look(1) == "." and self._look(3) != "(" and self._get_kind(2) == "name"
        if is_part:
            key = f"{key}.{self._look(2)}"
        self._write_attribute(key, token)
        self.index += 2 if is_part else 0

    def _get_kind(self, distance: int) -> str:
        at = self.index + distance
        return self.tokens[at].kind if at < len(self.tokens) else ""

    def _write_attribute(self, key: str, token: Token) -> None:
        self._write(self.attributes.setdefault(key, f"attribute_{len(self.attributes)}"), token)

    def _take_call(self, token: Token) -> None:
        is_method = self._look(-1) == "."
        if token.text == ATTRIBUTE and not is_method:
            self._take_attribute(token)
        elif token.text in MACROS and is_method:
            self._take_macro(token)
        elif token.text in FUNCTIONS:
            self.functions.add(token.text)
            self._write(f"call_{token.text}", token)
            self._open(self.tokens[self.index], _Bracket(self.tokens[self.index], token.text, int(is_method)))
        else:
            known = ", ".join(sorted(FUNCTIONS))
            raise InvalidExpressionError(f"the function {token.text} is unknown: use one of {known}", token.position)

    def _take_attribute(self, token: Token) -> None:
        """Takes ``attribute("key")``."""
        if self._get_kind(2) != "text" or self._look(3) != ")":
            raise InvalidExpressionError(f'the key of an attribute is a text: write {ATTRIBUTE}("key")', token.position)
        self._write_attribute(_read_text(self.tokens[self.index + 2]), token)
        self.index += 3

    def _take_macro(self, token: Token) -> None:
        variable = self._look(2)
        if any(bracket.variable for bracket in self.brackets):
            raise InvalidExpressionError(
                f"{token.text} stands inside another one of {', '.join(sorted(MACROS))}: a list is gone through once",
                token.position,
            )
        if self._get_kind(2) != "name" or self._look(3) != "," or variable in _LITERALS or variable in _RESERVED:
            raise InvalidExpressionError(
                f"{token.text} needs a name for the entry: write list.{token.text}(entry, …)", token.position
            )
        self.macros += 1
        if self.macros > MAX_MACROS:
            raise InvalidExpressionError(
                f"the expression goes through lists more than {MAX_MACROS} times", token.position
            )
        self._write(token.text, token)
        self._open(self.tokens[self.index], _Bracket(self.tokens[self.index], variable=variable))

    def _take_symbol(self, token: Token) -> None:
        if token.text in _CLOSING:
            is_index = token.text == "[" and self._is_behind_value()
            self._open(token, _Bracket(token, is_index=is_index))
        elif token.text in _CLOSING.values():
            self._close(token)
        else:
            if token.text == "," and self.brackets:
                self.brackets[-1].arguments += 1
            self._write(token.text, token)

    def _is_behind_value(self) -> bool:
        before = self.tokens[self.index - 1] if self.index else None
        return before is not None and (before.kind in {"name", "text"} or before.text in _CLOSING.values())

    def _open(self, token: Token, bracket: _Bracket) -> None:
        if len(self.brackets) == MAX_DEPTH:
            raise InvalidExpressionError(
                f"more than {MAX_DEPTH} brackets stand inside each other: make the expression simpler", token.position
            )
        self.brackets.append(bracket)
        self._write(token.text, token)

    def _close(self, token: Token) -> None:
        bracket = self.brackets.pop() if self.brackets else None
        if bracket is None or _CLOSING[bracket.opening.text] != token.text:
            raise InvalidExpressionError("the bracket closes none that is open: remove it", token.position)
        if bracket.function is not None:
            is_empty = self._look(-1) == "("
            _check_arguments(bracket, bracket.arguments + (0 if is_empty else 1))
            self._check_pattern(bracket.function)
        self._write(token.text, token)

    def _check_pattern(self, function: str) -> None:
        """Refuses a pattern that never matches because it cannot be used. One that is computed is not checked."""
        last = self.tokens[self.index - 1]
        if function != "matches" or last.kind != "text" or self._look(-2) not in {"(", ","}:
            return
        try:
            compile_pattern(_read_text(last))
        except InvalidTransformError as error:
            raise InvalidExpressionError(str(error), last.position) from None


def _read_text(token: Token) -> str:
    try:
        return str(ast.literal_eval(token.text))
    except (ValueError, SyntaxError):
        raise InvalidExpressionError(
            "the text contains a backslash that has no meaning: write two", token.position
        ) from None


def _check_arguments(bracket: _Bracket, number: int) -> None:
    name = bracket.function or ""
    fewest, most = FUNCTIONS[name].arguments
    if not fewest <= number <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise InvalidExpressionError(
            f"the function {name} takes {wanted} value{'' if most == 1 else 's'} and has {number}: correct it",
            bracket.opening.position,
        )


def _write_number(token: Token, *, is_index: bool) -> str:
    """Returns a number as a decimal number, except as the index of an entry."""
    if is_index:
        return token.text
    number = float(token.text)
    if number == float("inf"):
        raise InvalidExpressionError("the number is too large", token.position)
    return token.text if any(sign in token.text for sign in ".eE") else f"{token.text}.0"
