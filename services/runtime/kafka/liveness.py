"""Whether a consumer makes progress."""

from collections.abc import Collection

from aiokafka import TopicPartition

from services.runtime.clock import Clock


class Liveness:
    """The last fetch and the last settled record of one consumer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched_at = self._settled_at = clock.monotonic()
        self._failing: list[int] = []
        self.full_until = 0.0
        """Until when (seconds since 1970) fetched records had to wait for room: no others were asked for."""

    def record_fetch(self, failing: Collection[TopicPartition] = ()) -> None:
        """Records that a fetch has ended, with or without records. ``failing`` are the partitions that cannot be read."""
        self._fetched_at = self._clock.monotonic()
        self._failing = sorted(partition.partition for partition in failing)

    def record_full(self) -> None:
        """Records that no record may be taken now."""
        self.full_until = self._clock.now().timestamp()

    def record_settled(self) -> None:
        """Records that records were settled."""
        self._settled_at = self._clock.monotonic()

    def find_stall(self, remaining: int, allowed_seconds: float) -> str | None:
        """Returns what has not happened for longer than ``allowed_seconds``, or None.

        ``remaining`` is the number of records that are not settled.
        """
        now = self._clock.monotonic()
        if self._failing:
            return f"partition {self._failing[0]} cannot be read: see the log"
        if now - self._fetched_at > allowed_seconds:
            return f"no records could be read for {now - self._fetched_at:.0f} s"
        if not remaining:
            self._settled_at = now
        if now - self._settled_at > allowed_seconds:
            return f"no record was settled for {now - self._settled_at:.0f} s although {remaining} records wait"
        return None
