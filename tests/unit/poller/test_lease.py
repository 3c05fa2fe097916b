"""Leases: taken over from dead processes, renewed during long polls, and respected after a loss."""

import asyncio
import os
import sys
from typing import Any, cast

import pytest

from services.contracts.leases import Lease, ProcessIdentity
from services.contracts.runs import RunState
from services.poller.lease import LeaseKeeper, LeaseLostError
from services.store.leases import Leases
from tests.support.builders import CONNECTION
from tests.support.fake_store import FakeLeases
from tests.support.fakes import StillClock
from tests.support.schedule_stage import OTHER_HOST, SELF, ScheduleStage
from tests.support.waiting import wait_until


@pytest.fixture
def stage(schedule_stage: ScheduleStage) -> ScheduleStage:
    """Pollers without a connection."""
    return schedule_stage


# ---------------------------------------------------------------- leases of other processes


async def test_lease_of_a_live_replica_is_respected_until_it_ends(stage: ScheduleStage) -> None:
    """A process on another host may be alive, so only time ends its lease."""
    connection = await stage.connect()
    await stage.take_lease(connection, OTHER_HOST)
    await stage.start_poller()

    await stage.pass_time(29)

    assert stage.personio.opened == []

    await stage.pass_time(2)

    assert stage.personio.opened == [connection]


async def test_leases_of_other_pollers_are_found_with_one_query(stage: ScheduleStage) -> None:
    """While another poller works on hundreds of connections, this one must not try to take each lease again and again."""
    attempts: list[str] = []

    class CountingLeases(FakeLeases):
        async def acquire(self, name: str, owner: ProcessIdentity, **options: Any) -> Lease | None:
            attempts.append(name)
            return await super().acquire(name, owner, **options)

    leases = CountingLeases()
    stage.store.leases = cast("Leases", leases)
    for number in range(5):
        await stage.take_lease(await stage.connect(f"c{number}"), OTHER_HOST)
    attempts.clear()

    await stage.start_poller()
    for _ in range(5):
        await stage.pass_time(1)

    assert attempts == []


async def test_restarted_poller_takes_over_its_own_lease(stage: ScheduleStage) -> None:
    """A lease with the own PID belongs to an earlier life of the process."""
    connection = await stage.connect()
    await stage.take_lease(connection, ProcessIdentity("here", SELF.pid, "before the restart"))

    await stage.start_poller()

    assert stage.personio.opened == [connection]


async def test_lease_of_a_dead_process_on_this_host_is_taken_over(stage: ScheduleStage) -> None:
    """An unused PID of this host proves that the owner is dead."""
    connection = await stage.connect()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    await stage.take_lease(connection, ProcessIdentity("here", process.pid, "dead"))

    await stage.start_poller()

    assert stage.personio.opened == [connection]


async def test_lease_of_a_live_process_on_this_host_is_respected(stage: ScheduleStage) -> None:
    """A used PID of this host may be that of the owner."""
    connection = await stage.connect()
    await stage.take_lease(connection, ProcessIdentity("here", os.getpid(), "alive"))

    await stage.start_poller()

    assert stage.personio.opened == []


async def test_two_pollers_share_the_connections(stage: ScheduleStage) -> None:
    """Each connection is polled by one poller at a time."""
    connections = {await stage.connect(f"c{number}") for number in range(4)}

    await asyncio.gather(stage.start_poller(SELF), stage.start_poller(OTHER_HOST))

    runs = [run for connection in connections for run in await stage.store.runs.list_newest(connection)]
    assert set(stage.personio.opened) == connections
    assert {run.state for run in runs} == {RunState.SUCCEEDED}


# ---------------------------------------------------------------- a lease of this process


async def test_lease_is_released_after_the_work(stage: ScheduleStage) -> None:
    """Another process can take the lease at once."""
    connection = await stage.connect()

    await stage.start_poller()

    await stage.take_lease(connection, OTHER_HOST)


async def test_long_poll_renews_its_lease(stage: ScheduleStage) -> None:
    """A poll may take much longer than the lease lasts without renewal."""
    connection = await stage.connect()
    resume = await stage.start_long_poll()

    for _ in range(12):
        await stage.wait_until_renewal_sleeps()
        stage.clock.advance(10)
        await wait_until(lambda: stage.is_renewed(connection))

    assert await stage.store.leases.acquire(f"connection/{connection}", OTHER_HOST, seconds=30) is None

    resume.set()
    await stage.wait_until_idle()

    assert len(stage.publisher.log) == 5


async def test_poll_with_lost_lease_sends_nothing_more(stage: ScheduleStage) -> None:
    """The run fails, and the new owner keeps the lease."""
    connection = await stage.connect()

    await stage.lose_lease(connection)

    (run,) = await stage.store.runs.list_newest(connection)
    lease = await stage.store.leases.find(f"connection/{connection}")
    assert len(stage.publisher.log) == stage.personio.page, "only the page before the loss"
    assert "lease" in (run.error or "")
    assert lease is not None
    assert lease.owner == OTHER_HOST


async def test_poll_with_lost_lease_leaves_the_connection_due(stage: ScheduleStage) -> None:
    """The new owner polls the connection."""
    connection = await stage.connect()

    await stage.lose_lease(connection)

    assert await stage.store.schedule.find_due(stage.clock.now(), limit=99) == (connection,)


async def test_suspended_process_stops_before_it_notices_the_loss(stage: ScheduleStage) -> None:
    """Its page may be older than what the new owner has stored."""
    connection = await stage.connect()
    resume = await stage.start_long_poll()
    stage.clock.seconds += 30  # the clock jumps, and the renewal does not wake up

    resume.set()
    await stage.wait_until_renewal_ends(connection)

    (run,) = await stage.store.runs.list_newest(connection)
    assert run.state is RunState.FAILED
    assert "lease" in (run.error or "")
    assert len(stage.publisher.log) == stage.personio.page
    assert await stage.store.snapshots.count(connection) == stage.personio.page


async def test_slow_renewal_counts_from_its_request() -> None:
    """MongoDB extends the lease when it gets the request. The process must not trust the lease for longer than that."""
    clock = StillClock()

    class SlowLeases(FakeLeases):
        async def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
            clock.seconds += 7
            return await super().renew(lease, seconds=seconds)

    keeper = LeaseKeeper(SlowLeases(), SELF, clock, 30)
    async with keeper.hold(CONNECTION) as guard:
        assert guard is not None
        await wait_until(lambda: clock.sleepers == 1)
        clock.advance(10)
        await wait_until(lambda: clock.sleepers == 1 and clock.seconds == 17)

        assert guard.deadline == 40


async def test_refused_renewal_ends_the_work_at_once() -> None:
    """Another replica owns the lease now, however long the local deadline would still last."""
    clock = StillClock()

    renewals = 0

    class LostLeases(FakeLeases):
        async def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
            nonlocal renewals
            renewals += 1
            return None

    async with LeaseKeeper(LostLeases(), SELF, clock, 30).hold(CONNECTION) as guard:
        assert guard is not None
        await wait_until(lambda: clock.sleepers == 1)
        clock.advance(10)
        await wait_until(lambda: renewals == 1)

        with pytest.raises(LeaseLostError):
            guard.ensure_held()
