"""Waiting until a service has consumed the present records of a topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.stack.ports import reserve_port
from services.runtime.kafka.progress import wait_until_consumed
from services.runtime.kafka.publisher import KafkaUnavailableError
from tests.kafka.group import SOURCE, KafkaGroup, RecordingHandler, make_settings

pytestmark = pytest.mark.kafka


async def wait(group: KafkaGroup, seconds: float) -> bool:
    """Waits for the group's member."""

    async def keep_alive() -> None:
        pass

    return await wait_until_consumed(group.settings, SOURCE, "member", seconds=seconds, keep_alive=keep_alive)


@asynccontextmanager
async def run_member_until(group: KafkaGroup, count: int) -> AsyncIterator[None]:
    """Runs a member until it has committed this offset, and stops it."""
    async with group.run_member(RecordingHandler()):
        await group.wait_until_committed(count)
    yield


async def test_empty_topic_is_consumed(wide_group: KafkaGroup) -> None:
    """A connection that was never polled has no records, and the service may not run yet."""
    assert await wait(wide_group, 0)


async def test_records_without_a_service_are_not_consumed(group: KafkaGroup) -> None:
    """Neither before the first commit of the group, nor behind its last one."""
    await group.produce_events(range(2))
    before = await wait(group, 0)
    async with run_member_until(group, 2):
        between = await wait(group, 0)
    await group.produce_events(range(2, 3))

    assert not before
    assert between
    assert not await wait(group, 0.3)


async def test_waiting_ends_when_the_service_has_consumed(group: KafkaGroup) -> None:
    """The lease is extended before each question."""
    extended: list[int] = []
    await group.produce_events(range(3))

    async def keep_alive() -> None:
        extended.append(1)

    async with group.run_member(RecordingHandler()):
        consumed = await wait_until_consumed(group.settings, SOURCE, "member", seconds=30, keep_alive=keep_alive)

    assert consumed
    assert extended


async def test_unavailable_kafka_is_reported(topic_prefix: str) -> None:
    """The command says what to check."""
    group = KafkaGroup(make_settings(f"127.0.0.1:{reserve_port()}", topic_prefix))

    with pytest.raises(KafkaUnavailableError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await wait(group, 0)
