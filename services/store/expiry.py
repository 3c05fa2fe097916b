"""Removes the data of leavers from snapshots and pinned examples, once their accounts are confirmed as disabled for a time."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.contracts.ids import ConnectionId
from services.store.collection import PAGE_SIZE, ChangeOne, Collection, Document, split
from services.store.contents import match_keys

KEPT = "status"
"""The attribute that a reduced snapshot keeps: the life cycle follows from it, so that a resend still disables the account."""
_TIME = TypeAdapter(datetime)
_EXISTS = {"$exists": True}
_IN_DOUBT: dict[str, Any] = {
    "$or": [
        {"account_id": _EXISTS, "enabled": {"$ne": False}},
        {"retryable": True},
        {"attempted": _EXISTS},
        {"suspected_since": _EXISTS},
        {"look_due": _EXISTS},
    ]
}
"""Entries of employees with an account that is not confirmed as disabled, or with a change that waits."""


class LeaverExpiry:
    """The snapshots and pinned examples of leavers. Only the lease owner of a connection lets them expire."""

    def __init__(self, snapshots: Collection, examples: Collection, *, ledger: str) -> None:
        """``ledger`` is the name of the collection that tells which accounts are disabled."""
        self._snapshots = snapshots
        self._examples = examples
        self._ledger = ledger

    async def remove_missing(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes at most ``limit`` snapshots of employees that Personio has no longer listed since a time before ``before``.

        A snapshot stays while the account is not confirmed as disabled. Returns the number of removed snapshots.
        """
        absent = {"absent_since": {"$lt": _TIME.dump_python(before, mode="json")}}
        documents = await self._find(connection, absent, [{"$sort": {"absent_since": 1}}], limit)
        keys = [document["_id"] for document in documents]
        return await self._snapshots.delete_all({"_id": {"$in": keys}, **absent}) if keys else 0

    async def reduce_leavers(self, connection: ConnectionId, before: datetime, limit: int) -> int:
        """Removes all attributes but the status from at most ``limit`` snapshots of employees that are inactive since ``before``.

        The content hash of a reduced snapshot stays, so that the next scan finds no change. A snapshot with a change since then
        stays as it is, and so does one with an account that is not confirmed as disabled. Returns the number of reduced snapshots.
        """
        # with null, the index also leads to the documents without this field
        unchanged = {
            "status": "inactive",
            "is_reduced": None,
            "detected_at": {"$lt": _TIME.dump_python(before, mode="json")},
        }
        # not sorted: MongoDB would then also consider to sort the result of another index
        documents = await self._find(connection, unchanged, [], limit)
        result = await self._snapshots.write_bulk([_build_reduction(document) for document in documents])
        return result.matched

    async def remove_examples(self, connection: ConnectionId, before: datetime) -> int:
        """Removes the examples with real data of leavers that were pinned before ``before``. Returns their number.

        A leaver is an employee, or the manager of one, without a snapshot or with a reduced one. An example that cannot be read
        stays until an administrator removes it.
        """
        real = {
            **match_keys(connection),
            "is_made_up": False,
            "pinned_at": {"$lt": _TIME.dump_python(before, mode="json")},
        }
        documents = await self._examples.find(real, fields=["people"])
        people = {
            document["_id"]: [person for person in document["people"] if isinstance(person, str)]
            for document in documents
            if isinstance(document.get("people"), list)
        }
        present: set[str] = set()
        for keys in split(sorted({person for named in people.values() for person in named}), PAGE_SIZE):
            where = {"_id": {"$in": keys}, "is_reduced": {"$ne": True}}
            present.update(document["_id"] for document in await self._snapshots.find(where, fields=["_id"]))
        expired = [key for key, named in people.items() if not present.issuperset(named)]
        return await self._examples.delete_all({**real, "_id": {"$in": expired}}) if expired else 0

    async def _find(
        self, connection: ConnectionId, where: Mapping[str, Any], order: Sequence[Mapping[str, Any]], limit: int
    ) -> Sequence[Document]:
        """Returns the snapshots that match and are settled."""
        same_person = {"from": self._ledger, "localField": "_id", "foreignField": "_id", "as": "entry"}
        settled = {"$gte": [{"$first": "$entry.decided.revision"}, "$revision"]}
        return await self._snapshots.aggregate(
            [
                {"$match": {"connection_id": connection, **where}},
                *order,
                {"$lookup": same_person},
                {"$match": {"entry": {"$size": 1, "$not": {"$elemMatch": _IN_DOUBT}}, "$expr": settled}},
                {"$limit": limit},
                {"$project": {"attributes": True, "revision": True}},
            ]
        )


def reduce_attributes(attributes: str) -> str:
    """Returns the JSON of the attributes without all but the status. Attributes that cannot be read are removed, too."""
    try:
        content = json.loads(attributes)
    except ValueError:
        content = {}
    kept = {KEPT: content[KEPT]} if isinstance(content, dict) and KEPT in content else {}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _build_reduction(document: Document) -> ChangeOne:
    change = {"attributes": reduce_attributes(str(document.get("attributes"))), "is_reduced": True}
    return ChangeOne({"_id": document["_id"], "revision": document["revision"]}, {"$set": change})
