"""Leases: one owner at a time, and a take-over from an owner that is late or dead."""

import asyncio
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from services.contracts.leases import Lease, ProcessIdentity
from services.store.database import Store
from tests.support.leases import age_leases

ONE, TWO = ProcessIdentity("host-a", 11, "t1"), ProcessIdentity("host-b", 22, "t2")
NAME = "connection/c1"


async def acquire(store: Store, owner: ProcessIdentity, *, name: str = NAME, dead: bool = False) -> Lease | None:
    """Asks for a lease of 30 seconds. With ``dead``, all other processes are dead."""
    return await store.leases.acquire(name, owner, seconds=30, is_dead=lambda other: dead and other != owner)


async def acquire_free(store: Store, owner: ProcessIdentity) -> Lease:
    """Acquires a lease that must be free."""
    lease = await acquire(store, owner)
    assert lease is not None
    return lease


async def test_lease_of_a_live_owner_is_not_given_to_another(store: Store) -> None:
    """Other names are free."""
    lease = await acquire_free(store, ONE)
    await age_leases(store, 20)

    stored = await store.leases.find(NAME)

    assert lease == Lease(NAME, ONE, 1, lease.expires_at)
    assert stored == replace(lease, expires_at=lease.expires_at - timedelta(seconds=20))
    assert await acquire(store, TWO) is None
    assert await acquire(store, TWO, name="connection/c2") is not None
    assert await store.leases.find("connection/c3") is None


async def test_expired_lease_is_taken_over_with_a_higher_fence(store: Store) -> None:
    """The former owner can neither renew nor release it."""
    old = await acquire_free(store, ONE)
    await age_leases(store, 30)

    new = await acquire_free(store, TWO)

    assert new.owner == TWO
    assert new.fence == 2
    assert await store.leases.renew(old, seconds=30) is None
    await store.leases.release(old)
    assert await store.leases.find(NAME) == new


async def test_renewed_lease_ends_later(store: Store) -> None:
    """The new end counts from the renewal."""
    lease = await acquire_free(store, ONE)
    await age_leases(store, 20)

    renewed = await store.leases.renew(lease, seconds=30)

    assert renewed is not None
    assert renewed == await store.leases.find(NAME)
    assert renewed.expires_at >= lease.expires_at
    await age_leases(store, 20)
    assert await acquire(store, TWO) is None
    await age_leases(store, 10)
    assert (await acquire_free(store, TWO)).fence == 2


async def test_expired_lease_without_a_new_owner_can_be_renewed(store: Store) -> None:
    """A process that was late keeps its work if no other process has taken it."""
    lease = await acquire_free(store, ONE)
    await age_leases(store, 60)

    renewed = await store.leases.renew(lease, seconds=30)

    assert renewed is not None
    assert await acquire(store, TWO) is None


async def test_released_lease_is_free_at_once(store: Store) -> None:
    """A process that stops in order delays no other process."""
    lease = await acquire_free(store, ONE)

    await store.leases.release(lease)

    assert (await acquire_free(store, TWO)).fence == 2
    assert await store.leases.renew(lease, seconds=30) is None


async def test_own_lease_is_acquired_again_with_a_higher_fence(store: Store) -> None:
    """The older lease of the same owner is lost: it can neither be renewed nor release the newer one."""
    old = await acquire_free(store, ONE)

    new = await acquire_free(store, ONE)

    assert new.fence == 2
    assert await store.leases.renew(old, seconds=30) is None
    await store.leases.release(old)
    assert await acquire(store, TWO) is None


async def test_lease_of_a_dead_owner_is_taken_over_at_once(store: Store) -> None:
    """The new owner does not wait until the lease expires."""
    await acquire_free(store, ONE)
    from_a_live_owner = await acquire(store, TWO)

    lease = await acquire(store, TWO, dead=True)

    assert from_a_live_owner is None
    assert lease is not None
    assert lease.owner == TWO
    assert lease.fence == 2


async def test_lease_ends_by_the_clock_of_mongodb(mongodb_store: Store) -> None:
    """The clocks of the hosts of two pollers may differ by more than a lease lasts."""
    lease = await mongodb_store.leases.acquire(NAME, ONE, seconds=30)
    hello = await mongodb_store._database.command("hello")

    assert lease is not None
    left = lease.expires_at - hello["localTime"].replace(tzinfo=UTC)
    assert timedelta(seconds=20) < left <= timedelta(seconds=30)


@pytest.mark.parametrize("dead", [True, False])
async def test_one_of_many_concurrent_processes_gets_the_lease(store: Store, dead: bool) -> None:
    """The lease is free, or its owner is known to be dead."""
    if dead:
        await acquire_free(store, ONE)
    rivals = [ProcessIdentity("host-c", number, f"r{number}") for number in range(12)]
    alive = {rival.token for rival in rivals}

    leases = await asyncio.gather(
        *(
            store.leases.acquire(NAME, rival, seconds=30, is_dead=lambda other: other.token not in alive)
            for rival in rivals
        )
    )

    (winner,) = [lease for lease in leases if lease is not None]
    assert await store.leases.find(NAME) == winner
    assert winner.fence == 1 + dead


# ------------------------------------------------------------ many leases


async def test_held_leases_are_found_with_one_query(store: Store) -> None:
    """Neither a free one nor one that has ended is held."""
    held = await store.leases.acquire("held", ONE, seconds=60)
    await store.leases.acquire("ended", ONE, seconds=10)
    free = await store.leases.acquire("released", TWO, seconds=60)
    assert held is not None
    assert free is not None
    await store.leases.release(free)
    await age_leases(store, 10)

    found = await store.leases.find_held(["held", "ended", "released", "unknown"])

    assert [lease.name for lease in found] == ["held"]
    assert found[0].owner == ONE


async def test_held_leases_are_counted_by_the_beginning_of_their_names(store: Store) -> None:
    """Ended ones are not counted, and are deleted after a time."""
    for name, seconds in (("poller/a/1", 90), ("poller/b/1", 90), ("poller/c/1", 10), ("poll/other", 10)):
        await store.leases.acquire(name, ONE, seconds=seconds)
    await age_leases(store, 30)

    counted = await store.leases.count_held("poller/")
    await store.leases.forget_ended("poller/", seconds=60)
    early = await store.leases.find("poller/c/1")
    await store.leases.forget_ended("poller/", seconds=5)

    assert counted == 2
    assert [lease.name for lease in await store.leases.list_held("poller/")] == ["poller/a/1", "poller/b/1"]
    assert early is not None
    assert await store.leases.count_held("poller/") == 2
    assert await store.leases.find("poller/c/1") is None
    assert await store.leases.find("poll/other") is not None
