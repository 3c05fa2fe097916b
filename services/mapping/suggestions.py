"""Suggests rules for fields that a mapping does not write yet, by the names and types of attributes and fields. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.fields import FieldCatalogue, TargetField
from services.contracts.mappings import AttributeSource, MappingDocument, Rule
from services.contracts.targets import ENTERPRISE, MANAGER, identify_field
from services.contracts.transforms import First, Iban, LanguageTag, Phone, Transform, Trim

TEXT_TYPES = frozenset({"standard", "list", "multiline"})
"""Types of Personio's attributes with one text."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One rule, with the reason for it."""

    rule: Rule
    """The rule."""
    reason: str
    """Why it is suggested, and what it does."""


@dataclass(frozen=True, slots=True)
class _Idea:
    """What is known about a field of Declaree: names of the attribute that belongs into it, and what its value needs."""

    path: str
    """Path of the field, or the name that an extension would give it."""
    keys: tuple[str, ...] = ()
    """Keys of Personio's own attributes, the best first."""
    names: tuple[str, ...] = ()
    """English and German names of attributes that companies make."""
    transforms: tuple[Transform, ...] = (Trim(),)
    effect: str = "without spaces around it"
    """What the transforms do, for the reason."""
    largest_by: str | None = None
    """Key of the list of numbers beside Personio's own attribute; None without one."""


IDEAS = (
    _Idea(
        'phoneNumbers[type eq "mobile"].value',
        names=(
            "mobile",
            "mobile phone",
            "mobile number",
            "cell phone",
            "handy",
            "handynummer",
            "mobiltelefon",
            "mobilnummer",
            "diensthandy",
            "work mobile",
            "mobile dienstlich",
            "telefon mobil",
        ),
        transforms=(Phone(otherwise="missing"),),
        effect="in the form E.164 (a card needs it); numbers that are not valid are left out",
    ),
    _Idea(
        f"{ENTERPRISE}:costCenter",
        keys=("cost_centers.name",),
        names=("cost center", "cost centre", "kostenstelle", "kst"),
        effect="of several, the one with the largest share",
        largest_by="cost_centers.percentage",
    ),
    _Idea(f"{ENTERPRISE}:department", keys=("department.name",), names=("department", "abteilung")),
    _Idea(f"{ENTERPRISE}:division", keys=("team.name",), names=("division", "bereich", "geschaftsbereich")),
    _Idea(f"{ENTERPRISE}:organization", keys=("subcompany.name",), names=("organization", "gesellschaft", "company")),
    _Idea(
        f"{ENTERPRISE}:employeeNumber",
        names=(
            "personnel number",
            "personalnummer",
            "employee number",
            "mitarbeiternummer",
            "staff number",
            "personal nr",
        ),
    ),
    _Idea(
        "preferredLanguage",
        names=(
            "language",
            "sprache",
            "preferred language",
            "korrespondenzsprache",
            "bevorzugte sprache",
            "muttersprache",
        ),
        transforms=(LanguageTag(otherwise="missing"),),
        effect="as a language tag; other texts are left out",
    ),
    _Idea(
        "locale",
        names=("language", "sprache", "preferred language", "korrespondenzsprache", "bevorzugte sprache"),
        transforms=(LanguageTag(separator="_", region="add", otherwise="missing"),),
        effect="as a language with its region; other texts are left out",
    ),
    _Idea("title", keys=("position",), names=("job title", "stellenbezeichnung", "berufsbezeichnung")),
    _Idea(
        "accountnumber",
        names=("iban",),
        transforms=(Iban(otherwise="missing"),),
        effect="checked, without spaces; other texts are left out",
    ),
    _Idea("licenseplate", names=("license plate", "licence plate", "kennzeichen", "kfz kennzeichen")),
)
"""What belongs into which field, in the order of the suggestions."""


def suggest_rules(mapping: MappingDocument, sources: SourceCatalogue, fields: FieldCatalogue) -> tuple[Suggestion, ...]:
    """Returns rules for fields that the mapping does not write, and that an attribute fits by its key or name.

    A field is written by one rule, and an attribute fills one field. If the server lists its fields, only listed ones are suggested.
    """
    written = {identify_field(rule.target) for rule in (*mapping.rules, *mapping.withdrawn)}
    used: set[str] = set()
    suggestions = []
    for idea, target in _list_targets(fields):
        if identify_field(target.path) in written or target.path == MANAGER:
            continue
        found = _find_attribute(idea, sources.attributes, used)
        if found is None:
            continue
        attribute, key, why = found
        used.add(key)
        written.add(identify_field(target.path))
        suggestions.append(_build(idea, target, attribute, key, why))
    return tuple(suggestions)


def _list_targets(fields: FieldCatalogue) -> Iterator[tuple[_Idea, TargetField]]:
    """Yields the fields that can be suggested: those of the ideas, then further fields of the server by their own labels."""
    usable = [one for one in fields.fields if one.is_writable and (one.is_listed or not fields.is_listed)]
    remaining = {one.path: one for one in usable}
    for idea in IDEAS:
        for one in usable:
            if one.path in remaining and _is_meant(idea, one.path):
                del remaining[one.path]
                yield idea, one
                break
    for one in remaining.values():
        if ":" in one.path:
            yield _Idea(one.path, names=(one.label_en, one.label_de)), one


def _is_meant(idea: _Idea, path: str) -> bool:
    if ":" in idea.path or "[" in idea.path:
        return identify_field(path) == identify_field(idea.path)
    name = path.rpartition(":")[2]
    return name == idea.path or (":" in path and _normalise(name).replace(" ", "") == idea.path)


def _find_attribute(
    idea: _Idea, attributes: Sequence[SourceAttribute], used: set[str]
) -> tuple[SourceAttribute, str, str] | None:
    """Returns the attribute, its key, and why it fits; None if none fits."""
    by_key = {key: attribute for attribute in attributes for key in attribute.parts or (attribute.key,)}
    for key in idea.keys:
        if key in by_key and key not in used:
            return by_key[key], key, f"{key} is Personio's own attribute for it"
    names = {_normalise(name) for name in idea.names}
    for attribute in attributes:
        if attribute.parts or attribute.key in used or attribute.type not in {*TEXT_TYPES, "integer", "tags"}:
            continue
        if _normalise(attribute.label) in names:
            return attribute, attribute.key, f"its name in Personio is {' '.join(attribute.label.split())}"
    return None


def _build(idea: _Idea, target: TargetField, attribute: SourceAttribute, key: str, why: str) -> Suggestion:
    largest_by = idea.largest_by if key in idea.keys else None
    is_list = attribute.type == "tags" and not target.is_multi_valued
    transforms = (*([First()] if is_list else []), *idea.transforms)
    rule = Rule(target=target.path, source=AttributeSource(attribute=key, largest_by=largest_by), transforms=transforms)
    filled = "" if attribute.filled is None else f"; {attribute.filled} employees have a value"
    return Suggestion(rule, f"{target.label_en} ({target.label_de}): {why}; {idea.effect}{filled}")


def _normalise(name: str) -> str:
    """Returns a name in lowercase, without accents, hyphens and other marks."""
    plain = unicodedata.normalize("NFKD", name[:100]).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", plain))
