"""Detection of changes: by content only, without losing a value, with growing revisions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.employees import Employee
from services.contracts.events import ChangeKind
from services.contracts.ids import EmployeeId
from services.contracts.mappings import EmploymentDates
from services.contracts.snapshots import Snapshot, SnapshotState
from services.contracts.values import Value
from services.mapping.employment import EmploymentCalendar
from services.mapping.observe import (
    MAX_CONTENT_LENGTH,
    REMOVED,
    detect_change,
    hash_content,
    is_unchanged,
    leave_out_oversized,
    trim,
)
from services.store.collection import PAGE_SIZE
from tests.support.builders import ADA, CONNECTION, NOW, make_attributes

REVISION = int(NOW.timestamp() * 1000)
"""The revision of a change that is detected at ``NOW``."""


WANTED = frozenset(ADA) | {"position", "office.name", "dynamic_9", "dynamic_9.id", "dynamic_9.name", "dynamic_8.name"}
"""The wanted attributes of most tests."""


def build_employee(values: Mapping[str, Value] | None = None, exactly: Mapping[str, Value] | None = None) -> Employee:
    """Returns an employee with Ada's attributes and these values, or with exactly these attributes."""
    visible = make_attributes(values or {}) if exactly is None else dict(exactly)
    return Employee(EmployeeId("7"), visible, NOW - timedelta(hours=1))


def detect(
    previous: Snapshot | None, employee: Employee, now: datetime = NOW, wanted: frozenset[str] = WANTED
) -> Snapshot | None:
    """Returns the snapshot of a change of the employee; None if nothing has changed."""
    calendar = EmploymentCalendar(EmploymentDates(), now.date())
    return detect_change(CONNECTION, previous, employee, now, wanted, calendar)


def build_snapshot(values: Mapping[str, Value] | None = None) -> Snapshot:
    """Returns the snapshot of a new employee with these values."""
    snapshot = detect(None, build_employee(values))
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
    assert detect(build_snapshot(), build_employee(), NOW + timedelta(days=1)) is None


def test_unwanted_attribute_is_neither_content_nor_stored() -> None:
    """Personio's own timestamp and everything that no rule reads stay in Personio."""
    before = build_snapshot({"iban": "DE1", "last_modified_at": "a", "position__unit": "x"})
    employee = build_employee({"iban": "DE2", "last_modified_at": "b", "position__unit": "y"})

    assert detect(before, employee) is None
    assert before.attributes == ADA


def test_order_of_attributes_is_not_content() -> None:
    """Personio may list the attributes in another order."""
    before = build_snapshot().attributes

    assert hash_content(dict(reversed(before.items()))) == hash_content(before)


def test_change_names_the_differences_and_has_everything() -> None:
    """An event contains the complete employee, so that it can be processed without the earlier ones."""
    before = build_snapshot({"position": "x"})
    employee = build_employee({"position": None, "office.name": "Kiel"})

    snapshot = detect(before, employee)

    assert snapshot is not None
    assert snapshot.kind is ChangeKind.CHANGED
    assert snapshot.changed == ("office.name", "position")
    assert snapshot.attributes == ADA | {"position": None, "office.name": "Kiel"}


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
    snapshot = detect(build_snapshot({"position": old}), build_employee({"position": new}))

    assert snapshot is not None
    assert snapshot.changed == ("position",)


# ---------------------------------------------------------------- absent and empty attributes


@pytest.mark.promise("P6")
def test_absent_attribute_keeps_its_value() -> None:
    """An attribute that Personio leaves out for one employee is not empty."""
    before = build_snapshot({"position": "Engineer"})
    visible = {key: value for key, value in before.attributes.items() if key != "position"}

    unchanged = detect(before, build_employee(exactly=visible))
    renamed = build_employee(exactly=visible | {"first_name": "Eva"})
    snapshot = detect(before, renamed)

    assert unchanged is None
    assert snapshot is not None
    assert snapshot.changed == ("first_name",)
    assert snapshot.attributes["position"] == "Engineer"


def test_empty_attribute_is_cleared() -> None:
    """A visible attribute without a value loses its old value."""
    before = build_snapshot({"position": "Engineer"})

    snapshot = detect(before, build_employee({"position": None}))

    assert snapshot is not None
    assert snapshot.attributes["position"] is None


def test_empty_attribute_clears_only_its_own_parts() -> None:
    """Personio sends the parts of a company's own attribute only while it has a value."""
    before = build_snapshot({"dynamic_9__id": 5, "dynamic_9__name": "Berlin", "dynamic_8__name": "Kiel"})

    cleared = detect(before, build_employee({"dynamic_9": None}))

    assert cleared is not None
    assert cleared.changed == ("dynamic_9", "dynamic_9.id", "dynamic_9.name")
    values = {key: value for key, value in cleared.attributes.items() if key.startswith("dynamic")}
    assert values == {"dynamic_9": None, "dynamic_9.id": None, "dynamic_9.name": None, "dynamic_8.name": "Kiel"}

    employee = build_employee({"dynamic_9__id": 6, "dynamic_9__name": "Bonn"})
    restored = detect(cleared, employee)

    assert restored is not None
    assert restored.changed == ("dynamic_9.id", "dynamic_9.name")


# ---------------------------------------------------------------- revisions


@pytest.mark.promise("P2")
@pytest.mark.parametrize(("days", "growth"), [(-400, 1_001), (0, 1_001), (1, 86_400_000)])
def test_revision_is_the_time_and_grows_with_any_clock(days: int, growth: int) -> None:
    """A clock that was set back must not give a revision that was used before."""
    before = build_snapshot().model_copy(update={"revision": REVISION + 1_000, "emitted_revision": 5})

    snapshot = detect(before, build_employee({"first_name": "Eva"}), NOW + timedelta(days=days))

    assert snapshot is not None
    assert snapshot.revision == REVISION + growth
    assert snapshot.emitted_revision == 5


KEYS = frozenset({"a", "b", "c"})

CONTENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "unwanted"]),
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["", "x"]),
)


@given(contents=st.lists(CONTENTS, min_size=1, max_size=4), clock=st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_any_history_has_growing_revisions_and_all_values(contents: list[dict[str, Value]], clock: list[int]) -> None:
    """After each observation nothing is left to detect, and the last value of each attribute is stored."""
    snapshot: Snapshot | None = None

    for content, days in zip(contents, clock, strict=False):
        employee, time = build_employee(exactly=content), NOW + timedelta(days=days)
        change = detect(snapshot, employee, time, KEYS)
        if change is not None:
            assert snapshot is None or change.revision > snapshot.revision
            snapshot = change
        assert detect(snapshot, employee, time, KEYS) is None

    assert snapshot is not None
    last = {key: value for content in contents for key, value in content.items() if key in KEYS}
    assert snapshot.attributes == last


# ---------------------------------------------------------------- unchanged by the hash alone


def can_pass_over(previous: Snapshot, employee: Employee, now: datetime = NOW, wanted: frozenset[str] = WANTED) -> bool:
    """Returns whether the state of the snapshot is enough to know that nothing has changed."""
    state = SnapshotState(previous.content_hash, previous.phase, previous.next_day, previous.status)
    return is_unchanged(state, employee, wanted, EmploymentCalendar(EmploymentDates(), now.date()))


@given(contents=st.lists(CONTENTS, min_size=1, max_size=3), content=CONTENTS)
def test_employee_that_is_passed_over_has_not_changed(
    contents: list[dict[str, Value]], content: dict[str, Value]
) -> None:
    """After any history. One with all stored attributes and no change is passed over."""
    snapshot: Snapshot | None = None
    for before in contents:
        snapshot = detect(snapshot, build_employee(exactly=before), NOW, KEYS) or snapshot
    assert snapshot is not None
    employee = build_employee(exactly=content)

    has_changed = detect(snapshot, employee, NOW, KEYS) is not None
    is_complete = snapshot.attributes.keys() <= content.keys()

    assert can_pass_over(snapshot, employee, NOW, KEYS) == (is_complete and not has_changed)


def test_employee_on_the_next_day_is_not_passed_over() -> None:
    """The phase changes without a change of an attribute."""
    employee, wanted = build_employee({"hire_date": "2026-12-01"}), WANTED | {"hire_date"}
    hired = NOW.replace(year=2026, month=12, day=1)
    snapshot = detect(None, employee, hired - timedelta(days=2), wanted)
    assert snapshot is not None

    assert can_pass_over(snapshot, employee, hired - timedelta(days=1), wanted)
    assert not can_pass_over(snapshot, employee, hired, wanted)


def test_other_wanted_attributes_pass_over_no_employee() -> None:
    """A further one is a change, also without a value. One that is no longer wanted has to be compared."""
    snapshot = build_snapshot({"position": "Engineer"})
    employee = build_employee({"position": "Engineer", "team.name": None})

    assert can_pass_over(snapshot, employee)
    assert not can_pass_over(snapshot, employee, wanted=WANTED | {"team.name"})
    assert not can_pass_over(snapshot, employee, wanted=frozenset(ADA))


def test_removed_employee_is_not_passed_over() -> None:
    """A return is a change."""
    removed = build_snapshot().model_copy(update={"content_hash": REMOVED})

    assert not can_pass_over(removed, build_employee())


# ---------------------------------------------------------------- changes of what is wanted


def test_further_wanted_attribute_is_a_change() -> None:
    """The accounts need its value, also where it is empty."""
    before = build_snapshot()

    snapshot = detect(before, build_employee({"team.name": None}), wanted=WANTED | {"team.name"})

    assert snapshot is not None
    assert snapshot.changed == ("team.name",)
    assert snapshot.attributes == ADA | {"team.name": None}


@pytest.mark.promise("P11")
def test_attribute_no_longer_wanted_is_not_a_change() -> None:
    """A mapping that reads less sends no employee again, and the next change does not contain the old value."""
    before = build_snapshot({"position": "Engineer"})
    employee = build_employee({"position": "Director"})

    assert detect(before, employee, wanted=frozenset(ADA)) is None

    snapshot = detect(before, build_employee({"first_name": "Eva"}), wanted=frozenset(ADA))

    assert snapshot is not None
    assert snapshot.changed == ("first_name",)
    assert snapshot.attributes == ADA | {"first_name": "Eva"}


def test_missing_part_of_a_sent_attribute_is_empty() -> None:
    """Personio may send an office without a name."""
    snapshot = detect(None, build_employee({"office.id": 4}))

    assert snapshot is not None
    assert snapshot.attributes == ADA | {"office.name": None}


@pytest.mark.promise("P11")
def test_trimmed_snapshot_keeps_its_revision() -> None:
    """Removing a value changes nothing else, so that the next scan detects no change."""
    before = build_snapshot({"position": "Engineer"})

    trimmed = trim(before, frozenset(ADA))

    assert trimmed is not None
    assert trimmed.attributes == ADA
    assert "Engineer" not in trimmed.attributes_json
    assert trimmed.revision == before.revision
    assert trimmed.content_hash == build_snapshot().content_hash
    assert trim(trimmed, frozenset(ADA)) is None
    assert detect(trimmed, build_employee(), wanted=frozenset(ADA)) is None


def test_trimmed_snapshot_of_a_removed_employee_stays_removed() -> None:
    """A return is a change even if the rest of the content is the same."""
    removed = build_snapshot({"position": "x"}).model_copy(update={"content_hash": REMOVED})

    trimmed = trim(removed, frozenset(ADA))

    assert trimmed is not None
    assert detect(trimmed, build_employee()) is not None


def test_unreadable_attributes_are_not_trimmed() -> None:
    """A damaged snapshot concerns its employee alone, and stays as it is."""
    assert trim(build_snapshot().model_copy(update={"attributes_json": "damaged"}), frozenset(ADA)) is None


# ---------------------------------------------------------------- large values

HUGE = "x" * 1_200_000
"""A text that does not fit into an event."""


@pytest.mark.promise("P9")
def test_large_value_is_left_out_of_the_snapshot() -> None:
    """The change of the status is sent, and the large value is unknown."""
    before = build_snapshot({"position": "Engineer"})
    leaver = build_employee({"position": HUGE, "status": "inactive"})

    snapshot = detect(before, leaver)

    assert snapshot is not None
    assert snapshot.oversized == ("position",)
    assert snapshot.changed == ("position", "status")
    assert snapshot.attributes == ADA | {"status": "inactive"}
    assert len(snapshot.to_record().value or b"") < 1_000
    assert detect(snapshot, leaver) is None


def test_large_value_that_was_shortened_is_a_change() -> None:
    """The field gets its value then."""
    before = build_snapshot({"position": HUGE})

    snapshot = detect(before, build_employee({"position": "Engineer"}))

    assert snapshot is not None
    assert snapshot.oversized == ()
    assert snapshot.attributes["position"] == "Engineer"


def test_only_the_largest_values_are_left_out() -> None:
    """As many values as possible are kept."""
    texts: dict[str, Value] = {"a": "x" * 12_000, "b": "x" * 11_000, "c": "x" * 2_000}

    kept, oversized = leave_out_oversized(texts)

    assert kept.keys() == {"b", "c"}
    assert oversized == ("a",)


@pytest.mark.promise("P11")
def test_large_value_no_longer_wanted_is_no_longer_reported() -> None:
    """The employee needs no attention then."""
    trimmed = trim(build_snapshot({"position": HUGE}), frozenset(ADA))

    assert trimmed is not None
    assert trimmed.oversized == ()


def test_page_of_the_largest_snapshots_fits_into_memory() -> None:
    """A resend holds hundreds of them at once: one company must not end the poller of all."""
    assert 4 * MAX_CONTENT_LENGTH * PAGE_SIZE <= 64 * 1_048_576
