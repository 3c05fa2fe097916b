"""Dead letters: records that cannot be read, why, and what an operator can do."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import AwareDatetime

from services.contracts.records import Headers, Record
from services.contracts.topics import Topic
from services.contracts.values import FrozenModel

_UNKNOWN_REASON = "a newer version wrote this dead letter: upgrade"
"""The next step for a reason that this version does not know."""


class DeadLetterReason(StrEnum):
    """Why a record is a dead letter."""

    EMPTY_VALUE = "empty-value"
    """The record has no value."""
    NOT_JSON = "not-json"
    """The value is not JSON."""
    WRONG_SCHEMA = "wrong-schema"
    """The value does not have the schema of the event."""
    FUTURE_REVISION = "future-revision"
    """The revision is further in the future than a clock can be wrong."""
    FUTURE_MAPPING = "future-mapping"
    """The mapping version is above each version that was published."""
    UNKNOWN_CONNECTION = "unknown-connection"
    """The connection is not in MongoDB."""
    TOO_LARGE = "too-large"
    """The record, or the record that results from it, is oversized."""
    HEADER_NO_TEXT = "header-no-text"
    """The name of a header is not UTF-8."""

    @property
    def next_step(self) -> str:
        """What is wrong and what an operator can do."""
        return _NEXT_STEPS[self]


_NEXT_STEPS: dict[DeadLetterReason, str] = {
    DeadLetterReason.EMPTY_VALUE: "the record has no value: find the program that writes empty records to the topic",
    DeadLetterReason.NOT_JSON: (
        "the record is not an event: find the program that writes to the topic; "
        "if it was a damaged event, `resync` its employee"
    ),
    DeadLetterReason.WRONG_SCHEMA: "another version wrote the event: upgrade this service, then `dead-letters retry`",
    DeadLetterReason.FUTURE_REVISION: (
        "the event is from the future, so a program forged it or a clock is wrong: compare the clocks of all services; "
        "if this service's clock was behind, `dead-letters retry`"
    ),
    DeadLetterReason.FUTURE_MAPPING: (
        "the request has a mapping version that was never published, so a program forged it or an older MongoDB was "
        "restored: `resync` its employee"
    ),
    DeadLetterReason.UNKNOWN_CONNECTION: (
        "the connection is not in MongoDB: restore it from a backup, then `dead-letters retry`"
    ),
    DeadLetterReason.TOO_LARGE: "the resulting record is too large for Kafka: shorten the employee's data in Personio",
    DeadLetterReason.HEADER_NO_TEXT: (
        "the name of a header is not text, so the record cannot be read: find the program that writes to the topic"
    ),
}


MAX_COPIED_BYTES = 100_000
"""Maximum size in bytes of the key and the value that a dead letter copies. Larger records are rarely worth a second copy, and many
of them would fill the topic."""
MAX_COPIED_KEY_BYTES = 1_000
"""Maximum size in bytes of the key that the dead letter of a larger record copies. It tells which person the record is about."""


class DeadLetter(FrozenModel):
    """Position of an unreadable record, and why it is unreadable.

    These fields are headers of the dead letter, beside the event headers of the original record. The key and the value
    are those of the original record, byte for byte. A record of more than 100,000 bytes is not copied: its dead letter has
    no value, and no key of more than 1,000 bytes. The record stays where the headers say until Kafka deletes it.
    """

    service: str
    """The service that could not read the record."""
    reason: str
    """Why: `empty-value`, `not-json`, `wrong-schema`, `future-revision`, `future-mapping`, `unknown-connection`,
    `too-large` or `header-no-text`."""
    fields: str = ""
    """Names of the fields that do not fit the schema, separated by commas; never their content."""
    topic: Topic
    """Topic of the record, without the prefix that `KAFKA_TOPIC_PREFIX` adds. A retry publishes the record there."""
    partition: int
    """Partition of that topic."""
    offset: int
    """Offset in that partition."""
    timestamp_ms: int
    """Kafka's timestamp of the record in milliseconds; with reason `header-no-text`, the time of its detection."""
    failed_at: AwareDatetime
    """When the service could not read the record."""
    is_copied: bool = True
    """Whether the dead letter has the content of the record: `false` for a large record, and with reason `header-no-text`."""

    @property
    def next_step(self) -> str:
        """What is wrong and what an operator can do. A newer version may have written an unknown reason."""
        try:
            return DeadLetterReason(self.reason).next_step
        except ValueError:
            return _UNKNOWN_REASON

    def to_record(self, key: bytes | None, value: bytes | None, event_headers: Headers = ()) -> Record:
        """Returns the record of the dead letter, with key, value and event headers of the original record.

        Of a large record, it has the event headers, a short key, and no value.
        """
        letter = self
        if len(key or b"") + len(value or b"") > MAX_COPIED_BYTES:
            letter, value = self.model_copy(update={"is_copied": False}), None
            key = key if len(key or b"") <= MAX_COPIED_KEY_BYTES else None
        fields = letter.model_dump(mode="json").items()
        headers = tuple((f"dl_{name}", _to_text(field).encode()) for name, field in fields)
        return Record(Topic.DEAD_LETTERS, key, value, (*headers, *event_headers))

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[str, bytes | None]]) -> "DeadLetter":
        """Returns the dead letter that ``to_record`` wrote. Raises ``pydantic.ValidationError`` for other headers."""
        fields = {
            name[3:]: (value or b"").decode(errors="replace") for name, value in headers if name.startswith("dl_")
        }
        return cls.model_validate(fields)


def _to_text(field: object) -> str:
    return str(field).lower() if isinstance(field, bool) else str(field)
