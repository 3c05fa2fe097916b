"""The field catalogue: documented fields merged with those that a server lists, and what changes of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.contracts.fields import (
    MAX_FIELD_CHANGES,
    MAX_FIELDS,
    FieldCatalogue,
    FieldChangeKind,
    FieldOrigin,
    FieldType,
    TargetField,
)
from services.contracts.mappings import AttributeSource, Rule
from services.contracts.targets import ENTERPRISE, MANAGER
from services.mapping.documented_fields import DOCUMENTED_FIELDS
from services.mapping.target_fields import build_field_catalogue, describe_type, merge_fields
from tests.support.builders import CONNECTION, NOW

OWN = "urn:x:2.0:User"
DOCUMENTED = [field.path for field in DOCUMENTED_FIELDS]


def make_field(path: str = f"{OWN}:code", **changes: Any) -> TargetField:
    """Returns a listed field."""
    return TargetField.model_validate({"path": path, "label_en": "Label", "label_de": "Label"} | changes)


def at(number: int) -> datetime:
    """Returns the time of a check."""
    return NOW + timedelta(days=number)


def check(*lists: list[TargetField]) -> FieldCatalogue:
    """Returns the catalogue after a check a day, each with these listed fields."""
    catalogue: FieldCatalogue | None = None
    for number, listed in enumerate(lists):
        catalogue = build_field_catalogue(CONNECTION, listed, catalogue, at(number))
    assert catalogue is not None
    return catalogue


def list_changes(*lists: list[TargetField]) -> list[tuple[str, str, datetime]]:
    """Returns path, kind and time of the changes after a check a day."""
    return [(change.path, change.kind.value, change.at) for change in check(*lists).changes]


# ------------------------------------------------------------ documented fields


@pytest.mark.parametrize("field", DOCUMENTED_FIELDS, ids=DOCUMENTED)
def test_documented_field_can_be_the_target_of_a_rule(field: TargetField) -> None:
    """It has a label in each language."""
    assert Rule(target=field.path, source=AttributeSource(attribute="a")).target == field.path
    assert field.label_en
    assert field.label_de


def test_fields_that_the_vendor_names_are_documented() -> None:
    """Its page about SCIM shows them, and a card needs a phone number."""
    enterprise = {f"{ENTERPRISE}:{name}" for name in ("department", "costCenter", "organization", "division")}

    assert set(DOCUMENTED) >= enterprise | {f"{ENTERPRISE}:employeeNumber", "locale", MANAGER}
    assert 'phoneNumbers[type eq "mobile"].value' in DOCUMENTED


# ------------------------------------------------------------ merging


def test_documented_fields_alone_are_known_without_a_list() -> None:
    """A server without schemas has them nevertheless."""
    catalogue = check([])

    assert catalogue.fields == DOCUMENTED_FIELDS
    assert not catalogue.is_listed
    assert catalogue.asked_at == at(0)


def test_listed_field_gets_the_labels_of_the_documentation() -> None:
    """The server's spelling, type and values count."""
    listed = make_field("TITLE", type=FieldType.INTEGER, values=("a",), is_writable=False, is_required=True)

    field = next(field for field in merge_fields([listed]) if field.path == "TITLE")

    assert field.label_en == "Job title"
    assert field.label_de == "Position"
    assert field.type is FieldType.INTEGER
    assert field.values == ("a",)
    assert field.is_required
    assert not field.is_writable
    assert field.origin is FieldOrigin.BOTH


def test_documented_requirement_stays() -> None:
    """Declaree's form requires the names, also if the server lists them as optional."""
    fields = merge_fields([make_field("name.givenName"), make_field("name.familyName", type=FieldType.UNKNOWN)])

    assert [field.is_required for field in fields[:2]] == [True, True]
    assert [field.type for field in fields[:2]] == [FieldType.TEXT, FieldType.TEXT]


def test_further_fields_follow_the_documented_ones() -> None:
    """The first of two with the same path counts."""
    fields = merge_fields([make_field(f"{OWN}:car"), make_field("locale"), make_field(f"{OWN}:CAR", label_en="Again")])

    assert [field.path for field in fields] == [*DOCUMENTED, f"{OWN}:car"]
    assert fields[-1].label_en == "Label"
    assert fields[-1].origin is FieldOrigin.LISTED


def test_merged_fields_are_bounded() -> None:
    """The documented ones are always there."""
    fields = merge_fields([make_field(f"{OWN}:a{number}") for number in range(MAX_FIELDS)])

    assert len(fields) == MAX_FIELDS
    assert [field.path for field in fields[: len(DOCUMENTED)]] == DOCUMENTED


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (f"{OWN.upper()}:CODE", f"{OWN}:code"),
        ('PHONENUMBERS[TYPE eq "MOBILE"]', 'phoneNumbers[type eq "mobile"].value'),
        ("urn:ietf:params:scim:schemas:core:2.0:User:title", "title"),
        (f"{OWN}:cod", None),
        ("not a path", None),
    ],
)
def test_field_is_found_in_any_spelling(target: str, path: str | None) -> None:
    """A rule may be written in another case, or with the URN of the core schema."""
    found = check([make_field()]).find(target)

    assert (None if found is None else found.path) == path


@pytest.mark.parametrize(("is_list", "text"), [(False, "integer"), (True, "list of integer")])
def test_type_is_described_with_its_number_of_values(*, is_list: bool, text: str) -> None:
    """A list is another type than its entries."""
    assert describe_type(make_field(type=FieldType.INTEGER, is_multi_valued=is_list)) == text


@pytest.mark.parametrize(
    ("path", "english", "german"),
    [
        (f"{OWN}:licensePlate", "License plate", "Kennzeichen"),
        (f"{OWN}:EXPIRES_AT", "Expires at", "Erlischt am"),
        (f"{OWN}:companyCar", "Label", "Label"),
        ("initials", "Label", "Label"),
        (f"{OWN}:code.code", "Label", "Label"),
    ],
)
def test_documented_name_in_an_extension_has_its_labels(path: str, english: str, german: str) -> None:
    """The vendor documents labels of more fields than paths. Another field has the text of the server."""
    field = merge_fields([make_field(path)])[-1]

    assert field.label_en == english
    assert field.label_de == german
    assert field.origin is FieldOrigin.LISTED


# ------------------------------------------------------------ changes


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        pytest.param([], [make_field()], "appeared", id="appeared"),
        pytest.param([make_field()], [], "vanished", id="vanished"),
        pytest.param([make_field()], [make_field(type=FieldType.DATE)], "type_changed", id="another type"),
        pytest.param([make_field()], [make_field(is_multi_valued=True)], "type_changed", id="now a list"),
        pytest.param([make_field()], [make_field(is_writable=False)], "read_only", id="read-only"),
        pytest.param([make_field(is_writable=False)], [make_field()], "writable", id="writable again"),
    ],
)
def test_change_of_a_field_is_noted(before: list[TargetField], after: list[TargetField], kind: str) -> None:
    """Another field stays as it is."""
    other = make_field("locale")

    assert list_changes([other, *before], [other, *after]) == [(f"{OWN}:code", kind, at(1))]


@pytest.mark.parametrize(
    "after",
    [
        make_field(label_en="Other", label_de="Other"),
        make_field(values=("a",)),
        make_field(f"{OWN}:CODE"),
        make_field(is_required=True),
    ],
)
def test_text_of_a_field_may_change_freely(after: TargetField) -> None:
    """It decides nothing about a rule."""
    assert list_changes([make_field()], [after]) == []


def test_change_of_type_tells_the_type_before() -> None:
    """The administrator sees what the field was."""
    (change,) = check([make_field()], [make_field(type=FieldType.DATE)]).changes

    assert change.type_before == "text"
    assert change.type == "date"


def test_documented_field_vanishes_from_the_list() -> None:
    """It stays in the catalogue, as documented alone."""
    catalogue = check([make_field("locale"), make_field()], [make_field()])
    field = catalogue.find("locale")

    assert [(change.path, change.kind) for change in catalogue.changes] == [("locale", FieldChangeKind.VANISHED)]
    assert field is not None
    assert field.origin is FieldOrigin.DOCUMENTED


def test_first_list_of_a_server_is_not_a_change() -> None:
    """All of its fields would be new."""
    assert list_changes([], [make_field()]) == []
    assert list_changes([make_field()]) == []


def test_server_that_stops_listing_keeps_its_fields() -> None:
    """It says nothing about them, so none has vanished; and what it lists later is compared with the last list."""
    silent = check([make_field()], [])

    assert silent.fields == check([make_field()]).fields
    assert silent.listed_at == at(0)
    assert silent.asked_at == at(1)
    assert silent.changes == ()
    assert list_changes([make_field()], [], [make_field("locale")]) == [
        (f"{OWN}:code", "vanished", at(2)),
        ("locale", "appeared", at(2)),
    ]


def test_field_has_one_change_the_newest() -> None:
    """A list that flaps fills nothing. Older changes of other fields stay behind the newer ones."""
    other = make_field("locale")

    changes = list_changes([make_field(), other], [make_field()], [other], [make_field()])

    assert changes == [("locale", "vanished", at(3)), (f"{OWN}:code", "appeared", at(3))]


def test_number_of_changes_is_bounded() -> None:
    """The newest ones are kept."""
    many = [make_field(f"{OWN}:a{number}") for number in range(MAX_FIELD_CHANGES + 20)]

    changes = list_changes([make_field("locale")], [*many, make_field("locale")], [make_field("locale"), *many[1:]])

    assert len(changes) == MAX_FIELD_CHANGES
    assert changes[0] == (f"{OWN}:a0", "vanished", at(2))
