"""A preview over recorded changes: what two mappings ask for, counted without values."""

from services.admin.preview.recorded import IntentChange, RecordedPreview, RecordedRejection, RecordedTally
from services.contracts.cloudevents import to_record
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.mappings import AttributeSource, ConstantSource, MappingDocument, Rule, default_mapping
from services.contracts.outcomes import Intent
from services.runtime.kafka.replay import RecordedRecord
from tests.support.builders import CONNECTION, NOW, OTHER, make_change, make_person, make_published_mapping

PUBLISHED = make_published_mapping(*default_mapping().rules)
TITLE = Rule(target="title", source=ConstantSource(value="x"))
OFFICE = Rule(target="title", source=AttributeSource(attribute="office.name"), on_missing="reject")


def record(change: EmployeeChanged) -> RecordedRecord:
    """Returns the record of a change."""
    made = to_record(change)
    return RecordedRecord(0, 0, 0, made.key, made.value, ())


def preview(*records: RecordedRecord, mapping: MappingDocument = PUBLISHED.mapping) -> RecordedPreview:
    """Returns the preview over these records."""
    tally = RecordedTally(CONNECTION, PUBLISHED, mapping, NOW)
    tally.add(records)
    return tally.build()


def extend(*rules: Rule) -> MappingDocument:
    """Returns the published mapping with further rules."""
    return PUBLISHED.mapping.model_copy(update={"rules": (*PUBLISHED.mapping.rules, *rules)})


def test_equal_mappings_differ_nowhere() -> None:
    """Each change counts once, also if it was resent or replayed."""
    first, second = record(make_change(revision=1)), record(make_change(revision=2))

    found = preview(first, second, first, second)

    assert found.changes == 2
    assert found.employees == 1
    assert found.differing == 0
    assert found.intents == ()
    assert found.rejected == ()


def test_fields_with_other_values_are_counted() -> None:
    """By change, not by employee."""
    records = [record(make_change(employee=employee, revision=revision)) for employee in "78" for revision in (1, 2)]

    found = preview(*records, mapping=extend(TITLE))

    assert found.differing == 4
    assert found.fields == {"title": 4}


def test_changes_with_another_intent_are_counted() -> None:
    """The attribute is not recorded for one of them, and the draft rejects such employees."""
    records = record(make_change({"office.name": "Kiel"})), record(make_change(employee="8"))

    found = preview(*records, mapping=extend(OFFICE))

    (change,), (rejection,) = found.intents, found.rejected
    assert change == IntentChange(Intent.PROVISION, Intent.REJECT, 1, (EmployeeId("8"),))
    assert isinstance(rejection, RecordedRejection)
    assert rejection.employees == (EmployeeId("8"),)
    assert "office.name" in rejection.reason
    assert found.unrecorded == ()


def test_attributes_without_a_record_are_named() -> None:
    """Their fields cannot be judged."""
    assert preview(record(make_change()), mapping=extend(OFFICE)).unrecorded == ("office.name",)


def test_erased_employee_is_not_counted() -> None:
    """The tombstone is later than the changes, and compaction has not reached them yet."""
    tombstone = RecordedRecord(0, 0, 0, bytes(make_person("7")), None, ())

    found = preview(record(make_change()), record(make_change(employee="8")), tombstone, mapping=extend(TITLE))

    assert found.employees == 1
    assert found.fields == {"title": 1}


def test_foreign_and_unreadable_records_are_left_out() -> None:
    """Of another connection, under a forged key, from the future, and without content."""
    foreign = make_change().model_copy(update={"connection_id": OTHER})
    forged = record(foreign)._replace(key=bytes(make_person("7")))
    broken = record(make_change())._replace(value=b"{")
    no_key = record(make_change())._replace(key=None)

    found = preview(record(foreign), forged, broken, no_key, record(make_change(revision=10**15)))

    assert found.changes == 0
    assert found.unrecorded == ()
