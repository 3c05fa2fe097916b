"""Telephone numbers, IBANs and languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.transforms import Iban, LanguageTag, Phone, Transform
from services.contracts.values import Value
from services.mapping.transforms import UnfitValueError, compile_transform

IBAN = "DE89370400440532013000"
NO_PHONE, NO_IBAN, NO_LANGUAGE = ("is not a telephone number", "is not an IBAN", "is not a known language")


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        (Phone(), "0171 2345678", "+491712345678"),
        (Phone(), "+49 (0)171 2345678", "+491712345678"),
        (Phone(), "0049 171 2345678", "+491712345678"),
        (Phone(), "089/12345-678", "+498912345678"),
        (Phone(), "(0171) 234 56 78", "+491712345678"),
        (Phone(), "\u202a+49 171 2345678\u202c", "+491712345678"),
        (Phone(), "+31 6 12345678", "+31612345678"),
        (Phone(region="AT"), "0664 1234567", "+436641234567"),
        (Phone(region="CH"), "044 668 18 00", "+41446681800"),
        (Phone(), ("0171 2345678", "+31 6 12345678"), ("+491712345678", "+31612345678")),
        (Phone(otherwise="keep"), "on request", "on request"),
        (Phone(otherwise="keep"), 123, 123),
        (Phone(otherwise="missing"), "on request", None),
        (Phone(otherwise="missing"), ("0171 2345678", "-"), ("+491712345678",)),
        (Iban(), "DE89 3704 0044 0532 0130 00", IBAN),
        (Iban(), "de89370400440532013000", IBAN),
        (Iban(), "\u200bDE89\u00a03704 0044 0532 0130 00\n", IBAN),
        (Iban(), "NL91 abna 0417 1643 00", "NL91ABNA0417164300"),
        (Iban(), "fi21 1234 5600 0007 85", "FI2112345600000785"),
        (Iban(otherwise="keep"), "cash", "cash"),
        (Iban(otherwise="missing"), "cash", None),
        (LanguageTag(), "de", "de"),
        (LanguageTag(), "de_DE", "de-DE"),
        (LanguageTag(), "DE-de", "de-DE"),
        (LanguageTag(), "zh_hans_cn", "zh-Hans-CN"),
        (LanguageTag(), "es-419", "es-419"),
        (LanguageTag(), "ger", "de"),
        (LanguageTag(), "iw", "he"),
        (LanguageTag(), "sh", "sr-Latn"),
        (LanguageTag(), "en-UK", "en-GB"),
        (LanguageTag(), " Deutsch ", "de"),
        (LanguageTag(), "GERMAN", "de"),
        (LanguageTag(), "Englisch", "en"),
        (LanguageTag(), "Niederländisch", "nl"),
        (LanguageTag(), "British English", "en-GB"),
        (LanguageTag(separator="_"), "de-at", "de_AT"),
        (LanguageTag(region="add"), "Deutsch", "de-DE"),
        (LanguageTag(region="add"), "de-AT", "de-AT"),
        (LanguageTag(region="add"), "zh-Hant", "zh-Hant-TW"),
        (LanguageTag(region="add"), "tlh", "tlh"),
        (LanguageTag(region="remove"), "zh-Hant-TW", "zh-Hant"),
        (LanguageTag(region="remove"), "British English", "en"),
        (LanguageTag(), ("Deutsch", "en"), ("de", "en")),
        (LanguageTag(otherwise="keep"), "Elvish", "Elvish"),
        (LanguageTag(otherwise="missing"), ("Elvish", "de"), ("de",)),
    ],
)
def test_identifier_has_one_form(transform: Transform, value: Value, expected: Value) -> None:
    """People write the same number or language in many ways."""
    assert compile_transform(transform)(value) == expected


@pytest.mark.parametrize(
    ("transform", "value", "reason"),
    [
        *((Phone(), value, NO_PHONE) for value in ("110", "0171", "x", "-", "0171 2345678 0172 3456789", "1" * 101)),
        *((Phone(), value, NO_PHONE) for value in (491712345678, True, 1.5, ("0171 2345678", "x"))),
        *((Phone(), value, NO_PHONE) for value in ("0800 FLOWERS", "0171 2345678 (privat)", "030 123456 ext. 5")),
        (Phone(), "030 123456;ext=5", NO_PHONE),
        (Phone(), "030 123456 #5", NO_PHONE),
        (Phone(), "491712345678", NO_PHONE),
        *((Iban(), value, NO_IBAN) for value in ("DE89", "XX89370400440532013000", f"{IBAN} x", "1" * 101, 5, True)),
        (Iban(), "DE88370400440532013000", NO_IBAN),
        (Iban(), "DE89370400440532013", NO_IBAN),
        (Iban(), "DE٨٩370400440532013000", NO_IBAN),
        (Iban(), "ﬁ21 1234 5600 0007 85", NO_IBAN),
        *(
            (LanguageTag(), value, NO_LANGUAGE)
            for value in ("xx", "de-XX", "de-Xxxx", "und", "mul", "d", "de--DE", 5, True)
        ),
        (LanguageTag(), "de-DE-1996", NO_LANGUAGE),
        (LanguageTag(), "de" * 51, NO_LANGUAGE),
        (LanguageTag(), "sr-SU", NO_LANGUAGE),
    ],
)
def test_unfit_identifier_is_not_quoted(transform: Transform, value: Value, reason: str) -> None:
    """The message becomes the reason in an event. A guess would give the number of another person."""
    with pytest.raises(UnfitValueError) as caught:
        compile_transform(transform)(value)

    assert str(caught.value) == reason


@pytest.mark.parametrize("region", ["", "de", "DEU", "D\n", "D1"])
def test_region_of_numbers_is_two_letters(region: str) -> None:
    """Whether the country exists is checked with the data of the library."""
    with pytest.raises(ValidationError):
        Phone.model_validate({"region": region})


@given(text=st.text(max_size=120))
def test_telephone_number_is_e164(text: str) -> None:
    """Nothing but a plus and digits reaches Declaree."""
    result = compile_transform(Phone(otherwise="missing"))(text)

    assert result in {None, ""} or str(result)[1:].isdecimal()


@given(text=st.text(max_size=40) | st.from_regex(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_][A-Za-z]{2})?", fullmatch=True))
def test_canonical_language_stays_the_same(text: str) -> None:
    """A tag that the transform gives is a tag that it takes."""
    function = compile_transform(LanguageTag(otherwise="missing"))
    tag = function(text)

    assert function(tag) == tag
