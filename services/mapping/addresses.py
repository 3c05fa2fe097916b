"""Cleans and checks an e-mail address that a person typed.

Invisible characters and outer white space are removed. Another mistake is rejected with its reason, because a guess could
give an account to the wrong person. Domains such as ``localhost`` and ``.test`` are valid. Letters outside ASCII stay
unchanged, and the server decides about them. A quoted local part, as in ``"a b"@x.example``, is rejected: a copied
quotation mark is far more likely.
"""

import re
import unicodedata
from collections.abc import Callable

NO_ADDRESS = "does not contain an e-mail address: enter one in Personio"
"""The problem of an empty value, and of a value that is not a text."""
MAX_BYTES = 254
"""Maximum length of an e-mail address in bytes of UTF-8 (RFC 5321, section 4.5.3.1.3)."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""The characters with the Unicode property Default_Ignorable_Code_Point, such as zero-width spaces and direction marks."""


def _find(pattern: str) -> Callable[[str], object]:
    """Returns the check for a pattern."""
    return re.compile(pattern).search


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


_CHECKS: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda text: not text, NO_ADDRESS),
    (_find("[\ud800-\udfff\ufffd]"), "contains a damaged character: enter the address again in Personio"),
    # a pattern below needs quadratic time on a long text
    (
        lambda text: len(text.encode()) > MAX_BYTES,
        f"contains more than {MAX_BYTES} bytes: enter one e-mail address in Personio",
    ),
    (_find(r"@[^@]*[\s,;|/][^@]*@"), "contains more than one e-mail address: keep one in Personio"),
    (_find(r"^[\w.-]+\s*:"), "begins with a label such as mailto: enter the e-mail address alone in Personio"),
    (_find(r"[<>]"), "contains angle brackets: enter the e-mail address alone in Personio, without a name"),
    (_find(r'["“”„‟«»‹›]'), "contains quotation marks: remove them in Personio"),
    (
        _find(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"),
        "contains a control character: enter the address again in Personio",
    ),
    (_find(r"\s"), "contains a space or a line break: remove it in Personio"),
    (_find(r"^[^@]*$"), "does not contain an @: enter a complete e-mail address in Personio"),
    (_find(r"^@"), "contains nothing before the @: enter a complete e-mail address in Personio"),
    (_find(r"@$"), "contains nothing after the @: enter a complete e-mail address in Personio"),
    (_find(r"@.*@"), "contains more than one @: enter one e-mail address in Personio"),
    (_find(r"\.\."), "contains two dots in a row: correct the address in Personio"),
    (_find(r"\.@|@\."), "contains a dot beside the @: correct the address in Personio"),
    (_find(r"[\u3002\uff0e\uff61]"), "contains a full-width dot: enter an ordinary dot in Personio"),
    (
        lambda text: _is_punctuation(text[0]) and text[0] not in "_-",
        "begins with a punctuation mark: remove it in Personio",
    ),
    (lambda text: _is_punctuation(text[-1]), "ends with a punctuation mark: remove it in Personio"),
    # RFC 5322, section 3.2.3, forbids the first characters in a local part; host names have no other ASCII characters
    (
        _find(r"^[^@]*[(),:;\[\]\\]|@.*[^A-Za-z0-9_.\u0080-\U0010ffff-]"),
        "contains a character that is invalid in e-mail addresses: correct the address in Personio",
    ),
)
"""Checks in their order, and the problem if one finds something. The problem follows the name of the attribute."""


_WORD = "[A-Za-z0-9_-]+"
is_plain = re.compile(rf"{_WORD}(?:[.+]{_WORD})*@{_WORD}(?:\.{_WORD})*(?<=[A-Za-z0-9])").fullmatch
"""Matches most addresses, and none that a check finds something in: so that most cost one pattern, not fifteen."""


class InvalidAddressError(ValueError):
    """The text is not one e-mail address. The message says what is wrong and what to do, and never contains the text."""


def clean_address(text: str) -> str:
    """Returns the e-mail address without invisible characters and outer white space. Raises ``InvalidAddressError``."""
    if len(text) <= MAX_BYTES and is_plain(text):
        return text
    address = _INVISIBLE.sub("", text).strip()
    if problem := find_problem(address):
        raise InvalidAddressError(problem)
    return address


def find_problem(address: str) -> str | None:
    """Returns what is wrong with an address without invisible characters and outer white space; None if nothing is."""
    return next((problem for finds, problem in _CHECKS if finds(address)), None)
