"""Which changes of visible attributes are noted, and that an unsteady list of Personio fills nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceAttribute, SourceCatalogue
from services.contracts.employees import AttributeDefinition
from services.poller.attribute_changes import MAX_CHANGES, note_changes
from tests.support.builders import CONNECTION, NOW

BEFORE = {"team": "tags", "office": "standard"}
"""The types of the attributes of the first scan."""


def observe(*scans: Mapping[str, str], label: str = "") -> tuple[AttributeChange, ...]:
    """Returns the changes after scans with these types by key, one minute apart. The first scan has no earlier one."""
    catalogue: SourceCatalogue | None = None
    for number, types in enumerate(scans):
        definitions = [AttributeDefinition(key, f"{label}{number}", type_) for key, type_ in types.items()]
        changes = () if catalogue is None else note_changes(catalogue, definitions, at(number))
        attributes = tuple(SourceAttribute.describe(definition, None) for definition in definitions)
        catalogue = SourceCatalogue(connection_id=CONNECTION, attributes=attributes, changes=changes)
    assert catalogue is not None
    return catalogue.changes


def at(scan: int) -> datetime:
    """Returns the time of a scan."""
    return NOW + timedelta(minutes=scan)


def summarise(changes: tuple[AttributeChange, ...]) -> list[tuple[str, AttributeChangeKind, datetime]]:
    """Returns key, kind and time of each change."""
    return [(change.key, change.kind, change.at) for change in changes]


def test_each_kind_of_change_is_noted_with_its_time() -> None:
    """The type of an attribute that vanished stays known."""
    changes = observe(BEFORE, {"team": "standard", "site": "list"})

    assert summarise(changes) == [
        ("office", AttributeChangeKind.VANISHED, at(1)),
        ("team", AttributeChangeKind.TYPE_CHANGED, at(1)),
        ("site", AttributeChangeKind.NEW, at(1)),
    ]
    assert [(change.type_before, change.type) for change in changes] == [
        (None, "standard"),
        ("tags", "standard"),
        (None, "list"),
    ]


def test_changed_labels_are_not_noted() -> None:
    """Labels follow the language and the taste of a company."""
    assert observe(BEFORE, BEFORE, label="Büro ") == ()


def test_vanished_attribute_is_noted_once() -> None:
    """Later scans without the attribute change neither the entry nor its time."""
    missing = {"team": "tags"}

    changes = observe(BEFORE, missing, missing, missing)

    assert summarise(changes) == [("office", AttributeChangeKind.VANISHED, at(1))]


def test_returned_attribute_is_not_new() -> None:
    """It has the entry that its disappearance had, with the newest time."""
    changes = observe(BEFORE, {"team": "tags"}, BEFORE)

    assert summarise(changes) == [("office", AttributeChangeKind.RETURNED, at(2))]


def test_attribute_that_returns_with_another_type_has_changed() -> None:
    """The disappearance does not hide the change of the type."""
    (change,) = observe(BEFORE, {"team": "tags"}, {**BEFORE, "office": "list"})

    assert change.kind is AttributeChangeKind.TYPE_CHANGED
    assert change.type_before == "standard"
    assert change.type == "list"


def test_unsteady_attribute_keeps_one_entry() -> None:
    """A list that is incomplete every second time tells one thing: the newest."""
    scans = [BEFORE, {"team": "tags"}] * 50

    changes = observe(*scans)

    assert summarise(changes) == [("office", AttributeChangeKind.VANISHED, at(99))]


def test_number_of_entries_is_limited_to_the_newest() -> None:
    """A company may exchange all of its attributes."""
    first = {f"old_{number}": "standard" for number in range(MAX_CHANGES)}
    second = {f"new_{number}": "standard" for number in range(30)}

    changes = observe(first, {**first, **second}, {**second, "last": "list"})

    assert len(changes) == MAX_CHANGES
    assert {change.at for change in changes} == {at(2)}
