"""Leases: a name has one owner at a time, and another process takes over when the owner dies.

The times come from the clocks of the callers. If the clocks of two hosts differ by more than the duration of a lease,
both can believe that they own it. The conditional writes of snapshots and ledger entries then reject one of them, as
they do after a suspended process. ``fence`` grows with every acquisition, so that an older lease can be recognised.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from services.contracts.leases import Lease, ProcessIdentity
from services.store.collection import Collection, Document

_EXPIRED = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=1)
"""Time until the end of a lease above which the lease is damaged: one lasts some minutes at most."""
_DAMAGED: tuple[Document, ...] = (
    {"owner.token": {"$not": {"$type": "string"}}},
    {"fence": {"$not": {"$type": "number"}}},
)
"""Leases that lack what a lease needs to be renewed."""


def _assume_alive(_owner: ProcessIdentity) -> bool:
    """Says of no process that it is dead."""
    return False


class Leases:
    """The leases, one document per name."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def acquire(
        self,
        name: str,
        owner: ProcessIdentity,
        *,
        now: datetime,
        seconds: float,
        is_dead: Callable[[ProcessIdentity], bool] = _assume_alive,
    ) -> Lease | None:
        """Returns the lease for ``seconds``; None if another live process owns it.

        Takes over at once if ``is_dead`` returns True for the owner. If the caller owns the lease already, a new lease with
        a higher fence begins. A damaged lease is free: it would not expire for a long time, or never.
        """
        fence = {"$cond": [{"$isNumber": "$fence"}, "$fence", 0]}
        values = {"owner": asdict(owner), "expires_at": now + timedelta(seconds=seconds)}
        literal = {field: {"$literal": value} for field, value in values.items()}
        change = [{"$set": {**literal, "fence": {"$add": [fence, 1]}}}]
        free = {"_id": name, "$or": [{"expires_at": {"$not": _lasts(now)}}, {"owner.token": owner.token}, *_DAMAGED]}
        document = await self._collection.update_and_get(free, change, insert=True)
        if document is not None:
            return _to_lease(document)
        stored = await self._collection.find_one({"_id": name})
        stored_owner = _read_owner(stored) if stored is not None else None
        if stored is None or stored_owner is None or not is_dead(stored_owner):
            return None
        document = await self._collection.update_and_get({"_id": name, "fence": stored["fence"]}, change)
        return None if document is None else _to_lease(document)

    async def renew(self, lease: Lease, *, now: datetime, seconds: float) -> bool:
        """Extends the lease to ``seconds`` from now. Returns False if it was lost: the caller stops its work at once."""
        return await self._collection.update(
            _match_current(lease), {"$set": {"expires_at": now + timedelta(seconds=seconds)}}
        )

    async def release(self, lease: Lease) -> None:
        """Gives the lease back, so that it is free at once. Does nothing for a lost lease."""
        await self._collection.update(_match_current(lease), {"$set": {"expires_at": _EXPIRED}})

    async def find_held(self, names: Iterable[str], *, now: datetime) -> tuple[Lease, ...]:
        """Returns those leases of these names that have not ended, in any order, except those that cannot be read."""
        documents = await self._collection.find({"_id": {"$in": sorted(names)}, "expires_at": _lasts(now)})
        return tuple(_to_lease(document) for document in documents if _is_readable(document))

    async def count_held(self, prefix: str, *, now: datetime) -> int:
        """Returns the number of leases with names that begin like this and have not ended."""
        return await self._collection.count({"_id": _begins_with(prefix), "expires_at": _lasts(now)})

    async def forget_ended(self, prefix: str, *, before: datetime) -> None:
        """Deletes the leases with names that begin like this and ended before that time."""
        await self._collection.delete_all({"_id": _begins_with(prefix), "expires_at": {"$lt": before}})

    async def find(self, name: str) -> Lease | None:
        """Returns the current or last lease of this name; None if there was none, or if its owner cannot be read."""
        document = await self._collection.find_one({"_id": name})
        return None if document is None or not _is_readable(document) else _to_lease(document)


def _lasts(now: datetime) -> Document:
    """Matches the end of a lease that has not ended. Of another type than a time, or too late, it is damaged."""
    return {"$gt": now, "$lte": now + _LONGEST}


def _begins_with(prefix: str) -> Document:
    return {"$gte": prefix, "$lt": prefix + "\uffff"}


def _match_current(lease: Lease) -> Document:
    # The fence is part of the filter: with the token alone, an owner could change its newer lease through an older one.
    return {"_id": lease.name, "owner.token": lease.owner.token, "fence": lease.fence}


def _read_owner(document: Document) -> ProcessIdentity | None:
    """Returns the owner; None if a newer version describes it, or if it is damaged. Such a lease ends by its time."""
    owner = document.get("owner")
    try:
        return ProcessIdentity(**owner) if isinstance(owner, dict) else None
    except TypeError:
        return None


def _is_readable(document: Document) -> bool:
    """Whether a lease has what a newer version may have changed: a known owner, a fence and an end."""
    return (
        _read_owner(document) is not None and "fence" in document and isinstance(document.get("expires_at"), datetime)
    )


def _to_lease(document: Document) -> Lease:
    return Lease(document["_id"], ProcessIdentity(**document["owner"]), document["fence"], document["expires_at"])
