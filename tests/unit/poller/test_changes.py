"""Change detection: by content alone, never losing a value, always growing revisions."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.events import Attribute, Kind
from services.contracts.ids import EmployeeId
from services.contracts.model import Value
from services.contracts.snapshots import Snapshot
from services.poller.changes import Seen, content_hash, detect
from tests.builders import attributes
from tests.stored import CONNECTION, NOW

MILLISECONDS = int(NOW.timestamp() * 1000)


def seen(values: Mapping[str, Value] | None = None, only: Mapping[str, Attribute] | None = None) -> Seen:
    return Seen(EmployeeId("7"), attributes(values or {}) if only is None else only, NOW - timedelta(hours=1))


def first(values: Mapping[str, Value] | None = None) -> Snapshot:
    snapshot = detect(CONNECTION, None, seen(values), NOW)
    assert snapshot is not None
    return snapshot


def test_somebody_new_is_created_with_all_their_attributes_as_changed() -> None:
    snapshot = first()
    assert (snapshot.kind, snapshot.revision, snapshot.emitted_revision) == (Kind.CREATED, MILLISECONDS, 0)
    assert snapshot.changed == tuple(sorted(attributes()))
    assert (snapshot.detected_at, snapshot.source_modified_at) == (NOW, NOW - timedelta(hours=1))
    assert snapshot.pending


def test_the_same_content_is_no_change() -> None:
    assert detect(CONNECTION, first(), seen(), NOW + timedelta(days=1)) is None


def test_labels_types_and_the_time_of_the_last_modification_are_no_content() -> None:
    before = first({"last_modified_at": "2026-03-01T00:00:00+01:00"})
    renamed = {key: Attribute(value=a.value, label="Vorname", type="list") for key, a in before.attributes.items()}
    renamed["last_modified_at"] = Attribute(value="2026-03-09T00:00:00+01:00")
    assert detect(CONNECTION, before, seen(only=renamed), NOW) is None
    assert content_hash(before.attributes) == content_hash(renamed)


def test_the_order_of_attributes_is_no_content() -> None:
    held = first().attributes
    assert content_hash(dict(reversed(held.items()))) == content_hash(held)


def test_a_change_names_what_differs_and_holds_everything() -> None:
    before = first({"last_modified_at": "a", "position": "x"})
    snapshot = detect(CONNECTION, before, seen({"last_modified_at": "b", "position": None, "office.name": "Kiel"}), NOW)
    assert snapshot is not None
    assert (snapshot.kind, snapshot.changed) == (Kind.CHANGED, ("office.name", "position"))
    assert {key: a.value for key, a in snapshot.attributes.items()} == {
        **{key: a.value for key, a in attributes().items()},
        "last_modified_at": "b",
        "position": None,
        "office.name": "Kiel",
    }


def test_a_key_that_is_absent_keeps_its_old_value_and_is_no_change() -> None:
    before = first({"position": "Engineer"})
    without = {key: value for key, value in before.attributes.items() if key != "position"}
    assert detect(CONNECTION, before, seen(only=without), NOW) is None
    snapshot = detect(CONNECTION, before, seen(only=without | {"first_name": Attribute(value="Eva")}), NOW)
    assert snapshot is not None
    assert snapshot.changed == ("first_name",)
    assert snapshot.attributes["position"].value == "Engineer"


def test_a_key_that_is_there_and_empty_is_cleared() -> None:
    snapshot = detect(CONNECTION, first({"position": "Engineer"}), seen({"position": None}), NOW)
    assert snapshot is not None
    assert snapshot.attributes["position"].value is None


def test_an_attribute_that_is_there_and_empty_takes_its_parts_with_it_and_those_of_no_other() -> None:
    """Of an attribute of the company's own Personio sends parts while it has a value, and a null when it has none."""
    before = first({"dynamic_9__id": 5, "dynamic_9__name": "Berlin", "dynamic_8__name": "Kiel"})
    after = detect(CONNECTION, before, seen({"dynamic_9": None}), NOW)
    assert after is not None
    assert after.changed == ("dynamic_9", "dynamic_9.id", "dynamic_9.name")
    values = {key: attribute.value for key, attribute in after.attributes.items() if key.startswith("dynamic")}
    assert values == {"dynamic_9": None, "dynamic_9.id": None, "dynamic_9.name": None, "dynamic_8.name": "Kiel"}
    again = detect(CONNECTION, after, seen({"dynamic_9__id": 6, "dynamic_9__name": "Bonn"}), NOW)
    assert again is not None
    assert again.changed == ("dynamic_9.id", "dynamic_9.name")


@pytest.mark.parametrize(("days", "grows_to"), [(-400, 1_001), (0, 1_001), (1, 86_400_000)])
def test_the_revision_is_the_time_and_grows_even_when_the_clock_goes_back(days: int, grows_to: int) -> None:
    before = first().model_copy(update={"revision": MILLISECONDS + 1_000, "emitted_revision": 5})
    snapshot = detect(CONNECTION, before, seen({"first_name": "Eva"}), NOW + timedelta(days=days))
    assert snapshot is not None
    assert (snapshot.revision, snapshot.emitted_revision) == (MILLISECONDS + grows_to, 5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1", 1),
        (1, True),
        (1, 1.0),
        (0, False),
        (None, ""),
        (("a",), "a"),
    ],
)
def test_values_of_another_type_are_another_content_and_named(old: Value, new: Value) -> None:
    snapshot = detect(CONNECTION, first({"position": old}), seen({"position": new}), NOW)
    assert snapshot is not None
    assert snapshot.changed == ("position",)


CONTENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "last_modified_at"]),
    (st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["", "x"])).map(lambda v: Attribute(value=v)),
)


@given(contents=st.lists(CONTENTS, min_size=1, max_size=4), clock=st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_any_history_gives_growing_revisions_and_ends_with_nothing_left_to_detect(
    contents: list[dict[str, Attribute]], clock: list[int]
) -> None:
    snapshot: Snapshot | None = None
    for content, days in zip(contents, clock, strict=False):
        found = detect(CONNECTION, snapshot, seen(only=content), NOW + timedelta(days=days))
        if found is not None:
            assert snapshot is None or found.revision > snapshot.revision
            snapshot = found
        assert detect(CONNECTION, snapshot, seen(only=content), NOW) is None
    assert snapshot is not None
    values = {key: attribute.value for key, attribute in snapshot.attributes.items() if key != "last_modified_at"}
    known = {key: attribute.value for content in contents for key, attribute in content.items()}
    assert values == {key: value for key, value in known.items() if key != "last_modified_at"}
