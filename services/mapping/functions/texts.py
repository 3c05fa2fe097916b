"""Texts and lists of texts: case, joining, splitting, ASCII."""

import re
import unicodedata
from collections.abc import Iterable

from anyascii import anyascii

from services.contracts.values import Value
from services.mapping.functions.values import (
    Filled,
    Function,
    check_size,
    is_empty,
    map_texts,
    remove_empty,
    write_text,
)

_WORD = re.compile(r"[^\s\-‐‑‒–—/\\.,;:!?()\[\]{}&+*\"“”„«»_]+")
_ONE_LETTER = re.compile(r"(\w['’])(\w{2,})")
_UMLAUT = re.compile("[ÄÖÜ]")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ẞ": "SS"})
_PLAIN = str.maketrans({"ß": "ss", "ẞ": "SS"})


def trim(text: str) -> str | None:
    """Returns the text without spaces at both ends; None if nothing is left."""
    return text.strip() or None


def change_to_title_case(text: str) -> str:
    """Returns the text with the first letter of each word in uppercase, and all others in lowercase."""
    return _WORD.sub(lambda match: _capitalize(match[0].lower()), text)


def _capitalize(word: str) -> str:
    """Capitalizes the first letter, and that after the apostrophe in a name such as ``o'neil``."""
    parts = _ONE_LETTER.match(word)
    if parts is None:
        return word[:1].title() + word[1:]
    rest = word[parts.end(1) :]
    return parts[1].upper() + rest[:1].title() + rest[1:]


def transliterate(text: str, *, german: bool) -> str | None:
    """Returns the text in ASCII; None if nothing is left. ``german`` writes umlauts as two letters."""
    composed = unicodedata.normalize("NFC", text)
    if german:
        composed = _UMLAUT.sub(_write_umlaut, composed).translate(_GERMAN)
    return anyascii(composed.translate(_PLAIN)).strip() or None


def _write_umlaut(match: re.Match[str]) -> str:
    """Writes ``Ä`` as ``AE`` in a word in uppercase, else as ``Ae``."""
    text, start, end = match.string, match.start(), match.end()
    neighbour = text[end : end + 1] if text[end : end + 1].isalpha() else text[max(start - 1, 0) : start]
    letter = {"Ä": "A", "Ö": "O", "Ü": "U"}[match[0]]
    return letter + ("E" if neighbour.isupper() else "e")


def compile_join(separator: str) -> Function:
    """Returns the function that joins a list into a text."""

    def join(value: Value) -> Value:
        if is_empty(value):
            return value
        entries = check_size(_list_entries(value))
        return check_size((separator.join(map(write_text, entries)),))[0]

    return join


def compile_split(separator: str) -> Function:
    """Returns the function that splits a text into a list of trimmed texts that are not empty."""

    def split(value: Value) -> Value:
        if is_empty(value):
            return value
        parts = (part for entry in check_size(_list_entries(value)) for part in _split_entry(entry, separator))
        return check_size(remove_empty(parts))

    return split


def _split_entry(entry: Filled, separator: str) -> Iterable[Filled]:
    return (part.strip() for part in entry.split(separator)) if isinstance(entry, str) else (entry,)


def select_first(value: Value) -> Value:
    """Returns the first entry of a list that is not empty, or a single value as it is."""
    return next(iter(remove_empty(value)), None) if isinstance(value, tuple) else value


def _list_entries(value: Value) -> tuple[Filled, ...]:
    return remove_empty(value if isinstance(value, tuple) else (value,))


def compile_transliterate(*, german: bool) -> Function:
    """Returns the function that changes texts to ASCII."""
    return map_texts(lambda text: transliterate(text, german=german))
