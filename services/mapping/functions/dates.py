"""Dates as texts, by patterns of CLDR."""

import re
import unicodedata
from datetime import date

from babel.dates import format_date, parse_pattern

from services.contracts.transforms import DateFormat
from services.contracts.values import Scalar
from services.mapping.functions.locales import find_locale
from services.mapping.functions.values import Filled, Function, InvalidTransformError, UnfitValueError, map_entries

_NAMES = {"short", "medium", "long", "full"}
_FIELDS = set("yMLdDEcQq")
_is_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].{0,100})?").fullmatch
_QUOTED = re.compile("'[^']*'")


def compile_date_format(transform: DateFormat) -> Function:
    """Returns the function that formats dates. Raises ``InvalidTransformError``."""
    locale, pattern = find_locale(transform.locale), transform.format
    if pattern not in _NAMES:
        _check_pattern(pattern)

    def change(value: Filled) -> Scalar:
        return format_date(_read_date(value), pattern, locale=locale)

    return map_entries(change)


def _read_date(value: Filled) -> date:
    if isinstance(value, str) and _is_date(value):
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            pass
    raise UnfitValueError("is not a date")


def _check_pattern(pattern: str) -> None:
    """Raises ``InvalidTransformError`` for a pattern that is invalid, or formats another thing than a date."""
    if any(unicodedata.category(character) == "Cc" for character in pattern):
        raise InvalidTransformError("the format contains a control character: remove it")
    if pattern.count("'") % 2:
        raise InvalidTransformError("the format contains a single quote without an end: write two for one")
    letters = {letter for letter in _QUOTED.sub("", pattern) if letter.isascii() and letter.isalpha()}
    if unknown := sorted(letters - _FIELDS):
        hint = " (the month is M, the year is y)" if {"m", "Y"} & {*unknown} else ""
        raise InvalidTransformError(
            f"the format contains {', '.join(unknown)}, which is not a field of a date{hint}: correct it, "
            "or put it into single quotes"
        )
    if not letters:
        raise InvalidTransformError("the format contains no field of a date: use a constant instead")
    try:
        parse_pattern(pattern)
    except ValueError:
        raise InvalidTransformError("the format repeats a letter too often: use MMMM or EEEE for a full name") from None
