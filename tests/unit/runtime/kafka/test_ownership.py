"""When the records of a batch still belong to this member of the group."""

import asyncio

import pytest
from aiokafka import TopicPartition

from services.runtime.kafka.ownership import Membership, PartitionsMovedError
from tests.support.fakes import FakeClock

SESSION, DRAIN = 10.0, 0.05
"""Session timeout and drain, in seconds."""

PARTITION = TopicPartition("topic", 0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def membership(clock: FakeClock) -> Membership:
    """A member that has just joined its group."""
    membership = Membership(clock, SESSION, DRAIN)
    membership.record_join(clock.monotonic())
    return membership


def test_batch_of_a_confirmed_member_is_owned(membership: Membership, clock: FakeClock) -> None:
    """The group cannot have given the partitions to another member yet."""
    clock.seconds += SESSION

    with membership.hold_batch(membership.generation) as ownership:
        ownership.ensure_owned()
        assert not ownership.has_moved


def test_batch_before_the_join_is_not_owned(clock: FakeClock) -> None:
    """A heartbeat does not replace the join."""
    membership = Membership(clock, SESSION, DRAIN)
    membership.record_heartbeat(clock.monotonic())

    with pytest.raises(PartitionsMovedError):
        membership.ensure_owned(membership.generation)


def test_batch_after_the_session_timeout_is_not_owned(membership: Membership, clock: FakeClock) -> None:
    """The process may have been suspended, and the group may have removed this member."""
    clock.seconds += SESSION + 0.1

    with membership.hold_batch(membership.generation) as ownership:
        with pytest.raises(PartitionsMovedError, match="has not confirmed"):
            ownership.ensure_owned()
        assert not ownership.has_moved


def test_heartbeat_extends_the_ownership(membership: Membership, clock: FakeClock) -> None:
    """The time of the request counts, because the answer may be late."""
    sent_at = clock.monotonic() + SESSION - 1
    clock.seconds += SESSION + 5

    membership.record_heartbeat(sent_at)

    assert membership.confirmed_at == sent_at
    membership.ensure_owned(membership.generation)


def test_late_answer_to_an_older_heartbeat_changes_nothing(membership: Membership, clock: FakeClock) -> None:
    """The newest confirmation counts."""
    membership.record_heartbeat(5)

    membership.record_heartbeat(3)

    assert membership.confirmed_at == 5


async def test_batch_of_revoked_partitions_has_moved(membership: Membership) -> None:
    """The batch has moved even if the same partitions are assigned to this member again."""
    with membership.hold_batch(membership.generation) as ownership:
        await membership.on_partitions_revoked([PARTITION])
        await membership.on_partitions_assigned([PARTITION])

        assert ownership.has_moved
        with pytest.raises(PartitionsMovedError, match="partitions moved"):
            ownership.ensure_owned()
    assert membership.assigned_at is not None


async def test_first_join_moves_no_partition(membership: Membership) -> None:
    """A member without partitions loses none."""
    generation = membership.generation

    await membership.on_partitions_revoked([])

    assert membership.generation == generation


def test_lost_membership_moves_all_partitions(membership: Membership, clock: FakeClock) -> None:
    """After the next join, an older batch is still not owned."""
    with membership.hold_batch(membership.generation) as ownership:
        membership.record_loss()
        membership.record_join(clock.monotonic())

        assert ownership.has_moved
        with pytest.raises(PartitionsMovedError):
            ownership.ensure_owned()


async def test_rebalance_waits_for_the_end_of_the_batch(clock: FakeClock) -> None:
    """The batch is committed before its partitions move."""
    membership = Membership(clock, SESSION, drain_seconds=30)

    with membership.hold_batch(membership.generation) as ownership:
        rebalance = asyncio.create_task(membership.on_partitions_revoked([PARTITION]))
        await asyncio.sleep(0.01)
        assert not rebalance.done()
        assert not ownership.has_moved
    await rebalance

    assert ownership.has_moved


async def test_rebalance_waits_at_most_for_the_drain(membership: Membership) -> None:
    """After that, the group would remove this member."""
    with membership.hold_batch(membership.generation) as ownership:
        await asyncio.wait_for(membership.on_partitions_revoked([PARTITION]), 30)

        assert ownership.has_moved
