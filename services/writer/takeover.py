"""What an earlier writer had in progress of the records of a partition: it may have sent requests that it did not note."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.contracts.ids import PersonKey
from services.contracts.work_ranges import WorkRange
from services.writer.people import Request
from services.writer.ports import WorkRanges


class Takeover:
    """What earlier writers had in progress in the partitions of one ownership, and what this one repeats after a failure."""

    def __init__(self, earlier: Mapping[int, WorkRange] | None = None) -> None:
        """``earlier`` are the ranges that are stored of the partitions."""
        self._earlier = dict(earlier or {})
        self._last: dict[int, int] = {}
        """The last record of each partition that was read."""
        self._newest: dict[tuple[int, PersonKey], int] = {}
        """The last record of each person that was read, of those in an earlier range or before it."""
        self._repeated: set[tuple[int, int]] = set()

    async def begin(self, ranges: WorkRanges, records: Sequence[Request], positions: Mapping[int, int]) -> None:
        """Notes in MongoDB that records are in progress, before any request is sent for them.

        ``positions`` are the offsets of the first records that are not settled.
        """
        self._repeated = {(number, offset) for number, offset in self._repeated if offset >= positions.get(number, 0)}
        stored = await ranges.begin(build_ranges(records, positions))
        # a range that is stored later is that of this writer
        self._earlier |= {partition: work for partition, work in stored.items() if partition not in self._last}
        for record in records:
            self._last[record.partition] = max(record.offset, self._last.get(record.partition, record.offset))
            work = self._earlier.get(record.partition)
            if work is not None and work.reaches(record.offset, record.timestamp_ms):
                self._newest[record.partition, record.event.person] = record.offset

    def note_repeated(self, records: Iterable[Request]) -> None:
        """Notes that the work on records has failed: requests may have been sent for them."""
        self._repeated |= {(record.partition, record.offset) for record in records}

    def is_suspect(self, record: Request) -> bool:
        """Returns whether requests may have been sent for the record that are not noted."""
        if (record.partition, record.offset) in self._repeated:
            return True
        work = self._earlier.get(record.partition)
        return work is not None and work.contains(record.offset, record.timestamp_ms)

    def is_cut(self, records: Iterable[Request]) -> bool:
        """Returns whether the earlier writer may have sent a newer change of an employee than these, which are all of theirs
        in a batch.

        Its record is not read yet, or waits for its turn: none of these may be sent after it.
        """
        newest = {record.partition: record for record in sorted(records, key=lambda record: record.offset)}
        return any(self._is_newer_in_progress(record) for record in newest.values())

    def _is_newer_in_progress(self, record: Request) -> bool:
        partition, offset = record.partition, record.offset
        work = self._earlier.get(partition)
        if work is None or not work.reaches(offset, record.timestamp_ms):
            return False
        if work.last_offset > self._last.get(partition, offset):
            return True
        return self._newest.get((partition, record.event.person), offset) > offset


def build_ranges(records: Iterable[Request], positions: Mapping[int, int]) -> list[WorkRange]:
    """Returns for each partition the range from its position to the last of these records."""
    partitions: dict[int, list[Request]] = defaultdict(list)
    for record in records:
        partitions[record.partition].append(record)
    return [
        WorkRange(
            partition=partition,
            first_offset=min(positions.get(partition, members[0].offset), members[0].offset),
            last_offset=members[-1].offset,
            timestamp_ms=max(record.timestamp_ms for record in members),
        )
        for partition, members in partitions.items()
    ]
