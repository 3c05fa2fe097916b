"""Locales of dates and numbers."""

from babel import Locale, UnknownLocaleError

from services.mapping.functions.values import InvalidTransformError


def find_locale(name: str) -> Locale:
    """Returns the locale. Raises ``InvalidTransformError`` if it is unknown."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise InvalidTransformError(f"the locale {name} is unknown: use one such as de, en or de_AT") from None
