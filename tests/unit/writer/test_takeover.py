"""What an earlier writer had in progress: an older change is not sent after a newer one that it may have sent."""

import pytest

from services.writer.takeover import Takeover
from tests.support.builders import make_incoming, make_request
from tests.support.fake_store import FakeWorkRanges

RECORDS = [make_incoming(make_request(employee), offset) for offset, employee in enumerate("1213142")]
OLDEST, NEWEST = RECORDS[0], RECORDS[4]
"""Those of employee 1."""


async def take_over(first: int, last: int) -> tuple[Takeover, FakeWorkRanges]:
    """Returns a takeover of a writer that had these records in progress."""
    ranges = FakeWorkRanges()
    await Takeover().begin(ranges, RECORDS[first : last + 1], {})
    return Takeover(), ranges


@pytest.mark.parametrize("first", [0, 2, 4])
async def test_older_change_is_cut_until_the_range_is_read(first: int) -> None:
    """The earlier writer may have settled the older one, without a commit, and begun the newer one."""
    takeover, ranges = await take_over(first, 5)

    await takeover.begin(ranges, RECORDS[:2], {})

    assert takeover.is_cut([OLDEST])
    assert takeover.is_suspect(OLDEST) is (first == 0)


@pytest.mark.parametrize("first", [0, 2, 4])
async def test_older_change_is_cut_while_the_newer_waits_for_its_turn(first: int) -> None:
    """The newer one is read, but is not in the batch of the older one: an employee is in one batch at a time."""
    takeover, ranges = await take_over(first, 5)

    await takeover.begin(ranges, RECORDS[:2], {})
    await takeover.begin(ranges, RECORDS[2:], {})

    assert takeover.is_cut([OLDEST])
    assert takeover.is_cut([RECORDS[2]])
    assert not takeover.is_cut([OLDEST, RECORDS[2], NEWEST])
    assert not takeover.is_cut([NEWEST, OLDEST])


async def test_only_change_of_an_employee_is_not_cut_after_the_range() -> None:
    """Those of other employees do not matter, nor those behind the range."""
    takeover, ranges = await take_over(0, 5)

    await takeover.begin(ranges, RECORDS, {})

    assert not takeover.is_cut([RECORDS[3]])
    assert not takeover.is_cut([RECORDS[6]])


async def test_nothing_is_cut_without_an_earlier_writer() -> None:
    """A newer change that no writer has begun is sent after the older one."""
    takeover = Takeover()

    await takeover.begin(FakeWorkRanges(), RECORDS[:2], {})
    await takeover.begin(FakeWorkRanges(), RECORDS[2:], {})

    assert not takeover.is_cut([OLDEST])


async def test_repeated_record_is_forgotten_once_it_is_settled() -> None:
    """A writer may own its partitions for weeks."""
    takeover = Takeover()
    await takeover.begin(FakeWorkRanges(), RECORDS[:2], {0: 0})
    takeover.note_repeated(RECORDS[:2])

    await takeover.begin(FakeWorkRanges(), RECORDS[2:], {0: 1})

    assert [takeover.is_suspect(record) for record in RECORDS[:3]] == [False, True, False]


async def test_range_that_was_read_remembers_no_further_employees() -> None:
    """The employees behind the range need no memory."""
    takeover, ranges = await take_over(0, 3)

    await takeover.begin(ranges, RECORDS, {})

    assert len(takeover._newest) == 3
