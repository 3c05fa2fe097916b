"""The mapper beside a bare loop on events with all attributes."""

from dataclasses import replace

import pytest

from benchmarks.bare.full_events import FullAttribute, FullEmployeeChanged
from benchmarks.bare.mapping import FORMS
from benchmarks.comparison import Comparison
from benchmarks.full_events.measure import enlarge
from benchmarks.full_events.report import FullEvents, find_full_event_misses, format_full_events
from benchmarks.report import Stage
from tests.support.builders import ADA, make_change

MAPPED = {**ADA, "supervisor.id": 7}
MEASURED = FullEvents(
    Comparison(Stage("bare", 1_000, 1.3), Stage("mapper", 1_000, 1.0), bare_bytes=6_000.0, mapper_bytes=400.0),
    released=64,
    mapped=5,
)


def test_mapper_is_compared_with_the_loop_on_full_events() -> None:
    """The mapper has to be faster by what small events save."""
    slow = replace(MEASURED, compared=replace(MEASURED.compared, mapper=Stage("mapper", 1_000, 1.01)))

    assert find_full_event_misses(MEASURED) == []
    assert find_full_event_misses(slow) == ["the mapper reaches 1.29 of a bare loop on full events, not 1.3"]


def test_table_shows_the_sizes_of_both_events() -> None:
    """The size explains the ratio."""
    assert "| bare | bare | 64 | 6000 | 769 |" in format_full_events(MEASURED)
    assert "| mapper | ours | 5 | 400 | 1000 |" in format_full_events(MEASURED)


@pytest.fixture
def small() -> bytes:
    """The value of an event as the poller sends it."""
    return make_change().model_copy(update={"attributes": MAPPED}).model_dump_json().encode()


def test_full_event_has_value_label_and_type(small: bytes) -> None:
    """All else is that of the poller's event."""
    attributes = {key: FullAttribute(value=value, label="Label") for key, value in MAPPED.items()}

    full = FullEmployeeChanged.model_validate_json(enlarge(small, {make_change().employee_id: attributes}))

    assert full.attributes["email"] == FullAttribute(value=ADA["email"], label="Label", type="standard")
    assert full.revision == make_change().revision


def test_bare_loop_maps_both_forms_alike(small: bytes) -> None:
    """Otherwise the loops would do different work."""
    attributes = {key: FullAttribute(value=value) for key, value in MAPPED.items()}

    full = enlarge(small, {make_change().employee_id: attributes})

    assert FORMS["full"](full) == FORMS["small"](small)
