"""Leases: a name has one owner at a time, and another process takes over when the owner dies.

All times come from MongoDB's clock, so the clocks of the callers do not matter. It is the clock of the primary: a new primary
with another clock ends the leases earlier or later, by the difference. Earlier, a process still works for up to that time
beside the next owner, and then only the conditional writes of snapshots and ledger entries reject one of them. ``fence``
grows with every acquisition, so that an older lease can be recognised.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from services.contracts.leases import Lease, ProcessIdentity
from services.store.collection import Collection, Document

_EXPIRED = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_SECONDS = 24 * 3600.0
"""Seconds until the end of a lease above which the lease is damaged: one lasts some minutes at most."""


def _assume_alive(_owner: ProcessIdentity) -> bool:
    """Says of no process that it is dead."""
    return False


def _add_to_now(seconds: float) -> Document:
    return {"$add": ["$$NOW", round(seconds * 1000)]}


_LASTS: Document = {
    "$and": [
        {"$eq": [{"$type": "$expires_at"}, "date"]},
        {"$gt": ["$expires_at", "$$NOW"]},
        {"$lte": ["$expires_at", _add_to_now(_LONGEST_SECONDS)]},
    ]
}
"""Expression: the lease has not ended. With an end of another type than a time, or too late, it is damaged."""
_IS_SOUND: Document = {"$and": [{"$eq": [{"$type": "$owner.token"}, "string"]}, {"$isNumber": "$fence"}]}
"""Expression: the lease has what a lease needs to be renewed."""


class Leases:
    """The leases, one document per name."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def acquire(
        self,
        name: str,
        owner: ProcessIdentity,
        *,
        seconds: float,
        is_dead: Callable[[ProcessIdentity], bool] = _assume_alive,
    ) -> Lease | None:
        """Returns the lease for ``seconds``; None if another live process owns it.

        Takes over at once if ``is_dead`` returns True for the owner. If the caller owns the lease already, a new lease with
        a higher fence begins. A damaged lease is free: it would not expire for a long time, or never.
        """
        is_kept = {"$and": [_LASTS, _IS_SOUND, {"$ne": ["$owner.token", {"$literal": owner.token}]}]}
        new = _build_lease(owner, seconds)
        # The condition is part of the change: MongoDB allows no expression in the filter of a write that may insert.
        change = [{"$replaceWith": {"$cond": [is_kept, "$$ROOT", {"$mergeObjects": ["$$ROOT", new]}]}}]
        document = await self._collection.update_and_get({"_id": name}, change, insert=True)
        if document is None:  # another process has inserted it at the same moment
            return None
        stored_owner = _read_owner(document)
        if stored_owner == owner:
            return _to_lease(document)
        if stored_owner is None or not is_dead(stored_owner):
            return None
        current = {"_id": name, "fence": document["fence"]}
        document = await self._collection.update_and_get(current, [{"$set": new}])
        return None if document is None else _to_lease(document)

    async def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """Extends the lease to ``seconds`` from now, and returns it. None if it was lost: the caller stops its work at once."""
        change = [{"$set": {"expires_at": _add_to_now(seconds)}}]
        document = await self._collection.update_and_get(_match_current(lease), change)
        return None if document is None else _to_lease(document)

    async def release(self, lease: Lease) -> None:
        """Gives the lease back, so that it is free at once. Does nothing for a lost lease."""
        await self._collection.update(_match_current(lease), {"$set": {"expires_at": _EXPIRED}})

    async def find_held(self, names: Iterable[str]) -> tuple[Lease, ...]:
        """Returns those leases of these names that have not ended, in any order, except those that cannot be read."""
        documents = await self._collection.find({"_id": {"$in": sorted(names)}, "$expr": _LASTS})
        return tuple(_to_lease(document) for document in documents if _is_readable(document))

    async def list_held(self, prefix: str) -> tuple[Lease, ...]:
        """Returns the leases that ``count_held`` counts, except those that cannot be read."""
        documents = await self._collection.find({"_id": _begins_with(prefix), "$expr": _LASTS}, sort={"_id": 1})
        return tuple(_to_lease(document) for document in documents if _is_readable(document))

    async def count_held(self, prefix: str) -> int:
        """Returns the number of leases with names that begin like this and have not ended."""
        return await self._collection.count({"_id": _begins_with(prefix), "$expr": _LASTS})

    async def forget_ended(self, prefix: str, *, seconds: float) -> None:
        """Deletes the leases with names that begin like this and ended more than ``seconds`` ago."""
        ended = {"$lt": ["$expires_at", _add_to_now(-seconds)]}
        await self._collection.delete_all(
            {"_id": _begins_with(prefix), "expires_at": {"$type": "date"}, "$expr": ended}
        )

    async def find(self, name: str) -> Lease | None:
        """Returns the current or last lease of this name; None if there was none, or if its owner cannot be read."""
        document = await self._collection.find_one({"_id": name})
        return None if document is None or not _is_readable(document) else _to_lease(document)


def _build_lease(owner: ProcessIdentity, seconds: float) -> Document:
    """Returns the expressions of the fields of a new lease."""
    fence = {"$add": [{"$cond": [{"$isNumber": "$fence"}, "$fence", 0]}, 1]}
    return {"owner": {"$literal": asdict(owner)}, "fence": fence, "expires_at": _add_to_now(seconds)}


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
