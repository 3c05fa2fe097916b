"""Records in progress: each writer learns which records an earlier one may have sent requests for."""

import asyncio

import pytest

from services.contracts.work_ranges import WorkRange
from services.store.database import Store


def make_range(partition: int, first: int, last: int, timestamp: int = 0) -> WorkRange:
    """Returns a range of records. Without a timestamp, each record is one second later than the record before."""
    return WorkRange(
        partition=partition, first_offset=first, last_offset=last, timestamp_ms=timestamp or (last + 1) * 1_000
    )


async def test_first_range_of_a_partition_has_no_predecessor(store: Store) -> None:
    """No writer was there before."""
    assert await store.work_ranges.begin([make_range(0, 1, 5), make_range(1, 7, 9)]) == {}
    assert await store.work_ranges.begin([]) == {}


async def test_next_writer_gets_the_stored_range(store: Store) -> None:
    """The range is returned as stored, and those of other partitions stay."""
    before = [make_range(0, 0, 5), make_range(1, 2**40, 2**40 + 9, 2**41)]
    await store.work_ranges.begin(before)

    stored = await store.work_ranges.begin([make_range(0, 6, 9), make_range(2, 0, 1)])

    assert stored == {0: before[0]}
    assert await store.work_ranges.begin([make_range(0, 10, 11), before[1]]) == {0: make_range(0, 6, 9), 1: before[1]}


async def test_shorter_range_keeps_the_end_of_a_stored_one(store: Store) -> None:
    """A predecessor may have sent requests for records that the next writer takes in a later batch."""
    await store.work_ranges.begin([make_range(0, 10, 50)])
    await store.work_ranges.begin([make_range(0, 10, 30)])

    stored = await store.work_ranges.begin([make_range(0, 31, 50)])

    assert stored == {0: make_range(0, 10, 50)}
    assert stored[0].contains(50, 51_000)


async def test_range_behind_the_stored_one_replaces_it(store: Store) -> None:
    """All records of the stored one are settled: a later writer need not suspect them."""
    await store.work_ranges.begin([make_range(0, 10, 50)])
    await store.work_ranges.begin([make_range(0, 51, 60)])

    assert await store.work_ranges.begin([make_range(0, 61, 61)]) == {0: make_range(0, 51, 60)}


@pytest.mark.parametrize("late", [make_range(0, 1, 1), make_range(0, 1, 12), make_range(0, 11, 11)])
async def test_range_of_a_suspended_writer_hides_none_of_the_owner(store: Store, late: WorkRange) -> None:
    """A writer that was removed may store its range after that of the new owner: the next one must know both."""
    owner = make_range(0, 10, 14)
    await store.work_ranges.begin([owner])
    await store.work_ranges.begin([late])

    stored = await store.work_ranges.begin([make_range(0, 10, 10)])

    assert all(stored[0].contains(offset, (offset + 1) * 1_000) for offset in range(10, 15))


async def test_ranges_that_are_stored_at_once_hide_none(store: Store) -> None:
    """Each writer reads before the other one writes."""
    ranges = [make_range(0, first, first + 3) for first in (0, 2, 4, 6)]
    await asyncio.gather(*(store.work_ranges.begin([work]) for work in ranges))

    stored = await store.work_ranges.begin([make_range(0, 0, 0)])

    assert stored[0].last_offset == 9


async def test_latest_time_of_a_range_is_kept(store: Store) -> None:
    """Mappers with different clocks: a record may have a later time than those behind it."""
    await store.work_ranges.begin([make_range(0, 0, 2, timestamp=9_000)])
    await store.work_ranges.begin([make_range(0, 0, 5, timestamp=7_000)])

    assert (await store.work_ranges.begin([make_range(0, 0, 0)]))[0].contains(2, 9_000)


async def test_range_of_a_new_log_replaces_that_of_a_lost_one(store: Store) -> None:
    """After a loss of Kafka's data the offsets start again, with later records."""
    await store.work_ranges.begin([make_range(0, 0, 50)])
    fresh = make_range(0, 0, 9, timestamp=900_000)
    await store.work_ranges.begin([fresh])

    stored = await store.work_ranges.begin([make_range(0, 10, 19, timestamp=901_000)])

    assert stored == {0: fresh}
