"""Splits an expression into tokens. Pure, in linear time."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

TokenKind: TypeAlias = Literal["text", "number", "name", "symbol"]
"""What a token is."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|//[^\n]*)
    |(?P<text>[rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<symbol>&&|\|\||[=!<>]=|[-<>+*/!?:.,()\[\]])""",
    re.VERBOSE | re.ASCII,
)


class InvalidExpressionError(ValueError):
    """An expression cannot be used. The message says what is wrong and what to write instead."""

    def __init__(self, problem: str, position: int) -> None:
        """``position`` is the number of the character, from 1."""
        super().__init__(f"{problem} (at character {position})")
        self.problem = problem
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, text or symbol of an expression."""

    kind: TokenKind
    """What it is."""
    text: str
    """The characters."""
    position: int
    """Number of the first character, from 1."""


def split_tokens(expression: str) -> tuple[Token, ...]:
    """Returns the tokens without spaces and comments. Raises ``InvalidExpressionError``."""
    tokens: list[Token] = []
    index = 0
    while index < len(expression):
        match = _TOKEN.match(expression, index)
        if match is None:
            raise InvalidExpressionError(_explain_character(expression[index]), index + 1)
        if (kind := _get_kind(match)) is not None:
            tokens.append(Token(kind, match[0], index + 1))
        index = match.end()
    return tuple(tokens)


def _get_kind(match: re.Match[str]) -> TokenKind | None:
    match match.lastgroup:
        case "text" | "number" | "name" | "symbol" as kind:
            return kind
        case _:
            return None


def _explain_character(character: str) -> str:
    if character in "'\"":
        return "a text has no end: close it with the same quotation mark, on the same line"
    if character in "“”„‟’‘‚«»":
        return 'the quotation mark is typographic: write " instead'
    if character == "=":
        return "a comparison has two equals signs: write == instead"
    if character in "&|":
        return f"an operator has two of these characters: write {character * 2} instead"
    return "the character has no meaning in an expression: remove it, or write it in quotation marks"
