"""A dead letter holds the original bytes, and in its headers where they were and why they cannot be read."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.envelope import HEADERS, MOST_HEADER_BYTES, Cause, DeadLetter, envelope_of, to_record
from services.contracts.topics import Topic
from tests.builders import changed
from tests.unit.contracts import strategies
from tests.unit.contracts.golden import folder_of

LETTER = DeadLetter(
    service="mapper",
    reason="wrong-schema",
    fields="revision,attributes",
    topic=Topic.EMPLOYEES_CHANGED,
    partition=7,
    offset=48213,
    timestamp_ms=1773045002417,
    failed_at=datetime(2026, 3, 9, 8, 30, 3, 417000, tzinfo=UTC),
)


def test_the_headers_of_a_dead_letter_are_the_agreed_ones() -> None:
    agreed = json.loads((folder_of(DeadLetter) / "wrong-schema.json").read_text(encoding="utf-8"))
    record = LETTER.to_record(b"c/1", b"\xff")
    assert record.topic is Topic.DEAD_LETTERS
    assert record.headers == tuple((name, value.encode()) for name, value in agreed.items())


@strategies.everywhere_alike
@given(strategies.dead_letters, st.none() | st.binary(), st.none() | st.binary())
def test_any_dead_letter_is_read_as_it_was_written_around_the_untouched_bytes(
    letter: DeadLetter, key: bytes | None, value: bytes | None
) -> None:
    record = letter.to_record(key, value)
    assert (record.key, record.value) == (key, value)
    assert DeadLetter.from_headers(record.headers) == letter


def test_the_headers_of_the_event_stand_beside_those_of_the_letter_as_they_came() -> None:
    event = to_record(changed(), Cause.RESENT)
    record = LETTER.to_record(event.key, event.value, envelope_of(event.headers))
    assert DeadLetter.from_headers(record.headers) == LETTER
    assert envelope_of(record.headers) == event.headers
    assert dict(event.headers).keys() == HEADERS.keys()


def test_of_the_headers_of_others_none_is_kept() -> None:
    ours = (("ce_cause", b"resent"), ("traceparent", b"\xff"))
    theirs = (("reply_to", b"x"), ("ce_later", b"1"), ("dl_reason", b"x"), ("ce_id", None), ("ce_type", b""))
    assert envelope_of((*theirs, *ours)) == ours


def test_of_headers_that_somebody_has_loaded_none_is_kept() -> None:
    assert envelope_of((("ce_id", b"x" * MOST_HEADER_BYTES), ("ce_cause", b"resent"))) == ()


def test_headers_that_others_have_added_do_not_disturb() -> None:
    more = (("x", None), ("dl_later", b"1"), ("ce_id", b"\xff"), *LETTER.to_record(None, None).headers)
    assert DeadLetter.from_headers(more) == LETTER


def test_a_text_that_is_not_utf8_is_kept_readable() -> None:
    headers = dict(LETTER.to_record(None, None).headers) | {"dl_reason": b"bro\xffken"}
    assert DeadLetter.from_headers(tuple(headers.items())).reason == "bro�ken"


@pytest.mark.parametrize(
    "name", [f"dl_{name}" for name, field in DeadLetter.model_fields.items() if field.is_required()]
)
def test_without_one_of_its_headers_a_record_is_no_dead_letter_of_ours(name: str) -> None:
    headers = tuple((key, value) for key, value in LETTER.to_record(None, None).headers if key != name)
    with pytest.raises(ValidationError):
        DeadLetter.from_headers(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dl_topic", b"somebody.elses.topic"),
        ("dl_topic", None),
        ("dl_partition", b"first"),
        ("dl_offset", None),
        ("dl_failed_at", b"2026-03-09T08:30:03"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_without_quoting_it(name: str, value: bytes | None) -> None:
    headers: dict[str, bytes | None] = dict(LETTER.to_record(None, None).headers)
    headers[name] = value
    with pytest.raises(ValidationError) as raised:
        DeadLetter.from_headers(tuple(headers.items()))
    assert [problem["loc"] for problem in raised.value.errors()] == [(name.removeprefix("dl_"),)]
    assert (value or b"?").decode() not in str(raised.value)
