"""A dead letter contains the bytes of the record, and in its headers the position and the reason."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.cloudevents import HEADERS, MAX_HEADER_BYTES, SendReason, select_event_headers, to_record
from services.contracts.dead_letters import MAX_COPIED_BYTES, DeadLetter, DeadLetterReason
from services.contracts.topics import Topic
from tests.support.builders import make_change
from tests.unit.contracts import strategies
from tests.unit.contracts.golden import get_folder

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


def test_headers_equal_the_golden_example() -> None:
    """The headers of a dead letter stay the same between versions."""
    agreed = json.loads((get_folder(DeadLetter) / "wrong-schema.json").read_text(encoding="utf-8"))

    record = LETTER.to_record(b"c/1", b"\xff")

    assert record.topic is Topic.DEAD_LETTERS
    assert record.headers == tuple((name, value.encode()) for name, value in agreed.items())


@strategies.repeatable
@given(strategies.dead_letters, st.none() | st.binary(), st.none() | st.binary())
def test_any_letter_is_read_as_written(letter: DeadLetter, key: bytes | None, value: bytes | None) -> None:
    """Writing and reading keeps every field, and the key and the value of the record."""
    record = letter.to_record(key, value)

    assert record.key == key
    assert record.value == value
    assert DeadLetter.from_headers(record.headers) == letter


@pytest.mark.parametrize(
    ("key", "value", "copied"),
    [
        (b"c1/7", b"x" * (MAX_COPIED_BYTES - 4), (b"c1/7", b"x" * (MAX_COPIED_BYTES - 4))),
        (b"c1/7", b"x" * (MAX_COPIED_BYTES - 3), (b"c1/7", None)),
        (b"k" * 1_001, b"x" * MAX_COPIED_BYTES, (None, None)),
        (b"k" * (MAX_COPIED_BYTES + 1), None, (None, None)),
    ],
    ids=["fits", "too large", "large key", "key alone"],
)
def test_large_record_is_not_copied(key: bytes, value: bytes | None, copied: tuple[bytes | None, bytes | None]) -> None:
    """Its dead letter points to it, and keeps a key that tells the person."""
    record = LETTER.to_record(key, value, (("ce_cause", b"resent"),))

    assert (record.key, record.value) == copied
    assert DeadLetter.from_headers(record.headers).is_copied == (copied[1] is not None)
    assert select_event_headers(record.headers) == (("ce_cause", b"resent"),)


def test_letter_keeps_the_event_headers() -> None:
    """A retry publishes the record with the send reason that it had."""
    event = to_record(make_change(), SendReason.RESENT)

    record = LETTER.to_record(event.key, event.value, select_event_headers(event.headers))

    assert DeadLetter.from_headers(record.headers) == LETTER
    assert select_event_headers(record.headers) == event.headers
    assert dict(event.headers).keys() == HEADERS.keys()


def test_foreign_headers_are_not_copied() -> None:
    """Only headers of the event go into its dead letter."""
    event = (("ce_cause", b"resent"), ("traceparent", b"\xff"))
    foreign = (("reply_to", b"x"), ("ce_later", b"1"), ("dl_reason", b"x"), ("ce_id", None), ("ce_type", b""))

    assert select_event_headers((*foreign, *event)) == event


def test_oversized_event_headers_are_not_copied() -> None:
    """Another program may have written huge headers, and a dead letter must fit into its topic."""
    assert select_event_headers((("ce_id", b"x" * MAX_HEADER_BYTES), ("ce_cause", b"resent"))) == ()


def test_letter_is_read_despite_foreign_headers() -> None:
    """Headers that another program added are ignored."""
    headers = (("x", None), ("dl_later", b"1"), ("ce_id", b"\xff"), *LETTER.to_record(None, None).headers)

    assert DeadLetter.from_headers(headers) == LETTER


def test_undecodable_header_value_stays_readable() -> None:
    """Invalid UTF-8 becomes the replacement character."""
    headers = dict(LETTER.to_record(None, None).headers) | {"dl_reason": b"bro\xffken"}

    assert DeadLetter.from_headers(tuple(headers.items())).reason == "bro�ken"


@pytest.mark.parametrize(
    "name", [f"dl_{name}" for name, field in DeadLetter.model_fields.items() if field.is_required()]
)
def test_record_without_a_required_header_is_not_a_letter(name: str) -> None:
    """Another program may write to the topic of dead letters."""
    headers = tuple((key, value) for key, value in LETTER.to_record(None, None).headers if key != name)

    with pytest.raises(ValidationError):
        DeadLetter.from_headers(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dl_topic", b"another.topic"),
        ("dl_topic", None),
        ("dl_partition", b"first"),
        ("dl_offset", None),
        ("dl_failed_at", b"2026-03-09T08:30:03"),
    ],
)
def test_invalid_header_is_rejected_without_quoting_it(name: str, value: bytes | None) -> None:
    """The error names the field; its content may be personal data."""
    headers: dict[str, bytes | None] = dict(LETTER.to_record(None, None).headers)
    headers[name] = value

    with pytest.raises(ValidationError) as raised:
        DeadLetter.from_headers(tuple(headers.items()))

    assert [problem["loc"] for problem in raised.value.errors()] == [(name.removeprefix("dl_"),)]
    assert (value or b"?").decode() not in str(raised.value)


# ------------------------------------------------------------ reasons


@pytest.mark.parametrize("reason", DeadLetterReason)
def test_every_reason_has_a_next_step(reason: DeadLetterReason) -> None:
    """The step is logged and listed; a letter takes it from its reason."""
    assert ": " in reason.next_step
    assert LETTER.model_copy(update={"reason": reason.value}).next_step == reason.next_step


def test_unknown_reason_asks_for_an_upgrade() -> None:
    """A newer version may have added a reason, and its letters must stay readable."""
    headers = dict(LETTER.to_record(None, None).headers) | {"dl_reason": b"invented-later"}

    letter = DeadLetter.from_headers(tuple(headers.items()))

    assert letter.reason == "invented-later"
    assert "upgrade" in letter.next_step


def test_every_reason_is_documented() -> None:
    """The description of the field lists the reasons, for readers of the topic."""
    description = DeadLetter.model_fields["reason"].description or ""

    assert [reason for reason in DeadLetterReason if f"`{reason}`" not in description] == []
