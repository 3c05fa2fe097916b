"""Records of a batch become events or dead letters: revisions that no clock can have given."""

from datetime import timedelta

import pytest
from aiokafka import ConsumerRecord

from services.contracts.cloudevents import MAX_CLOCK_ERROR, to_record
from services.contracts.dead_letters import DeadLetter, DeadLetterReason
from services.contracts.events import AccountRequested, EmployeeChanged, Event
from services.contracts.records import Record
from services.contracts.tombstones import build_tombstone
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


@pytest.mark.parametrize("event", [make_change(), make_request()], ids=["mapper", "writer"])
def test_tombstone_is_passed_over(event: Event) -> None:
    """An erased employee is neither an event nor a dead letter. The records around the tombstone are handled."""
    decoder = Decoder("mapper", event.topic, type(event), FakeClock())
    tombstone = make_incoming_record(0, 1, build_tombstone(event.topic, event.person))
    first, last = make_incoming_record(0, 0, to_record(event)), make_incoming_record(0, 2, to_record(event))

    decoded, letters = decoder.decode([first, tombstone, last])

    assert [incoming.offset for incoming in decoded] == [0, 2]
    assert letters == []


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, None), (b"no-slash", None), (b"\xff/1", None), (b"c-1/1", b"")],
    ids=["no-key", "no-person", "no-text", "empty-value"],
)
def test_empty_record_of_no_person_becomes_a_letter(key: bytes | None, value: bytes | None) -> None:
    """Without the key of an employee, or with an empty value, another program wrote the record."""
    decoder = Decoder("mapper", EmployeeChanged.topic, EmployeeChanged, FakeClock())
    record = make_incoming_record(0, 0, Record(EmployeeChanged.topic, key, value))

    decoded, letters = decoder.decode([record])

    assert decoded == ()
    assert [DeadLetter.from_headers(letter.headers).reason for letter in letters] == [DeadLetterReason.EMPTY_VALUE]
