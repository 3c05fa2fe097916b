"""Leases on a real MongoDB: one holder at a time, taken over from whoever is late or dead."""

import asyncio
from datetime import timedelta

import pytest

from services.store.database import Store
from services.store.leases import Holder, Lease
from tests.stored import NOW

pytestmark = pytest.mark.mongo

ONE, TWO = Holder("host-a", 11, "t1"), Holder("host-b", 22, "t2")
NAME = "connection/c1"


async def acquire(store: Store, holder: Holder, *, at: float = 0, name: str = NAME, dead: bool = False) -> Lease | None:
    return await store.leases.acquire(
        name, holder, now=NOW + timedelta(seconds=at), seconds=30, is_dead=lambda other: dead and other != holder
    )


async def held(store: Store, holder: Holder, at: float = 0) -> Lease:
    lease = await acquire(store, holder, at=at)
    assert lease is not None
    return lease


async def test_who_comes_first_has_it_and_others_wait(store: Store) -> None:
    lease = await held(store, ONE)
    assert lease == Lease(NAME, ONE, 1, NOW + timedelta(seconds=30))
    assert await store.leases.find(NAME) == lease
    assert await acquire(store, TWO, at=29.999) is None
    assert await acquire(store, TWO, name="connection/c2") is not None
    assert await store.leases.find("connection/c3") is None


async def test_a_lease_that_has_expired_is_taken_over_with_a_higher_fence(store: Store) -> None:
    old = await held(store, ONE)
    new = await held(store, TWO, at=30)
    assert (new.holder, new.fence) == (TWO, 2)
    assert not await store.leases.renew(old, now=NOW + timedelta(seconds=31), seconds=30)
    await store.leases.release(old)
    assert await store.leases.find(NAME) == new


async def test_a_lease_that_is_renewed_is_kept(store: Store) -> None:
    lease = await held(store, ONE)
    assert await store.leases.renew(lease, now=NOW + timedelta(seconds=20), seconds=30)
    assert await acquire(store, TWO, at=49) is None
    assert (await held(store, TWO, at=50)).fence == 2


async def test_a_lease_that_expired_and_nobody_took_can_still_be_renewed(store: Store) -> None:
    lease = await held(store, ONE)
    assert await store.leases.renew(lease, now=NOW + timedelta(seconds=60), seconds=30)
    assert await acquire(store, TWO, at=70) is None


async def test_a_lease_that_was_given_back_is_free_at_once(store: Store) -> None:
    lease = await held(store, ONE)
    await store.leases.release(lease)
    assert (await held(store, TWO)).fence == 2
    assert not await store.leases.renew(lease, now=NOW, seconds=30)


async def test_a_holder_begins_anew_without_waiting_and_its_older_lease_is_void(store: Store) -> None:
    old = await held(store, ONE)
    new = await held(store, ONE, at=1)
    assert new.fence == 2
    assert not await store.leases.renew(old, now=NOW, seconds=30)
    await store.leases.release(old)
    assert await acquire(store, TWO, at=2) is None


async def test_the_dead_keep_nothing(store: Store) -> None:
    await held(store, ONE)
    assert await acquire(store, TWO, at=1) is None
    taken = await acquire(store, TWO, at=1, dead=True)
    assert taken is not None
    assert (taken.holder, taken.fence) == (TWO, 2)


@pytest.mark.parametrize("dead", [True, False])
async def test_of_many_who_want_it_at_once_one_gets_it(store: Store, dead: bool) -> None:
    """Free, or held by somebody who is known to be dead."""
    if dead:
        await held(store, ONE)
    rivals = [Holder("host-c", number, f"r{number}") for number in range(12)]
    alive = {rival.token for rival in rivals}
    found = await asyncio.gather(
        *(
            store.leases.acquire(NAME, rival, now=NOW, seconds=30, is_dead=lambda other: other.token not in alive)
            for rival in rivals
        )
    )
    (winner,) = [lease for lease in found if lease is not None]
    assert await store.leases.find(NAME) == winner
    assert winner.fence == 1 + dead
