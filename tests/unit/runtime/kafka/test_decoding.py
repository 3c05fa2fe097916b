"""Records of a batch become events or dead letters: revisions that no clock can have given."""

from datetime import timedelta

import pytest
from aiokafka import ConsumerRecord

from services.contracts.cloudevents import MAX_CLOCK_ERROR, to_record
from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.events import AccountRequested, Event
from services.runtime.kafka.decoding import Decoder
from tests.support.builders import NOW, make_change, make_incoming_record, make_request
from tests.support.fakes import FakeClock

FUTURE = int((NOW + timedelta(days=365)).timestamp() * 1000)


def make_records(*events: Event) -> list[ConsumerRecord]:
    """Returns the records of these events, at offsets from 0."""
    return [make_incoming_record(0, offset, to_record(event)) for offset, event in enumerate(events)]


@pytest.mark.parametrize(
    ("service", "events"),
    [
        ("mapper", [make_change(revision=1), make_change(revision=FUTURE), make_change(revision=2)]),
        ("writer", [make_request(revision=1), make_request(revision=FUTURE), make_request(revision=2)]),
    ],
    ids=["mapper", "writer"],
)
def test_revision_of_the_future_becomes_a_dead_letter(service: str, events: list[Event]) -> None:
    """Accepted, it would supersede the employee's changes of a year; the records around it are handled."""
    decoder = Decoder(service, events[0].topic, type(events[0]), FakeClock())
    records = make_records(*events)

    decoded, letters = decoder.decode(records)

    assert [incoming.event.revision for incoming in decoded] == [1, 2]
    (record,) = letters
    letter = DeadLetter.from_headers(record.headers)
    assert letter.service == service
    assert letter.offset == 1
    assert letter.reason == DeadLetterReason.FUTURE_REVISION
    assert letter.fields == "revision"
    assert "compare the clocks" in letter.next_step
    assert record.key == records[1].key
    assert record.value == records[1].value


def test_dead_letter_of_the_future_is_readable_in_time() -> None:
    """After a retry, the event is handled as soon as its revision is possible."""
    clock = FakeClock()
    decoder = Decoder("writer", AccountRequested.topic, AccountRequested, clock)
    records = make_records(make_request(revision=FUTURE))

    clock.seconds = (timedelta(days=365) - MAX_CLOCK_ERROR).total_seconds()

    assert [incoming.event.revision for incoming in decoder.decode(records)[0]] == [FUTURE]
