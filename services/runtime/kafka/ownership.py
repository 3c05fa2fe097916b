"""Whether records still belong to this member of the consumer group, and how far they are settled."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ClassVar, Protocol

from services.errors import ConnectorError
from services.runtime.kafka.offsets import Window


class PartitionsMovedError(ConnectorError):
    """Another member may be processing these records: no further result of them may be sent.

    Neither transient nor permanent, so that code for those errors does not take it for the failure of one person.
    """

    code: ClassVar[str] = "partitions-moved"


class Located(Protocol):
    """A record with its place in the topic."""

    @property
    def partition(self) -> int:
        """The partition."""
        ...

    @property
    def offset(self) -> int:
        """The offset in the partition."""
        ...


class Ownership:
    """The right to the records of one assignment of partitions. Once it is over, it stays over, even if the partitions come back."""

    def __init__(self, is_confirmed: Callable[[], bool], on_settled: Callable[[], None] = lambda: None) -> None:
        """``is_confirmed`` tells whether the group has confirmed the member within the session timeout.

        ``on_settled`` is called after records were settled.
        """
        self._is_confirmed = is_confirmed
        self._on_settled = on_settled
        self._windows: dict[int, Window] = {}
        self._is_over = False
        self.is_ending = False
        """Whether the partitions are about to move: work in progress is finished, and none is started."""

    @property
    def has_moved(self) -> bool:
        """Whether the records no longer belong to this member."""
        return self._is_over

    @property
    def open(self) -> int:
        """The number of records that were handed out and are not settled."""
        return sum(window.open for window in self._windows.values())

    def end(self) -> None:
        """Ends the right to the records. What is settled afterwards is not committed."""
        self._is_over = self.is_ending = True

    def ensure_owned(self) -> None:
        """Raises ``PartitionsMovedError`` once another member may own the records."""
        if self._is_over:
            raise PartitionsMovedError("partitions moved after the records were read: another member reads them")
        if not self._is_confirmed():
            self.end()
            raise PartitionsMovedError("the group has not confirmed this member in time: the records are read again")

    def hand_out(self, partition: int, offsets: Collection[int]) -> None:
        """Notes records that are handed out, in the order of their offsets."""
        if offsets:
            self._windows.setdefault(partition, Window(min(offsets))).hand_out(offsets)

    def settle(self, records: Iterable[Located]) -> None:
        """Notes that records need nothing more: they are settled, wait in the ledger, or are dead letters."""
        if self._is_over:
            return
        for record in records:
            self._windows[record.partition].settle(record.offset)
        self._on_settled()

    def skip(self, partition: int, offset: int) -> None:
        """Notes a record that cannot be fetched: it needs nothing more."""
        if not self._is_over:
            self.hand_out(partition, [offset])
            self._windows[partition].settle(offset)
            self._on_settled()

    def get_positions(self) -> dict[int, int]:
        """Returns for each partition with records the offset at which a restart begins."""
        return {partition: window.next_commit for partition, window in self._windows.items()}

    def is_overtaken(self, partition: int, stored: int | None) -> bool:
        """Returns whether another member has committed records of a partition. ``stored`` is the offset that Kafka has."""
        return partition in self._windows and self._windows[partition].is_overtaken(stored)

    def find_uncommitted(self) -> dict[int, int]:
        """Returns the positions that Kafka has not stored yet."""
        return {
            partition: window.next_commit
            for partition, window in self._windows.items()
            if window.next_commit != window.committed
        }

    def note_sent(self, positions: Mapping[int, int]) -> None:
        """Notes positions before they are sent to Kafka, which may store them without an answer."""
        for partition, position in positions.items():
            if partition in self._windows:
                self._windows[partition].sent = position

    def note_committed(self, positions: Mapping[int, int]) -> None:
        """Notes that Kafka has stored these positions."""
        for partition, position in positions.items():
            if partition in self._windows:
                self._windows[partition].committed = position
