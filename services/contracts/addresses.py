"""Compares the addresses that people type: user names and e-mail addresses."""

import string

_LOWERCASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold_address(text: str) -> str:
    """Returns the form in which user names and e-mail addresses are compared: ASCII letters in lowercase, nothing else changed.

    Equal forms recognise an account as our own. A false "equal" takes another employee's account over, and a false
    "different" costs a question or a needless write. So this is the smallest folding: each server that compares without
    case (RFC 7643, section 4.1.1) finds equal what is equal here.

    Larger foldings differ between servers, and each has addresses that it confuses:

    - ``str.casefold`` and upper-casing make ``ſ`` (U+017F) an ``s``, ``ß`` an ``ss`` and ``ﬁ`` an ``fi``.
    - ``str.lower`` makes the Kelvin sign (U+212A) a ``k``.
    - PRECIS (RFC 7644, section 5; RFC 8265, UsernameCaseMapped) makes full-width letters ASCII letters.
    - NFC, a step of PRECIS, makes the Kelvin sign a ``K``.
    - ``Ä`` and ``ä`` are two addresses for a server that folds ASCII only, such as one on SQLite.

    The store's queries fold in the same way: MongoDB's ``$toLower`` changes ASCII letters only.
    """
    return text.lower() if text.isascii() else text.translate(_LOWERCASE)
