"""Time for the leases of a store: those in MongoDB end by its own clock."""

from dataclasses import replace
from datetime import timedelta

from services.runtime.clock import Clock
from services.store.database import Store
from tests.support.fake_store import FakeLeases


def set_lease_clock(store: Store, clock: Clock) -> None:
    """Lets the leases of a fake store end by this clock. Those in MongoDB end by its own."""
    if isinstance(store.leases, FakeLeases):
        store.leases.now = clock.now


async def age_leases(store: Store, seconds: float) -> None:
    """Lets all leases end earlier by ``seconds``, as if this time had passed."""
    leases = store.leases
    if isinstance(leases, FakeLeases):
        earlier = timedelta(seconds=seconds)
        leases.content = {
            name: replace(lease, expires_at=lease.expires_at - earlier) for name, lease in leases.content.items()
        }
        return
    change = {"$set": {"expires_at": {"$subtract": ["$expires_at", round(seconds * 1000)]}}}
    await leases._collection.update_all({}, [change])
