"""The event of a snapshot, made of the text that is stored."""

import pytest
from hypothesis import given

from services.contracts.envelope import Cause, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.snapshots import Snapshot, to_json
from tests.builders import changed
from tests.unit.contracts import strategies


def of(event: EmployeeChanged) -> Snapshot:
    return Snapshot(
        connection_id=event.connection_id,
        employee_id=event.employee_id,
        revision=event.revision,
        kind=event.kind,
        changed=event.changed,
        content_hash="hash",
        attributes_json=to_json(event.attributes),
        detected_at=event.detected_at,
        source_modified_at=event.source_modified_at,
    )


@strategies.everywhere_alike
@given(strategies.employee_changes)
def test_it_is_byte_for_byte_what_the_event_itself_would_be(event: EmployeeChanged) -> None:
    assert of(event).record() == to_record(event)


@pytest.mark.parametrize("cause", Cause)
def test_it_says_why_it_is_sent(cause: Cause) -> None:
    event = changed()
    assert of(event).record(cause) == to_record(event, cause)
