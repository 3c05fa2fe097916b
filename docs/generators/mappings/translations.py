"""Translations of texts that may change: each remembers which English text it translates."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple


class Translation(NamedTuple):
    """A text in another language."""

    fingerprint: str
    """Fingerprint of the English text when the translation was written."""
    text: str
    """The text."""


def compute_fingerprint(text: str) -> str:
    """Returns eight characters that differ for two different texts."""
    return sha256(text.encode()).hexdigest()[:8]


def find_translation_problems(english: Mapping[str, str], translations: Mapping[str, Translation]) -> Iterator[str]:
    """Yields each translation that is missing, unused, or older than its English text, with what to do."""
    for key, text in english.items():
        fingerprint = compute_fingerprint(text)
        if key not in translations:
            yield f"{key} has no translation: add one with the fingerprint {fingerprint}"
        elif translations[key].fingerprint != fingerprint:
            yield f"the English text of {key} has changed: correct the translation and set its fingerprint to {fingerprint}"
    for key in translations.keys() - english.keys():
        yield f"{key} has a translation, but no English text: remove the translation"
