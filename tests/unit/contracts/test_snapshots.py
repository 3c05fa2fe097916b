"""The record of a snapshot is built from its stored text."""

import pytest
from hypothesis import given

from services.contracts.cloudevents import SendReason, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.snapshots import Snapshot, attributes_to_json
from tests.support.builders import make_change
from tests.unit.contracts import strategies


def build_snapshot(event: EmployeeChanged) -> Snapshot:
    """Returns the snapshot of an event."""
    return Snapshot(
        connection_id=event.connection_id,
        employee_id=event.employee_id,
        revision=event.revision,
        kind=event.kind,
        changed=event.changed,
        content_hash="hash",
        attributes_json=attributes_to_json(event.attributes),
        detected_at=event.detected_at,
        source_modified_at=event.source_modified_at,
    )


@strategies.repeatable
@given(strategies.employee_changes)
def test_record_equals_that_of_the_event(event: EmployeeChanged) -> None:
    """A snapshot stores JSON text and must give the same bytes as the model."""
    assert build_snapshot(event).to_record() == to_record(event)


@pytest.mark.parametrize("reason", SendReason)
def test_record_has_the_send_reason(reason: SendReason) -> None:
    """A resend differs from the first record in this header only."""
    event = make_change()

    assert build_snapshot(event).to_record(reason) == to_record(event, reason)
