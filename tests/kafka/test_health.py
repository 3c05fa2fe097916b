"""Readiness of a consumer on a real Kafka, and the end of its process when it can never read again."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import UnsupportedCodecError

from services.contracts.cloudevents import Record
from services.contracts.events import EmployeeChanged
from services.errors import TransientError
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.failures import MAX_UNEXPECTED_ERRORS
from tests.kafka.group import FastClock, KafkaGroup, Member, RecordingHandler, create_group
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka

LONG, SHORT = 60.0, 0.2
"""Seconds without progress that are allowed."""


class GatedHandler(RecordingHandler):
    """Handles a batch when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.gate = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        self.started.set()
        await self.gate.wait()
        return await super().__call__(batch)


async def wait_until_not_ready(member: Member, pattern: str) -> None:
    """Returns once the reason matches the pattern."""

    async def is_not_ready() -> bool:
        return re.search(pattern, await member.consumer.check_readiness(SHORT) or "") is not None

    await wait_until(is_not_ready)


async def wait_until_lag(member: Member, records: int) -> None:
    """Returns once the lag metric has this value. The member has to be ready all the time."""

    async def has_lag() -> bool:
        assert await member.consumer.check_readiness(LONG) is None
        return member.read_metric("sync_lag_records") == records

    await wait_until(has_lag)


def make_fetches_raise(member: Member, error: Exception) -> None:
    """Lets every fetch of the member raise this error, as if aiokafka did."""
    consumer = member.consumer.consumer
    assert consumer is not None

    async def getmany(*_: Any, **__: Any) -> Any:
        raise error

    consumer.getmany = getmany


async def test_consumer_before_its_start_is_not_ready(group: KafkaGroup) -> None:
    """The reason names what is missing."""
    member = group.make_member(RecordingHandler())

    assert await member.consumer.check_readiness(LONG) == "has not joined its consumer group yet"


async def test_idle_and_working_consumer_reports_its_lag(group: KafkaGroup) -> None:
    """A batch in progress counts as lag until it is committed."""
    handler = GatedHandler()

    async with group.run_member(handler, max_records=2) as member:
        assert await member.consumer.check_readiness(LONG) is None
        assert member.read_metric("sync_lag_records") == 0
        await group.produce_events(range(5))
        await handler.started.wait()
        await wait_until_lag(member, 5)
        handler.gate.set()
        await group.wait_until_committed(5)
        await wait_until_lag(member, 0)


async def test_replica_without_partitions_is_ready(group: KafkaGroup) -> None:
    """More replicas than partitions are a reserve, not a failure."""
    async with group.run_member(RecordingHandler()), group.run_member(RecordingHandler()) as second:
        assert await second.consumer.check_readiness(LONG) is None


async def test_member_without_its_share_is_not_ready(wide_group: KafkaGroup) -> None:
    """A group with fewer members than partitions has one for each of them."""
    async with wide_group.run_member(RecordingHandler()) as member:
        consumer: Any = member.consumer.consumer
        assert await member.consumer.check_readiness(LONG) is None
        consumer.assignment = set

        reason = await member.consumer.check_readiness(LONG)

    assert reason == "has no partition, although the group has 1 members for 4 partitions"


async def test_hanging_handler_makes_the_consumer_not_ready(group: KafkaGroup) -> None:
    """The consumer is not ready even if no record is left to read after the batch in progress."""
    handler = GatedHandler()
    await group.produce_events(range(3))

    async with group.run_member(handler) as member:
        await handler.started.wait()
        await wait_until_not_ready(member, r"no record was settled for \d+ s although 3 records wait")
        handler.gate.set()
        await group.wait_until_committed(3)
        assert await member.consumer.check_readiness(LONG) is None


async def test_repeated_failures_make_the_consumer_not_ready(group: KafkaGroup) -> None:
    """A server is unavailable: a new process would not change that."""

    async def fail(_: Batch[EmployeeChanged]) -> Sequence[Record]:
        raise TransientError("MongoDB is unavailable")

    await group.produce_events(range(3))

    async with group.run_member(fail, clock=FastClock()) as member:
        await wait_until_not_ready(member, "no record was settled")
        assert member.fatal_reasons == []


async def test_failing_fetches_make_the_consumer_not_ready(group: KafkaGroup) -> None:
    """A missing codec is tried again without a limit."""
    async with group.run_member(RecordingHandler()) as member:
        make_fetches_raise(member, UnsupportedCodecError("no zstd"))
        await wait_until_not_ready(member, "no records could be read|cannot be read")
        assert member.fatal_reasons == []


@pytest.mark.expects_errors
async def test_unexpected_fetch_errors_end_the_process(group: KafkaGroup) -> None:
    """A defect of the library is handled like a defect of a handler: pauses, then the end."""
    clock = FastClock()

    async with group.run_member(RecordingHandler(), clock=clock) as member:
        make_fetches_raise(member, AssertionError("a defect of the library"))
        await wait_until(lambda: member.fatal_reasons)
        assert member.fatal_reasons[0] == "the consumer has ended: AssertionError"
        assert len(clock.pauses) >= MAX_UNEXPECTED_ERRORS - 1


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    ("task", "is_joined", "reason"),
    [
        (
            lambda member: member.consumer.consumer._coordinator._coordination_task,
            True,
            "the group has not confirmed this member",
        ),
        (lambda member: member.consumer.consumer._fetcher._fetch_task, False, "no records were asked for"),
    ],
    ids=["membership", "fetch loop"],
)
async def test_dead_task_of_the_library_ends_the_process(
    kafka: KafkaServers, topic_prefix: str, task: Callable[[Member], Any], is_joined: bool, reason: str
) -> None:
    """The library reports the end of its tasks nowhere, so the consumer watches their signs of life.

    Commits keep a member in its group, until another member joins: the group then waits for its answer.
    """
    group = await create_group(
        kafka.bootstrap_servers, topic_prefix, kafka_session_timeout_ms=1_000, kafka_rebalance_timeout_ms=2_000
    )

    async with group.run_member(RecordingHandler(), clock=FastClock()) as member:
        task(member).cancel()
        async with group.run_member(RecordingHandler()) if is_joined else contextlib.nullcontext():
            await wait_until(lambda: member.fatal_reasons)
        assert reason in member.fatal_reasons[0]
