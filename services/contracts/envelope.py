"""CloudEvents 1.0 in Kafka's binary content mode: attributes in headers, the event in the value.

Follows the CloudEvents Kafka protocol binding 1.0.2 and W3C Trace Context. What is made here depends on the event and
its cause alone, so that the same event sent twice is the same record, byte for byte.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias, TypeVar

from pydantic import AwareDatetime, ValidationError

from services.contracts.events import Event
from services.contracts.model import Frozen
from services.contracts.topics import Topic
from services.errors import PermanentError

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

E = TypeVar("E", bound=Event)

CONTENT_TYPE = b"application/json"

HEADERS: dict[str, str] = {
    "ce_specversion": "Version of CloudEvents",
    "ce_id": "The event's id, the same whenever it is sent again: connection, employee, revision and, once the change "
    "has met a mapping, the mapping's version",
    "ce_source": "Which part of the product the event comes from",
    "ce_type": "Kind and version of the event",
    "ce_subject": "Whom it is about; the same as the key",
    "ce_time": "When what it tells of happened",
    "ce_cause": "Why it is sent",
    "content-type": "Media type of the value",
    "traceparent": "W3C Trace Context: one trace for everything that follows from one change of one person",
}
"""The headers of every event, and their meaning."""


class Cause(StrEnum):
    """Why an event is sent; an extension attribute of the envelope (`ce_cause`)."""

    DETECTED = "detected"
    """The poller has seen a change."""
    RESENT = "resent"
    """The current snapshot is sent again, on request or because something outside the person has changed."""
    REPLAYED = "replayed"
    """A recorded event is sent again."""


class Record(NamedTuple):
    """One record to be produced. ``topic`` is without the prefix."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class UnreadableRecordError(PermanentError):
    """A record's value is not the event that its topic carries: it becomes a dead letter.

    ``fields`` names the places that do not fit, never their content.
    """

    def __init__(self, reason: str, fields: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {', '.join(fields)}" if fields else reason)
        self.reason = reason
        self.fields = tuple(fields)


def to_record(event: Event, cause: Cause = Cause.DETECTED) -> Record:
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
            ("ce_cause", cause.value.encode()),
            ("content-type", CONTENT_TYPE),
            ("traceparent", f"00-{event.trace_id}-{span}-01".encode()),
        ),
    )


def read_event(model: type[E], value: bytes | None) -> E:
    """The event in a record's value; raises ``UnreadableRecordError``, which never quotes the value."""
    if not value:
        raise UnreadableRecordError("empty-value")
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if any(problem["type"] == "json_invalid" for problem in problems):
            raise UnreadableRecordError("not-json") from None
        # the outermost name alone: it is one of ours, what lies deeper may be a key of the sender's
        fields = dict.fromkeys(str(problem["loc"][0]) for problem in problems if problem["loc"])
        raise UnreadableRecordError("wrong-schema", tuple(fields)) from None


_CAUSES: dict[bytes | None, Cause] = {cause.value.encode(): cause for cause in Cause}


def cause_of(headers: Sequence[tuple[str, bytes | None]]) -> Cause:
    """The cause a record was sent for; a record without one, or with one we do not know, was detected."""
    for name, value in headers:
        if name == "ce_cause" and value in _CAUSES:
            return _CAUSES[value]
    return Cause.DETECTED


WHAT_TO_DO: dict[str, str] = {
    "empty-value": "nothing is in it: find out who writes empty records to the topic",
    "not-json": "it is no event: find out who writes to the topic; if it was one, send its person again with `resync`",
    "wrong-schema": "another version has written it: upgrade this service, then `dead-letters retry`",
    "unknown-connection": "its connection is not in MongoDB: restore it from a backup, then `dead-letters retry`",
    "too-large": "Kafka does not take what follows from it: shorten the person's data in Personio",
    "header-no-text": "the name of a header is no text, so nobody can read it: find out who writes to the topic",
}
"""The reasons why a record becomes a dead letter, and what an operator can do about each."""


MOST_HEADER_BYTES = 8_192
"""Headers of ours are far smaller; of a record that somebody else has loaded with more, a dead letter keeps none."""


def envelope_of(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """The headers of the event among a record's, as they came: without them nobody knows why it was sent."""
    found = tuple((name, value) for name, value in headers if name in HEADERS and value)
    return found if sum(len(name) + len(value) for name, value in found) <= MOST_HEADER_BYTES else ()


class DeadLetter(Frozen):
    """Where an unreadable record was, and why: the headers of its dead letter, beside those of the original.

    Its key and value are the original's, byte for byte. What the topic of dead letters cannot hold has neither.
    """

    service: str
    """Which service could not read the record."""
    reason: str
    """What is wrong: `empty-value`, `not-json`, `wrong-schema`, `unknown-connection`, `too-large` or
    `header-no-text`."""
    fields: str = ""
    """Names of the fields that do not fit the schema, separated by commas; never their content."""
    topic: Topic
    """Where the record was, without the prefix that `KAFKA_TOPIC_PREFIX` puts before it; a retry sends it there."""
    partition: int
    """Partition of that topic."""
    offset: int
    """Offset in that partition."""
    timestamp_ms: int
    """Kafka's timestamp of the record, in milliseconds; of one that nobody can read, when it was found."""
    failed_at: AwareDatetime
    """When the service gave it up."""

    @property
    def what_to_do(self) -> str:
        return WHAT_TO_DO.get(self.reason, "a newer version has written this letter: upgrade")

    def to_record(self, key: bytes | None, value: bytes | None, envelope: Headers = ()) -> Record:
        headers = tuple((f"dl_{name}", str(field).encode()) for name, field in self.model_dump(mode="json").items())
        return Record(Topic.DEAD_LETTERS, key, value, (*headers, *envelope))

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[str, bytes | None]]) -> "DeadLetter":
        """The reverse of ``to_record``; raises ``pydantic.ValidationError`` for headers of another kind."""
        found = {name[3:]: (value or b"").decode(errors="replace") for name, value in headers if name.startswith("dl_")}
        return cls.model_validate(found)
