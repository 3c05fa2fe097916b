"""Suggested rules: what belongs where by names and types."""

import pytest

from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.fields import FieldCatalogue, FieldOrigin, TargetField
from services.contracts.mappings import MappingDocument, default_mapping
from services.contracts.targets import ENTERPRISE
from services.contracts.transforms import First, Iban, LanguageTag, Phone, Trim
from services.mapping.suggestions import IDEAS, suggest_rules
from services.mapping.target_fields import build_field_catalogue
from services.mapping.target_problems import find_target_problems
from tests.support.builders import CONNECTION, NOW, make_rule

DOCUMENTED = build_field_catalogue(CONNECTION, (), None, NOW)
"""The catalogue of a server that lists no fields."""
MOBILE = 'phoneNumbers[type eq "mobile"].value'


def build_sources(*attributes: SourceAttribute) -> SourceCatalogue:
    """Returns a catalogue of these attributes."""
    return SourceCatalogue(connection_id=CONNECTION, attributes=attributes)


def name_attribute(label: str, type_: str = "standard", key: str = "dynamic_1") -> SourceAttribute:
    """Returns an attribute with a label."""
    return SourceAttribute(key=key, label=label, type=type_)


COST_CENTERS = SourceAttribute(
    key="cost_centers",
    label="Kostenstelle",
    type="standard",
    parts=("cost_centers.id", "cost_centers.name", "cost_centers.percentage"),
)


@pytest.mark.parametrize(
    ("label", "target", "transform"),
    [
        ("Handynummer", MOBILE, Phone(otherwise="missing")),
        (" Mobile  Phone ", MOBILE, Phone(otherwise="missing")),
        ("Diensthandy", MOBILE, Phone(otherwise="missing")),
        ("Personal-Nr.", f"{ENTERPRISE}:employeeNumber", Trim()),
        ("PERSONALNUMMER", f"{ENTERPRISE}:employeeNumber", Trim()),
        ("Sprache", "preferredLanguage", LanguageTag(otherwise="missing")),
        ("Geschäftsbereich", f"{ENTERPRISE}:division", Trim()),
        ("Kostenstelle", f"{ENTERPRISE}:costCenter", Trim()),
        ("Job title", "title", Trim()),
    ],
)
def test_attribute_is_suggested_by_its_name(label: str, target: str, transform: object) -> None:
    """In German and English, in any case, with any accents and hyphens."""
    (suggestion,) = suggest_rules(default_mapping(), build_sources(name_attribute(label)), DOCUMENTED)

    assert suggestion.rule.target == target
    assert suggestion.rule.transforms == (transform,)
    assert f"its name in Personio is {' '.join(label.split())}" in suggestion.reason


def test_cost_centre_with_the_largest_share_is_suggested() -> None:
    """The field has one value, and the attribute has a list."""
    (suggestion,) = suggest_rules(default_mapping(), build_sources(COST_CENTERS), DOCUMENTED)

    assert suggestion.rule.source.model_dump() == {
        "kind": "attribute",
        "attribute": "cost_centers.name",
        "largest_by": "cost_centers.percentage",
    }
    assert "Kostenstelle (Projekt)" in suggestion.reason


@pytest.mark.parametrize(
    "mapping",
    [
        MappingDocument(rules=(make_rule('PHONENUMBERS[type eq "mobile"]', "x"),)),
        MappingDocument(rules=(), withdrawn=(make_rule(MOBILE, "x"),)),
    ],
)
def test_written_fields_are_not_suggested(mapping: MappingDocument) -> None:
    """The mapping has a rule for the field, or its author has decided against one."""
    assert suggest_rules(mapping, build_sources(name_attribute("Handy")), DOCUMENTED) == ()


def test_attribute_of_an_unfit_type_is_not_suggested() -> None:
    """A date cannot be a telephone number."""
    assert suggest_rules(default_mapping(), build_sources(name_attribute("Handy", "date")), DOCUMENTED) == ()


def test_attribute_fills_one_field() -> None:
    """Two fields are about the language."""
    suggestions = suggest_rules(default_mapping(), build_sources(name_attribute("Sprache")), DOCUMENTED)

    assert [suggestion.rule.target for suggestion in suggestions] == ["preferredLanguage"]


def test_listed_fields_of_an_extension_are_suggested() -> None:
    """By what an idea calls them, or by their own label. Fields that the server does not list are left out."""
    listed = (
        TargetField(path="urn:x:2.0:User:accountNumber", label_en="Account number", label_de="Kontonummer"),
        TargetField(path="urn:x:2.0:User:travelGroup", label_en="Reisekostengruppe", label_de="Reisekostengruppe"),
        TargetField(path="urn:x:2.0:User:fixed", label_en="Fixed", label_de="Fixed", is_writable=False),
    )
    catalogue = build_field_catalogue(CONNECTION, listed, None, NOW)
    sources = build_sources(
        name_attribute("IBAN"),
        name_attribute("Reisekostengruppe", "list", "dynamic_2"),
        name_attribute("Fixed", "list", "dynamic_3"),
        name_attribute("Handy", key="dynamic_4"),
    )

    suggestions = suggest_rules(default_mapping(), sources, catalogue)

    assert [suggestion.rule.target for suggestion in suggestions] == [
        "urn:x:2.0:User:accountNumber",
        "urn:x:2.0:User:travelGroup",
    ]
    assert suggestions[0].rule.transforms == (Iban(otherwise="missing"),)


def test_list_gets_one_value_for_a_field_with_one() -> None:
    """Tags are a list."""
    (suggestion,) = suggest_rules(default_mapping(), build_sources(name_attribute("Job title", "tags")), DOCUMENTED)

    assert suggestion.rule.transforms == (First(), Trim())


def test_suggested_mapping_has_no_problem() -> None:
    """What is suggested can be published."""
    attributes = [COST_CENTERS, SourceAttribute(key="position", label="Position", type="standard")]
    attributes += [
        name_attribute(name, key=f"dynamic_{number}")
        for number, name in enumerate(name for idea in IDEAS for name in idea.names)
    ]
    sources = build_sources(*attributes)
    suggestions = suggest_rules(default_mapping(), sources, DOCUMENTED)
    rules = (*default_mapping().rules, *(suggestion.rule for suggestion in suggestions))

    assert len(suggestions) >= 8
    assert find_target_problems(MappingDocument(rules=rules), DOCUMENTED, sources) == ()


def test_empty_catalogues_suggest_nothing() -> None:
    """There is nothing to compare."""
    assert suggest_rules(default_mapping(), build_sources(), FieldCatalogue(connection_id=CONNECTION)) == ()
    assert FieldOrigin.DOCUMENTED in {one.origin for one in DOCUMENTED.fields}
