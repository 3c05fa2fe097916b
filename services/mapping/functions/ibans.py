"""Bank account numbers (IBAN)."""

import re

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from services.contracts.transforms import Iban
from services.contracts.values import Scalar
from services.mapping.functions.values import Filled, Function, build_fallback, map_entries

MAX_LENGTH = 100
"""Maximum number of characters of a text that is read as an IBAN."""

_INVISIBLE = re.compile("[\\s\u200b-\u200f\u202a-\u202e\u2060\ufeff]+")


def compile_iban(transform: Iban) -> Function:
    """Returns the function that checks and cleans IBANs."""
    fall_back = build_fallback(transform.otherwise, "is not an IBAN")

    def change(value: Filled) -> Scalar:
        iban = _clean_iban(value) if isinstance(value, str) else None
        return fall_back(value) if iban is None else iban

    return map_entries(change)


def _clean_iban(text: str) -> str | None:
    """Returns a valid IBAN without spaces; None if the text is another thing."""
    compact = _INVISIBLE.sub("", text) if len(text) <= MAX_LENGTH else ""
    # the library changes the case of letters, by which a ligature such as ﬁ becomes two letters in ASCII
    if not compact.isascii():
        return None
    try:
        return str(IBAN(compact))
    except SchwiftyException:
        return None
