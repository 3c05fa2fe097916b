"""Detection of changes: by content only, without losing a value, with growing revisions."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.employees import Attribute, Employee
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.snapshots import Snapshot
from services.contracts.values import Value
from services.poller.observe import detect_change, hash_content
from tests.support.builders import CONNECTION, NOW, make_attributes

REVISION = int(NOW.timestamp() * 1000)
"""The revision of a change that is detected at ``NOW``."""


def build_employee(
    values: Mapping[str, Value] | None = None, exactly: Mapping[str, Attribute] | None = None
) -> Employee:
    """Returns an employee with Ada's attributes and these values, or with exactly these attributes."""
    visible = make_attributes(values or {}) if exactly is None else dict(exactly)
    return Employee(EmployeeId("7"), visible, NOW - timedelta(hours=1))


def build_snapshot(values: Mapping[str, Value] | None = None) -> Snapshot:
    """Returns the snapshot of a new employee with these values."""
    snapshot = detect_change(CONNECTION, None, build_employee(values), NOW)
    assert snapshot is not None
    return snapshot


# ---------------------------------------------------------------- what is a change


def test_new_employee_is_created_with_all_attributes() -> None:
    """The first snapshot names every attribute as changed."""
    snapshot = build_snapshot()

    assert snapshot.kind is ChangeKind.CREATED
    assert snapshot.revision == REVISION
    assert snapshot.emitted_revision == 0
    assert snapshot.changed == tuple(sorted(make_attributes()))
    assert snapshot.detected_at == NOW
    assert snapshot.source_modified_at == NOW - timedelta(hours=1)
    assert snapshot.is_pending


def test_same_content_is_not_a_change() -> None:
    """An employee without a difference leads to no event."""
    assert detect_change(CONNECTION, build_snapshot(), build_employee(), NOW + timedelta(days=1)) is None


def test_labels_types_and_modification_time_are_not_content() -> None:
    """A renamed or translated attribute is not a change of the employee."""
    before = build_snapshot({"last_modified_at": "2026-03-01T00:00:00+01:00"})
    renamed = {key: Attribute(value=a.value, label="Vorname", type="list") for key, a in before.attributes.items()}
    renamed["last_modified_at"] = Attribute(value="2026-03-09T00:00:00+01:00")

    assert detect_change(CONNECTION, before, build_employee(exactly=renamed), NOW) is None
    assert hash_content(before.attributes) == hash_content(renamed)


def test_order_of_attributes_is_not_content() -> None:
    """Personio may list the attributes in another order."""
    before = build_snapshot().attributes

    assert hash_content(dict(reversed(before.items()))) == hash_content(before)


def test_change_names_the_differences_and_has_everything() -> None:
    """An event contains the complete employee, so that it can be processed without the earlier ones."""
    before = build_snapshot({"last_modified_at": "a", "position": "x"})
    employee = build_employee({"last_modified_at": "b", "position": None, "office.name": "Kiel"})

    snapshot = detect_change(CONNECTION, before, employee, NOW)

    assert snapshot is not None
    assert snapshot.kind is ChangeKind.CHANGED
    assert snapshot.changed == ("office.name", "position")
    assert {key: a.value for key, a in snapshot.attributes.items()} == {
        **{key: a.value for key, a in make_attributes().items()},
        "last_modified_at": "b",
        "position": None,
        "office.name": "Kiel",
    }


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
def test_value_of_another_type_is_a_change(old: Value, new: Value) -> None:
    """Values that are equal in Python are still different values in JSON."""
    snapshot = detect_change(CONNECTION, build_snapshot({"position": old}), build_employee({"position": new}), NOW)

    assert snapshot is not None
    assert snapshot.changed == ("position",)


# ---------------------------------------------------------------- absent and empty attributes


@pytest.mark.promise("P6")
def test_absent_attribute_keeps_its_value() -> None:
    """An attribute that is no longer visible is not empty."""
    before = build_snapshot({"position": "Engineer"})
    visible = {key: value for key, value in before.attributes.items() if key != "position"}

    unchanged = detect_change(CONNECTION, before, build_employee(exactly=visible), NOW)
    renamed = build_employee(exactly=visible | {"first_name": Attribute(value="Eva")})
    snapshot = detect_change(CONNECTION, before, renamed, NOW)

    assert unchanged is None
    assert snapshot is not None
    assert snapshot.changed == ("first_name",)
    assert snapshot.attributes["position"].value == "Engineer"


def test_empty_attribute_is_cleared() -> None:
    """A visible attribute without a value loses its old value."""
    before = build_snapshot({"position": "Engineer"})

    snapshot = detect_change(CONNECTION, before, build_employee({"position": None}), NOW)

    assert snapshot is not None
    assert snapshot.attributes["position"].value is None


def test_empty_attribute_clears_only_its_own_parts() -> None:
    """Personio sends the parts of a company's own attribute only while it has a value."""
    before = build_snapshot({"dynamic_9__id": 5, "dynamic_9__name": "Berlin", "dynamic_8__name": "Kiel"})

    cleared = detect_change(CONNECTION, before, build_employee({"dynamic_9": None}), NOW)

    assert cleared is not None
    assert cleared.changed == ("dynamic_9", "dynamic_9.id", "dynamic_9.name")
    values = {key: attribute.value for key, attribute in cleared.attributes.items() if key.startswith("dynamic")}
    assert values == {"dynamic_9": None, "dynamic_9.id": None, "dynamic_9.name": None, "dynamic_8.name": "Kiel"}

    employee = build_employee({"dynamic_9__id": 6, "dynamic_9__name": "Bonn"})
    restored = detect_change(CONNECTION, cleared, employee, NOW)

    assert restored is not None
    assert restored.changed == ("dynamic_9.id", "dynamic_9.name")


# ---------------------------------------------------------------- revisions


@pytest.mark.promise("P2")
@pytest.mark.parametrize(("days", "growth"), [(-400, 1_001), (0, 1_001), (1, 86_400_000)])
def test_revision_is_the_time_and_grows_with_any_clock(days: int, growth: int) -> None:
    """A clock that was set back must not give a revision that was used before."""
    before = build_snapshot().model_copy(update={"revision": REVISION + 1_000, "emitted_revision": 5})

    snapshot = detect_change(CONNECTION, before, build_employee({"first_name": "Eva"}), NOW + timedelta(days=days))

    assert snapshot is not None
    assert snapshot.revision == REVISION + growth
    assert snapshot.emitted_revision == 5


CONTENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "last_modified_at"]),
    (st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["", "x"])).map(lambda v: Attribute(value=v)),
)


@given(contents=st.lists(CONTENTS, min_size=1, max_size=4), clock=st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_any_history_has_growing_revisions_and_all_values(
    contents: list[dict[str, Attribute]], clock: list[int]
) -> None:
    """After each observation nothing is left to detect, and the last value of each attribute is stored."""
    snapshot: Snapshot | None = None

    for content, days in zip(contents, clock, strict=False):
        employee, time = build_employee(exactly=content), NOW + timedelta(days=days)
        change = detect_change(CONNECTION, snapshot, employee, time)
        if change is not None:
            assert snapshot is None or change.revision > snapshot.revision
            snapshot = change
        assert detect_change(CONNECTION, snapshot, employee, time) is None

    assert snapshot is not None
    values = {key: attribute.value for key, attribute in snapshot.attributes.items() if key != "last_modified_at"}
    last = {key: attribute.value for content in contents for key, attribute in content.items()}
    assert values == {key: value for key, value in last.items() if key != "last_modified_at"}
