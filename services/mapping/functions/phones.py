"""Telephone numbers."""

import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumberFormat

from services.contracts.transforms import Phone
from services.contracts.values import Scalar
from services.mapping.functions.values import Filled, Function, InvalidTransformError, build_fallback, map_entries

MAX_LENGTH = 100
"""Maximum number of characters of a text that is read as a telephone number."""


def compile_phone(transform: Phone) -> Function:
    """Returns the function that changes telephone numbers to E.164. Raises ``InvalidTransformError``."""
    region = transform.region
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidTransformError(f"the region {region} is unknown: use a country such as DE, AT or CH")
    fall_back = build_fallback(transform.otherwise, "is not a telephone number")

    def change(value: Filled) -> Scalar:
        number = _format_number(value, region) if isinstance(value, str) else None
        return fall_back(value) if number is None else number

    return map_entries(change)


def _format_number(text: str, region: str) -> str | None:
    """Returns a valid number in E.164; None if the text is another thing.

    The library reads letters as the digits of a keypad, and drops what follows them. A note beside a number would then give
    a wrong number.
    """
    if len(text) > MAX_LENGTH or any(map(str.isalpha, text)):
        return None
    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except NumberParseException:
        return None
    if number.extension is not None or not phonenumbers.is_valid_number(number) or _is_ambiguous(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_ambiguous(number: phonenumbers.PhoneNumber) -> bool:
    """Returns whether a number without a plus is valid with and without a country code: ``491712345678`` in Germany."""
    if number.country_code_source != CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return False
    digits = phonenumbers.normalize_digits_only(number.raw_input or "")
    if not digits.startswith(str(number.country_code)):
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except NumberParseException:
        return False
