"""Tags of languages (BCP 47), from tags and from names of languages."""

import re
from functools import cache
from typing import NamedTuple

from babel import Locale
from babel.core import get_global

from services.contracts.transforms import LanguageTag
from services.contracts.values import Scalar
from services.mapping.functions.values import Filled, Function, build_fallback, map_entries

MAX_LENGTH = 100
"""Maximum number of characters of a text that is read as a language."""

_NAMED_IN = ("de", "en")
_NO_LANGUAGES = {"und", "mul", "zxx"}
_split_tag = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?").fullmatch


class _Tag(NamedTuple):
    """The parts of a tag in canonical case."""

    language: str
    script: str | None
    region: str | None


def compile_language_tag(transform: LanguageTag) -> Function:
    """Returns the function that changes languages to tags."""
    separator, region = transform.separator, transform.region
    fall_back = build_fallback(transform.otherwise, "is not a known language")

    def change(value: Filled) -> Scalar:
        tag = _read_language(value.strip()) if isinstance(value, str) and len(value) <= MAX_LENGTH else None
        if tag is None:
            return fall_back(value)
        if region == "remove":
            tag = tag._replace(region=None)
        elif region == "add" and tag.region is None:
            tag = tag._replace(region=_find_likely_region(tag))
        return separator.join(filter(None, tag))

    return map_entries(change)


def _read_language(text: str) -> _Tag | None:
    """Returns the tag of a language, given as a tag or a name; None if it is unknown. A tag precedes a name of three letters."""
    return _read_tag(text) or _read_tag(_find_names().get(text.casefold(), ""))


def _read_tag(text: str) -> _Tag | None:
    """Returns a tag with known parts, without obsolete ones; None if a part is unknown.

    CLDR replaces ``ger`` by ``de``, ``iw`` by ``he``, and ``sh`` by ``sr_Latn``.
    """
    parts = _split_tag(text)
    if parts is None:
        return None
    known, language = Locale("en"), parts[1].lower()
    replaced = _split_tag(get_global("language_aliases").get(language, language))
    if replaced is None or replaced[1] not in known.languages or replaced[1] in _NO_LANGUAGES:
        return None
    script = parts[2].title() if parts[2] else replaced[2]
    region = _replace_region(parts[3].upper()) if parts[3] else replaced[3]
    if (script and script not in known.scripts) or (region and region not in known.territories):
        return None
    return _Tag(replaced[1], script, region)


def _replace_region(region: str) -> str:
    """Returns the region that follows an obsolete one; the same region if several do."""
    followers = get_global("territory_aliases").get(region, [])
    return followers[0] if len(followers) == 1 else region


def _find_likely_region(tag: _Tag) -> str | None:
    """Returns the region with the most speakers, by CLDR; None if it is unknown."""
    likely = get_global("likely_subtags")
    parts = _split_tag(likely.get(f"{tag.language}_{tag.script}") or likely.get(tag.language) or "")
    return parts[3] if parts else None


@cache
def _find_names() -> dict[str, str]:
    """Returns the German and English names of languages in lowercase, with their tags."""
    return {name.casefold(): tag for locale in _NAMED_IN for tag, name in Locale(locale).languages.items()}
