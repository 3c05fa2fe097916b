"""When records still belong to this member of the group, and what may be committed of them."""

import asyncio

import pytest
from aiokafka import TopicPartition

from services.runtime.kafka.membership import Membership
from services.runtime.kafka.ownership import PartitionsMovedError
from tests.support.builders import make_change, make_incoming
from tests.support.fakes import FakeClock

SESSION, DRAIN = 10.0, 0.05
"""Session timeout and drain, in seconds."""

PARTITION = TopicPartition("topic", 0)


class Stage:
    """A member of a group, with work that ends when the gate opens."""

    def __init__(self, drain_seconds: float = DRAIN) -> None:
        self.clock = FakeClock()
        self.gate = asyncio.Event()
        self.settled = 0
        self.membership = Membership(
            self.clock, SESSION, drain_seconds, finish=self._finish, on_settled=self._count_settled
        )

    async def _finish(self) -> None:
        await self.gate.wait()

    def _count_settled(self) -> None:
        self.settled += 1


@pytest.fixture
def stage() -> Stage:
    """A member that Kafka has confirmed."""
    stage = Stage()
    stage.membership.confirm(stage.clock.monotonic())
    return stage


def test_records_of_a_confirmed_member_are_owned(stage: Stage) -> None:
    """The group cannot have given the partitions to another member yet."""
    stage.clock.seconds += SESSION

    stage.membership.ownership.ensure_owned()

    assert not stage.membership.ownership.has_moved


def test_member_without_a_confirmation_owns_nothing() -> None:
    """An assignment alone does not tell since when it is valid."""
    with pytest.raises(PartitionsMovedError, match="has not confirmed"):
        Stage().membership.ownership.ensure_owned()


@pytest.mark.promise("P3")
def test_records_after_the_session_timeout_are_lost_for_good(stage: Stage) -> None:
    """The process may have been suspended, and another member may have owned them: a later confirmation changes nothing."""
    ownership = stage.membership.ownership
    stage.clock.seconds += SESSION + 0.1

    with pytest.raises(PartitionsMovedError, match="has not confirmed"):
        ownership.ensure_owned()
    stage.membership.confirm(stage.clock.monotonic())

    with pytest.raises(PartitionsMovedError, match="partitions moved"):
        ownership.ensure_owned()


@pytest.mark.promise("P3")
def test_late_answer_to_a_commit_restores_no_ownership(stage: Stage) -> None:
    """The work was dropped in the meantime, although the commit was sent within the session timeout."""
    ownership = stage.membership.ownership
    sent_at = stage.clock.monotonic() + SESSION
    stage.clock.seconds += SESSION + 0.1
    with pytest.raises(PartitionsMovedError, match="has not confirmed"):
        ownership.ensure_owned()

    stage.membership.confirm(sent_at)

    with pytest.raises(PartitionsMovedError, match="partitions moved"):
        ownership.ensure_owned()


def test_gap_between_confirmations_ends_the_ownership(stage: Stage) -> None:
    """Even if no request was to be sent in the gap."""
    stage.clock.seconds += SESSION + 0.1

    stage.membership.confirm(stage.clock.monotonic())

    assert stage.membership.ownership.has_moved
    assert stage.membership.is_confirmed


def test_send_time_of_a_commit_counts(stage: Stage) -> None:
    """The answer may be late."""
    sent_at = stage.clock.monotonic() + SESSION - 1
    stage.clock.seconds += SESSION + 5

    stage.membership.confirm(sent_at)

    assert stage.membership.confirmed_at == sent_at
    stage.membership.ownership.ensure_owned()


async def test_records_of_revoked_partitions_have_moved(stage: Stage) -> None:
    """They have moved even if the same partitions are assigned to this member again."""
    ownership = stage.membership.ownership
    stage.gate.set()

    await stage.membership.on_partitions_revoked([PARTITION])
    await stage.membership.on_partitions_assigned([PARTITION])
    stage.membership.confirm(stage.clock.monotonic())

    assert ownership.has_moved
    with pytest.raises(PartitionsMovedError, match="partitions moved"):
        ownership.ensure_owned()
    stage.membership.ownership.ensure_owned()
    assert stage.membership.assigned_at is not None


def test_lost_membership_moves_all_partitions(stage: Stage) -> None:
    """After the next join, older records are still not owned."""
    ownership = stage.membership.ownership

    stage.membership.record_loss()
    stage.membership.confirm(stage.clock.monotonic())

    assert ownership.has_moved
    assert stage.membership.is_joining


async def test_rebalance_waits_for_the_work_in_progress() -> None:
    """The work is committed before its partitions move, and none is started before that."""
    stage = Stage(drain_seconds=30)
    ownership = stage.membership.ownership

    rebalance = asyncio.create_task(stage.membership.on_partitions_revoked([PARTITION]))
    await asyncio.sleep(0)
    assert ownership.is_ending
    assert not ownership.has_moved
    stage.gate.set()
    await rebalance

    assert ownership.has_moved


async def test_rebalance_waits_at_most_for_the_drain(stage: Stage) -> None:
    """After that, the group would remove this member."""
    ownership = stage.membership.ownership

    await asyncio.wait_for(stage.membership.on_partitions_revoked([PARTITION]), 30)

    assert ownership.has_moved


# ---------------------------------------------------------------- what may be committed


@pytest.mark.promise("P1")
def test_commit_ends_at_the_first_unsettled_record(stage: Stage) -> None:
    """Records are settled in any order. A restart begins at the first one that is not."""
    ownership = stage.membership.ownership
    records = [make_incoming(make_change(), offset) for offset in range(3, 8)]
    ownership.hand_out(0, [record.offset for record in records])

    assert ownership.find_uncommitted() == {0: 3}

    ownership.settle([records[1], records[3]])
    assert ownership.get_positions() == {0: 3}

    ownership.settle([records[0]])
    assert ownership.get_positions() == {0: 5}
    assert ownership.open == 2

    ownership.settle([records[2], records[4]])
    assert ownership.get_positions() == {0: 8}
    assert stage.settled == 3


def test_stored_position_is_not_committed_again(stage: Stage) -> None:
    """Until a further record is settled."""
    ownership, record = stage.membership.ownership, make_incoming(make_change(), 0)
    ownership.hand_out(0, [0])
    ownership.settle([record])
    ownership.note_committed({0: 1})

    assert ownership.find_uncommitted() == {}

    ownership.settle([record])
    assert ownership.find_uncommitted() == {}


def test_offsets_that_the_topic_lacks_hold_nothing_up(stage: Stage) -> None:
    """A compacted topic has gaps."""
    ownership = stage.membership.ownership
    ownership.hand_out(0, [2, 5, 9])

    ownership.settle([make_incoming(make_change(), offset) for offset in (2, 5)])

    assert ownership.get_positions() == {0: 9}


def test_records_of_an_ended_ownership_are_not_settled(stage: Stage) -> None:
    """Another member reads them."""
    ownership = stage.membership.ownership
    ownership.hand_out(0, [0])
    stage.membership.begin_ownership()

    ownership.settle([make_incoming(make_change(), 0)])

    assert ownership.get_positions() == {0: 0}


@pytest.mark.parametrize(
    ("committed", "stored", "is_overtaken"),
    [(None, None, False), (None, 4, False), (None, 5, True), (6, 6, False), (6, 7, True)],
)
def test_commits_of_another_member_are_noticed(
    stage: Stage, committed: int | None, stored: int | None, *, is_overtaken: bool
) -> None:
    """They are behind the own commits, or behind the first own record."""
    ownership = stage.membership.ownership
    ownership.hand_out(0, [4, 5, 6])
    if committed is not None:
        ownership.note_committed({0: committed})

    assert ownership.is_overtaken(0, stored) is is_overtaken


def test_own_unanswered_commit_overtakes_nothing(stage: Stage) -> None:
    """Kafka may have stored it."""
    ownership = stage.membership.ownership
    ownership.hand_out(0, [4, 5, 6])

    ownership.note_sent({0: 6})

    assert not ownership.is_overtaken(0, 6)
    assert ownership.is_overtaken(0, 7)
