"""Leases: one holder at a time for a name, taken over when the holder dies.

Times are the callers' clocks. Where two hosts' clocks differ by more than a lease lasts, both may believe to hold it;
what they then write is caught by the conditions on snapshots and ledger entries, as with any holder that was
suspended. ``fence`` grows with every acquisition, so that an older holder can be told from a newer one.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from services.store.collection import Collection, Document

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds leases; ``token`` is random, since a process id may be given again."""

    host: str
    pid: int
    token: str


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    holder: Holder
    fence: int
    expires_at: datetime


def _nobody_is_dead(_holder: Holder) -> bool:
    return False


class Leases:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def acquire(
        self,
        name: str,
        holder: Holder,
        *,
        now: datetime,
        seconds: float,
        is_dead: Callable[[Holder], bool] = _nobody_is_dead,
    ) -> Lease | None:
        """None while somebody else holds it. Whom ``is_dead`` knows to be gone does not keep it until it expires.

        To acquire what one holds oneself already begins a new lease.
        """
        taken = {
            "$set": {"holder": asdict(holder), "expires_at": now + timedelta(seconds=seconds)},
            "$inc": {"fence": 1},
        }
        free = {"_id": name, "$or": [{"expires_at": {"$lte": now}}, {"holder.token": holder.token}]}
        document = await self._collection.changed(free, taken, insert=True)
        if document is not None:
            return _to_lease(document)
        held = await self._collection.find_one({"_id": name})
        if held is None or not is_dead(Holder(**held["holder"])):
            return None
        document = await self._collection.changed({"_id": name, "fence": held["fence"]}, taken)
        return None if document is None else _to_lease(document)

    async def renew(self, lease: Lease, *, now: datetime, seconds: float) -> bool:
        """False if it was lost: stop what it protects at once."""
        return await self._collection.update(_held(lease), {"$set": {"expires_at": now + timedelta(seconds=seconds)}})

    async def release(self, lease: Lease) -> None:
        """Lets others have it at once; of a lease that was lost, nothing."""
        await self._collection.update(_held(lease), {"$set": {"expires_at": _LONG_AGO}})

    async def find(self, name: str) -> Lease | None:
        """Who has or last had it."""
        document = await self._collection.find_one({"_id": name})
        return None if document is None else _to_lease(document)


def _held(lease: Lease) -> Document:
    # not only the token: a holder's own older lease must not be taken for its newer one
    return {"_id": lease.name, "holder.token": lease.holder.token, "fence": lease.fence}


def _to_lease(document: Document) -> Lease:
    return Lease(document["_id"], Holder(**document["holder"]), document["fence"], document["expires_at"])
