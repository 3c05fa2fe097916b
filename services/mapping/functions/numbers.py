"""Numbers as texts, and texts as numbers, in the way of a locale."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from babel.numbers import get_decimal_symbol, get_group_symbol

from services.contracts.transforms import NumberFormat, ToNumber
from services.contracts.values import Scalar
from services.mapping.functions.locales import find_locale
from services.mapping.functions.values import Filled, Function, UnfitValueError, map_entries

MAX_DIGITS = 15
"""Maximum number of digits of a number before the decimal separator. A float keeps 15 digits exactly."""

_NOT_A_NUMBER = "is not a number"
_TOO_LONG = f"is a number of more than {MAX_DIGITS} digits"
_is_plain = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(?:\.[0-9]{{1,{MAX_DIGITS}}})?").fullmatch
_SPACES = "[ \u00a0\u2009\u202f]"
_APOSTROPHES = "['’]"


class _Style(NamedTuple):
    """How a locale writes numbers."""

    decimal: str
    group: str
    last: int
    """Digits of the last group before the decimal separator."""
    others: int
    """Digits of the other groups; they differ in India."""


def _find_style(name: str) -> _Style:
    locale = find_locale(name)
    last, others = locale.decimal_formats[None].grouping
    return _Style(get_decimal_symbol(locale), get_group_symbol(locale), last, others)


def compile_number_format(transform: NumberFormat) -> Function:
    """Returns the function that formats numbers. Raises ``InvalidTransformError``."""
    style, decimals, grouping = _find_style(transform.locale), transform.decimals, transform.grouping

    def change(value: Filled) -> Scalar:
        number = _read_number(value)
        if decimals is not None:
            number = number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
        integer, _, fraction = f"{abs(number):f}".partition(".")
        fraction = fraction if decimals is not None else fraction.rstrip("0")
        text = (_group(integer, style) if grouping else integer) + (style.decimal + fraction if fraction else "")
        return f"-{text}" if number < 0 else text

    return map_entries(change)


def _group(digits: str, style: _Style) -> str:
    """Returns the digits in groups.

    Babel 2.19.0 loses the apostrophes of Swiss numbers above a million, because it takes them for quotes in a pattern.
    """
    groups = [digits[-style.last :]]
    rest = digits[: -style.last]
    while rest:
        groups.append(rest[-style.others :])
        rest = rest[: -style.others]
    return style.group.join(reversed(groups))


def _read_number(value: Filled) -> Decimal:
    """Returns the number that a value is, or that a text is as in JSON."""
    if isinstance(value, str):
        if not _is_plain(value):
            raise UnfitValueError(_NOT_A_NUMBER)
        return Decimal(value)
    if isinstance(value, bool) or not math.isfinite(value):
        raise UnfitValueError(_NOT_A_NUMBER)
    if abs(value) >= 10**MAX_DIGITS:
        raise UnfitValueError(_TOO_LONG)
    # the sum of 0.1 and 0.2 has 17 digits
    return Decimal(f"{value:.{MAX_DIGITS}g}" if isinstance(value, float) else value)


def compile_to_number(transform: ToNumber) -> Function:
    """Returns the function that reads numbers. Raises ``InvalidTransformError``."""
    style = _find_style(transform.locale)
    group = _SPACES if style.group.isspace() else _APOSTROPHES if style.group in "'’" else re.escape(style.group)
    grouped = f"[0-9]{{1,{style.others}}}(?:{group}[0-9]{{{style.others}}})*{group}[0-9]{{{style.last}}}"
    is_number = re.compile(rf"[+−-]?(?:{grouped}|[0-9]+)(?:{re.escape(style.decimal)}[0-9]+)?").fullmatch
    separators = re.compile(group)

    def change(value: Filled) -> Scalar:
        if isinstance(value, bool):
            raise UnfitValueError(_NOT_A_NUMBER)
        if not isinstance(value, str):
            return value
        text = value.strip()
        if not is_number(text):
            raise UnfitValueError(_NOT_A_NUMBER)
        plain = separators.sub("", text).replace(style.decimal, ".").replace("−", "-")
        if sum(map(str.isdigit, plain)) > MAX_DIGITS:
            raise UnfitValueError(_TOO_LONG)
        return float(plain) if "." in plain else int(plain)

    return map_entries(change)
