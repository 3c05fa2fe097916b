"""Whether a consumer says that it is ready, and ends its process when it can never read again."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import UnsupportedCodecError

from services.contracts.envelope import Record
from services.contracts.events import EmployeeChanged
from services.errors import TransientError
from services.runtime.consumer import UNEXPECTED_IN_A_ROW, Batch
from services.runtime.fetching import Fetching
from tests.kafka.stage import Member, Seen, ShortPauses, Stage, until

pytestmark = pytest.mark.kafka

LONG, SHORT = 60.0, 0.2


class Stuck(Seen):
    def __init__(self) -> None:
        super().__init__()
        self.began, self.gate = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.began.set()
        await self.gate.wait()
        return await super().__call__(batch)


async def becomes(member: Member, pattern: str, stalled_after: float = SHORT) -> None:
    async with asyncio.timeout(30):
        while not re.search(pattern, await member.consumption.ready(stalled_after) or ""):  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.01)


async def test_before_the_start_it_is_not_ready(stage: Stage) -> None:
    assert await stage.member(Seen()).consumption.ready(LONG) == "has not joined its consumer group yet"


async def test_idle_and_working_it_is_ready_and_tells_its_lag(stage: Stage) -> None:
    seen = Stuck()
    async with stage.running(seen, max_records=2) as member:
        assert await member.consumption.ready(LONG) is None
        assert member.count("sync_lag_records") == 0
        await stage.produce_events(range(5))
        await seen.began.wait()
        await until_lag(member, 5)
        seen.gate.set()
        await stage.committed_all(5)
        await until_lag(member, 0)


async def until_lag(member: Member, records: int) -> None:
    async with asyncio.timeout(30):
        while member.count("sync_lag_records") != records:
            assert await member.consumption.ready(LONG) is None
            await asyncio.sleep(0.01)


async def test_one_replica_more_than_partitions_is_ready_without_any(stage: Stage) -> None:
    async with stage.running(Seen()), stage.running(Seen()) as second:
        assert await second.consumption.ready(LONG) is None


async def test_a_stuck_handler_is_not_ready_even_when_nothing_waits_behind_it(stage: Stage) -> None:
    seen = Stuck()
    await stage.produce_events(range(3))
    async with stage.running(seen) as member:
        await seen.began.wait()
        await becomes(member, r"no batch finished for \d+ s although 3 records wait")
        seen.gate.set()
        await stage.committed_all(3)
        assert await member.consumption.ready(LONG) is None


async def test_a_batch_that_fails_again_and_again_is_not_ready(stage: Stage) -> None:
    async def failing(_: Batch[EmployeeChanged]) -> Sequence[Record]:
        raise TransientError("MongoDB is away")

    await stage.produce_events(range(3))
    async with stage.running(failing, clock=ShortPauses()) as member:
        await becomes(member, "no batch finished")
        assert member.fatal == []  # a server is away: a new process would not change it


async def test_records_that_cannot_be_fetched_make_it_not_ready_but_alive(stage: Stage) -> None:
    """A codec that is not installed, say; FastStream tries again in 15 seconds, for ever."""
    async with stage.running(Seen()) as member:
        fetching_raises(member, UnsupportedCodecError("no zstd"))
        await becomes(member, "no records could be read")
        assert member.fatal == []


@pytest.mark.expects_errors
async def test_a_foreign_error_while_fetching_brakes_and_ends_the_process(stage: Stage) -> None:
    clock = ShortPauses()
    async with stage.running(Seen(), clock=clock) as member:
        fetching_raises(member, AssertionError("a bug of the library"))
        await until(lambda: member.fatal)
        assert member.fatal[0] == f"{UNEXPECTED_IN_A_ROW} unexpected errors in a row, the last: AssertionError"
        assert {0.25, 0.5, 1, 2, 4, 8} <= set(clock.pauses)


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (lambda member: member.consumption._subscriber.tasks[0], "its consumer has ended"),
        (
            lambda member: member.consumption.consumer._coordinator._coordination_task,
            "membership in the group has ended",
        ),
        (lambda member: member.consumption.consumer._fetcher._fetch_task, "its fetching has ended"),
    ],
    ids=["consume loop", "membership", "fetcher"],
)
async def test_a_task_of_the_consumer_that_died_ends_the_process(
    stage: Stage, task: Callable[[Member], Any], reason: str
) -> None:
    async with stage.running(Seen(), clock=ShortPauses()) as member:
        task(member).cancel()
        await until(lambda: member.fatal)
        assert reason in member.fatal[0]
        assert reason in (await member.consumption.ready(LONG) or "")


def fetching_raises(member: Member, error: Exception) -> None:
    """As if aiokafka raised it from now on."""
    consumer = member.consumption.consumer
    assert consumer is not None

    async def getmany(*_: Any, **__: Any) -> Any:
        raise error

    fetching = Fetching(consumer, getmany)
    consumer.getmany = lambda **options: member.consumption._look(fetching, options)
