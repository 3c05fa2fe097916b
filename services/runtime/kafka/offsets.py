"""How far the records of one partition are settled: Kafka may commit up to the first one that is not."""

from collections import deque
from collections.abc import Iterable


class Window:
    """The records of one partition that were handed out, from the first one that is not settled.

    Records are settled in any order. A restart begins at ``next_commit``, so that no unsettled record is passed over.
    """

    def __init__(self, start: int) -> None:
        """``start`` is the offset of the first record."""
        self._handed_out: deque[int] = deque()
        self._settled: set[int] = set()
        self._end = start
        self.committed: int | None = None
        """The offset that Kafka has stored for this window; None if it has stored none."""
        self.sent = start
        """The last offset that was sent to Kafka. It may be stored even without an answer."""

    @property
    def next_commit(self) -> int:
        """The offset of the first record that is not settled, or of the next one that Kafka will have."""
        return self._handed_out[0] if self._handed_out else self._end

    def is_overtaken(self, stored: int | None) -> bool:
        """Returns whether another member has committed records. ``stored`` is the offset that Kafka has; None if it has none."""
        return stored is not None and stored > max(self.sent, self.committed or 0)

    @property
    def open(self) -> int:
        """The number of records that are not settled."""
        return len(self._handed_out) - len(self._settled)

    def hand_out(self, offsets: Iterable[int]) -> None:
        """Adds records, in the order of their offsets."""
        for offset in offsets:
            self._handed_out.append(offset)
            self._end = offset + 1

    def settle(self, offset: int) -> None:
        """Notes that a record needs nothing more. Does nothing for a record that was settled before."""
        if not self._handed_out or offset < self._handed_out[0]:
            return
        self._settled.add(offset)
        while self._handed_out and self._handed_out[0] in self._settled:
            self._settled.discard(self._handed_out.popleft())
