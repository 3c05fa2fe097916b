"""User names are equal only if every server that compares without case finds them equal."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.addresses import fold_address
from tests.unit.contracts.strategies import repeatable


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Boss@Nordlicht.example", "boss@nordlicht.EXAMPLE"),
        ("ADA+CARD@X.EXAMPLE", "ada+card@x.example"),
        ("JÜRGEN@x.example", "jÜrgen@X.example"),
        ("BOſS@x.example", "boſs@x.example"),
    ],
)
def test_ascii_case_makes_no_difference(one: str, other: str) -> None:
    """A user name has no case (RFC 7643, section 4.1.1)."""
    assert fold_address(one) == fold_address(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("boſs@x.example", "boss@x.example"),
        ("\u212aarl@x.example", "karl@x.example"),
        ("gro\u00df@x.example", "gross@x.example"),
        ("gro\u1e9e@x.example", "gro\u00df@x.example"),
        ("\ufb01nn@x.example", "finn@x.example"),
        ("\uff41da@x.example", "ada@x.example"),
        ("\u0130da@x.example", "ida@x.example"),
        ("\u0131da@x.example", "ida@x.example"),
        ("jos\u00e9@x.example", "jose\u0301@x.example"),
        ("\u212bsa@x.example", "\u00c5sa@x.example"),
        ("Ärger@x.example", "ärger@x.example"),
        ("ada\u200b@x.example", "ada@x.example"),
        ("ada@x.example ", "ada@x.example"),
        ("ada@m\u00fcnchen.example", "ada@xn--mnchen-3ya.example"),
        ("\u0430da@x.example", "ada@x.example"),
    ],
    ids=[
        *("long s", "Kelvin sign", "sharp s", "capital sharp s", "ligature", "full-width letter", "dotted capital I"),
        *("dotless i", "composed letter", "Angstrom sign", "umlaut case", "invisible character", "space"),
        *("encoded domain", "Cyrillic letter"),
    ],
)
def test_other_characters_are_never_equal(one: str, other: str) -> None:
    """A larger folding of some server confuses each of these pairs, or a person does."""
    assert fold_address(one) != fold_address(other)
    assert fold_address(other) != fold_address(one)


@pytest.mark.parametrize(
    "larger",
    [str.lower, str.casefold, lambda text: unicodedata.normalize("NFKC", text).lower()],
    ids=["lower", "casefold", "NFKC"],
)
@repeatable
@given(text=st.text(st.characters(codec="utf-8")))
def test_folding_is_contained_in_larger_foldings(larger: Callable[[str], str], text: str) -> None:
    """Texts with equal forms are then equal for a server with a larger folding: it has one account for both."""
    assert larger(fold_address(text)) == larger(text)


@pytest.mark.parametrize("text", ["", "\ud800", "ada@x.example"])
def test_any_text_has_a_folded_form(text: str) -> None:
    """A server may answer with any text."""
    assert fold_address(text) == text
