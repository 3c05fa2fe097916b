"""A Kafka record that is to be published."""

from typing import NamedTuple, TypeAlias

from services.contracts.topics import Topic

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
"""Names and values of a record's headers, in their order."""


class Record(NamedTuple):
    """One record to publish."""

    topic: Topic
    """The topic, without the prefix that ``KAFKA_TOPIC_PREFIX`` adds."""
    key: bytes | None
    """The key; None if the record has no key."""
    value: bytes | None
    """The value; None if the record has no value."""
    headers: Headers = ()
    """The headers."""
