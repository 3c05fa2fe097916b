"""The records of one connection that wait for their turn, and the people that are in progress."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile

from services.contracts.ids import PersonKey
from services.runtime.kafka.ownership import Ownership
from services.writer.people import Request
from services.writer.takeover import Takeover

MAX_BATCHES = 3
"""Number of batches of one connection that are in progress at the same time, so that none waits for a slow account in another."""


RECORD_BYTES = 10_000
"""Size in bytes for which a lane has room for each record. A larger record takes the room of several."""


def weigh(records: Iterable[Request]) -> int:
    """Returns the room that records take in a lane, as a number of records of usual size."""
    return sum(1 + len(record.value or b"") // RECORD_BYTES for record in records)


def count_fitting(records: Iterable[Request], room: int) -> int:
    """Returns how many of the records, from the first one on, fit into the room."""
    ends = accumulate(weigh([record]) for record in records)
    return sum(1 for _ in takewhile(lambda end: end <= room, ends))


class Lane:
    """The queue of one connection. A person is in one batch at a time, so that their records stay in order."""

    def __init__(self, ownership: Ownership, takeover: Takeover, batch_records: int) -> None:
        """All records of the lane belong to ``ownership``. ``batch_records`` limits a batch."""
        self.ownership = ownership
        self.takeover = takeover
        self._batch_records = batch_records
        self._queue: deque[Request] = deque()
        self._people: set[PersonKey] = set()
        self._size = 0
        self._batches = 0

    @property
    def size(self) -> int:
        """The room that the records take, those in progress included."""
        return self._size

    def add(self, records: Iterable[Request]) -> None:
        """Adds records at the end of the queue."""
        added = tuple(records)
        self._queue.extend(added)
        self._size += weigh(added)

    def clear(self) -> None:
        """Forgets the records that are not in progress."""
        self._size -= weigh(self._queue)
        self._queue.clear()

    def take(self) -> Sequence[Request]:
        """Returns the records of the next batch; none if enough batches are in progress or nothing can begin."""
        if self._batches >= MAX_BATCHES:
            return ()
        taken: list[Request] = []
        left: deque[Request] = deque()
        while self._queue and len(taken) < self._batch_records:
            record = self._queue.popleft()
            (left if record.event.person in self._people else taken).append(record)
        self._queue.extendleft(reversed(left))
        if taken:
            self._people |= {record.event.person for record in taken}
            self._batches += 1
        return taken

    def put_back(self, records: Sequence[Request]) -> None:
        """Ends a batch: the next records of its people may begin."""
        self._people -= {record.event.person for record in records}
        self._size -= weigh(records)
        self._batches -= 1
