"""Which records a writer has in progress, so that the next writer looks before it repeats a request."""

from services.contracts.values import FrozenModel


class WorkRange(FrozenModel):
    """The records of one partition that a writer has in progress: it may have sent requests for them."""

    partition: int
    """The partition of the topic of requests."""
    first_offset: int
    """Offset of the first record."""
    last_offset: int
    """Offset of the last record."""
    timestamp_ms: int
    """Kafka's latest timestamp of a record, in milliseconds. A new log has later timestamps at the same offsets."""

    def contains(self, offset: int, timestamp_ms: int) -> bool:
        """Returns whether a record of the partition lies in this range."""
        return self.first_offset <= offset and self.reaches(offset, timestamp_ms)

    def reaches(self, offset: int, timestamp_ms: int) -> bool:
        """Returns whether a record of the partition lies in this range or before it."""
        return offset <= self.last_offset and timestamp_ms <= self.timestamp_ms
