"""Whether a consumer makes progress."""

from services.runtime.clock import Clock


class Liveness:
    """The last fetch, the last finished batch and the batch in progress of one consumer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched_at = self._finished_at = clock.monotonic()
        self.in_progress = 0
        """Records of the batch in progress; 0 between two batches."""

    def record_fetch(self) -> None:
        """Records that Kafka has answered a fetch, with or without records."""
        self._fetched_at = self._clock.monotonic()

    def begin(self, records: int) -> None:
        """Records the start of a batch of that many records."""
        self.in_progress = records

    def finish(self) -> None:
        """Records that the batch is committed."""
        self._finished_at = self._fetched_at = self._clock.monotonic()
        self.in_progress = 0

    def give_back(self) -> None:
        """Records that the batch has failed and will be read again."""
        self.in_progress = 0
        self._fetched_at = self._clock.monotonic()

    def find_stall(self, unread: int, allowed_seconds: float) -> str | None:
        """Returns what has not happened for longer than ``allowed_seconds``, or None.

        ``unread`` is the number of records in Kafka that are not read yet.
        """
        now = self._clock.monotonic()
        if not self.in_progress and now - self._fetched_at > allowed_seconds:
            return f"no records could be read for {now - self._fetched_at:.0f} s"
        if not self.in_progress and not unread:
            self._finished_at = now
        if now - self._finished_at > allowed_seconds:
            return f"no batch finished for {now - self._finished_at:.0f} s although {unread + self.in_progress} records wait"
        return None
