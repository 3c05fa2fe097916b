"""Events as Kafka records: CloudEvents 1.0 in binary content mode.

The CloudEvents attributes are the headers of the record, and the event is its value. This follows the CloudEvents Kafka
protocol binding 1.0.2 and W3C Trace Context. The same event with the same send reason always gives the same bytes.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, TypeVar

from pydantic import ValidationError

from services.contracts.dead_letters import DeadLetterReason
from services.contracts.events import Event
from services.contracts.records import Headers as Headers
from services.contracts.records import Record as Record
from services.errors import PermanentError

E = TypeVar("E", bound=Event)

CONTENT_TYPE = b"application/json"
"""Media type of the value of every event."""

HEADERS: dict[str, str] = {
    "ce_specversion": "Version of CloudEvents",
    "ce_id": "Id of the event, the same each time it is sent: connection, employee, revision and, once the change is "
    "mapped, the mapping version",
    "ce_source": "The service that the event comes from",
    "ce_type": "Kind and version of the event",
    "ce_subject": "The person that the event is about; equals the record key",
    "ce_time": "When the change was detected; in `AccountSynced`, when the change was settled",
    "ce_cause": "Why the event is sent",
    "content-type": "Media type of the value",
    "traceparent": "W3C Trace Context: one trace for all events that follow from one change of one person",
}
"""The headers of every event, and their meaning."""

MAX_CLOCK_ERROR = timedelta(hours=24)
"""The difference between two clocks that a reader of events accepts. A local time taken for UTC is wrong by up to 14 hours."""
MAX_HEADER_BYTES = 8_192
"""Maximum size in bytes of the event headers that a dead letter copies. The product's own headers are far smaller."""


class SendReason(StrEnum):
    """Why an event is sent. It is an extension attribute of the CloudEvent (`ce_cause`)."""

    DETECTED = "detected"
    """The poller detected a change."""
    RESENT = "resent"
    """The current snapshot is sent again: on request, or because something outside the employee's data has changed."""
    REPLAYED = "replayed"
    """A recorded event is sent again."""


class UnreadableRecordError(PermanentError):
    """The value of a record is not the event that its topic carries: the record becomes a dead letter."""

    code: ClassVar[str] = "unreadable-record"

    def __init__(self, reason: DeadLetterReason, fields: Sequence[str] = ()) -> None:
        """``fields`` are the names of the invalid fields, never their content."""
        super().__init__(f"{reason}: {', '.join(fields)}" if fields else reason.value)
        self.reason = reason
        self.fields = tuple(fields)


def to_record(event: Event, reason: SendReason = SendReason.DETECTED) -> Record:
    """Returns the record of an event: the same bytes each time, for the same send reason."""
    person, event_id = bytes(event.person), event.event_id
    span = hashlib.sha256(f"{event.ce_type}/{event_id}".encode()).hexdigest()[:16]
    return Record(
        topic=event.topic,
        key=person,
        value=event.model_dump_json().encode(),
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", event.ce_source.encode()),
            ("ce_type", event.ce_type.encode()),
            ("ce_subject", person),
            ("ce_time", event.occurred_at.isoformat().encode()),
            ("ce_cause", reason.value.encode()),
            ("content-type", CONTENT_TYPE),
            ("traceparent", f"00-{event.trace_id}-{span}-01".encode()),
        ),
    )


def read_event(model: type[E], value: bytes | None) -> E:
    """Returns the event in the value of a record. Raises ``UnreadableRecordError``, which never contains the value."""
    if not value:
        raise UnreadableRecordError(DeadLetterReason.EMPTY_VALUE)
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if any(problem["type"] == "json_invalid" for problem in problems):
            raise UnreadableRecordError(DeadLetterReason.NOT_JSON) from None
        # A nested name may be a key from the record, and so personal data: only the outermost name, a field, is kept.
        fields = dict.fromkeys(str(problem["loc"][0]) for problem in problems if problem["loc"])
        raise UnreadableRecordError(DeadLetterReason.WRONG_SCHEMA, tuple(fields)) from None


def ensure_possible_revision(event: Event, now: datetime) -> None:
    """Raises ``UnreadableRecordError`` for a revision further in the future than a clock can be wrong.

    A revision is a time in milliseconds. Accepted, one of next year would supersede all changes of the employee until then.
    """
    if event.revision > int((now + MAX_CLOCK_ERROR).timestamp() * 1000):
        raise UnreadableRecordError(DeadLetterReason.FUTURE_REVISION, ("revision",))


def find_event(model: type[E], value: bytes | None, now: datetime) -> E | None:
    """Returns the event in a recorded value; None for a tombstone, and for what its reader has made a dead letter."""
    try:
        event = read_event(model, value)
        ensure_possible_revision(event, now)
    except UnreadableRecordError:
        return None
    return event


_SEND_REASONS: dict[bytes | None, SendReason] = {reason.value.encode(): reason for reason in SendReason}


def parse_send_reason(headers: Sequence[tuple[str, bytes | None]]) -> SendReason:
    """Returns why a record was sent; ``DETECTED`` if the header is missing or has an unknown value."""
    for name, value in headers:
        if name == "ce_cause" and value in _SEND_REASONS:
            return _SEND_REASONS[value]
    return SendReason.DETECTED


def select_event_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Returns the event headers of a record unchanged. Its dead letter copies them, so that a retry keeps the send reason.

    Headers above ``MAX_HEADER_BYTES`` come from another program. The result is then empty.
    """
    selected = tuple((name, value) for name, value in headers if name in HEADERS and value)
    return selected if sum(len(name) + len(value) for name, value in selected) <= MAX_HEADER_BYTES else ()
