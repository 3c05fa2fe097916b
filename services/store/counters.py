"""Numbers for ``status`` and the metrics, counted over the ledger and the snapshots."""

from collections.abc import Mapping
from typing import Any

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.outcomes import WaitingCause
from services.store.collection import Collection
from services.store.followups import to_employee_ids
from services.store.snapshots import LISTED_AS_ACTIVE, NOT_LISTED


class Counters:
    """Counts employees by outcome, account and balance."""

    def __init__(self, collection: Collection, *, snapshots: str) -> None:
        """``snapshots`` is the name of the collection that accounts and balance are counted against."""
        self._collection = collection
        self._snapshots = snapshots

    async def count_waiting(self) -> dict[ConnectionId, int]:
        """Returns the number of waiting employees for each connection that has any, except those that wait for a manager.

        A resend of these changes nothing: they are resent when the account of their manager is created.
        """
        return await self._count_waiting(
            {"waiting.cause": {"$exists": True, "$ne": WaitingCause.MANAGER_PENDING.value}}
        )

    async def count_all_waiting(self) -> dict[ConnectionId, int]:
        """Returns the number of waiting employees for each connection that has any, for every cause."""
        return await self._count_waiting({"waiting": {"$exists": True}})

    async def _count_waiting(self, waiting: Mapping[str, Any]) -> dict[ConnectionId, int]:
        # The index begins with the connection: without a condition on it, MongoDB does not use the index.
        where = {"connection_id": {"$gt": ""}, "retryable": True, **waiting}
        counts = await self._count_by(where, "$connection_id")
        return {ConnectionId(connection): count for connection, count in counts.items()}

    async def count_looks(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an account that must be looked up again at a later time."""
        return await self._collection.count({"connection_id": connection, "look_due": {"$exists": True}})

    async def count_outcomes(self, connection: ConnectionId) -> dict[str, int]:
        """Returns the number of employees by their last outcome."""
        # With $gt instead of $exists, the index alone answers the query.
        where = {"connection_id": connection, "decided.outcome": {"$gt": ""}}
        return await self._count_by(where, "$decided.outcome")

    async def count_active_with_account(self, connection: ConnectionId) -> int:
        """Returns the number of employees that Personio lists as active and that have an enabled account.

        Enabled is the last confirmed state. Employees on leave keep their account; they are not counted.
        """
        documents = await self._collection.aggregate(
            [*self._match_enabled(connection, LISTED_AS_ACTIVE), {"$count": "people"}]
        )
        return int(documents[0]["people"]) if documents else 0

    async def find_absent_with_account(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an enabled account that a complete scan no longer lists.

        Enabled is the last confirmed state.
        """
        documents = await self._collection.aggregate(
            [*self._match_enabled(connection, NOT_LISTED), {"$sort": {"_id": 1}}]
        )
        return to_employee_ids(documents)

    def _match_enabled(self, connection: ConnectionId, listed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Selects entries with an enabled account and with a snapshot that matches ``listed``."""
        same_person = {"from": self._snapshots, "localField": "_id", "foreignField": "_id", "as": "listed"}
        return [
            {"$match": {"connection_id": connection, "enabled": True, "account_id": {"$gt": ""}}},
            {"$project": {"_id": True}},
            {"$lookup": {**same_person, "pipeline": [{"$match": listed}, {"$project": {"_id": True}}]}},
            {"$match": {"listed": {"$ne": []}}},
        ]

    async def count_behind(self, connection: ConnectionId) -> int:
        """Returns the balance: the number of employees with a snapshot that is newer than the last decision.

        Oversized changes are not counted; ``Snapshots.find_oversized`` returns their employees.
        """
        changed = {"$cond": [{"$eq": ["$oversized_revision", "$revision"]}, 0, "$revision"]}
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": connection}},
                {"$project": {"decided": "$decided.revision"}},
                {
                    "$unionWith": {
                        "coll": self._snapshots,
                        "pipeline": [{"$match": {"connection_id": connection}}, {"$project": {"changed": changed}}],
                    }
                },
                {"$group": {"_id": "$_id", "decided": {"$max": "$decided"}, "changed": {"$max": "$changed"}}},
                {"$match": {"$expr": {"$gt": ["$changed", {"$ifNull": ["$decided", 0]}]}}},
                {"$count": "people"},
            ]
        )
        return int(documents[0]["people"]) if documents else 0

    async def _count_by(self, where: Mapping[str, Any], by: str) -> dict[str, int]:
        documents = await self._collection.aggregate(
            [{"$match": where}, {"$group": {"_id": by, "people": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
        )
        return {document["_id"]: document["people"] for document in documents}
