"""Queries for employees with a change that can be retried now: waiting, marked for verification, or unblocked."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from pymongo import UpdateMany

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import Outcome
from services.store.collection import Collection, Document

_CAN_TAKE_MANAGER: dict[str, Any] = {
    "waiting": {"$exists": False},
    "decided.outcome": {"$not": {"$in": [Outcome.REJECTED.value, Outcome.OUT_OF_SCOPE.value]}},
}
"""Entries with an account that can be written now.

Waiting and rejected employees are resent for that cause. Employees out of scope have no account to write.
"""
_HAS_OTHER_NAME = {"$ne": ["$current", {"$toLower": "$blocked_name"}]}


class FollowUps:
    """Queries over the ledger for employees to resend."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def find_waiting_reports(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> tuple[EmployeeId, ...]:
        """Returns employees that report to one of these managers and are not written with its account.

        Removes references to another account of such a manager, so that the next change does not count as unchanged.
        """
        if not managers:
            return ()
        outdated = await self._find_managers_with_other_account(connection, managers)
        await self._collection.write_bulk([_reopen(connection, manager, managers[manager]) for manager in outdated])
        return await self._find(
            {
                "connection_id": connection,
                "manager.employee_id": {"$in": sorted(managers)},
                "manager.account_id": {"$exists": False},
                **_CAN_TAKE_MANAGER,
            }
        )

    async def _find_managers_with_other_account(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> frozenset[EmployeeId]:
        documents = await self._collection.find(
            {
                "connection_id": connection,
                "manager.employee_id": {"$in": sorted(managers)},
                "manager.account_id": {"$exists": True},
            },
            fields=["manager"],
        )
        links = [document["manager"] for document in documents]
        written = {(EmployeeId(link["employee_id"]), link["account_id"]) for link in links}
        return frozenset(manager for manager, account in written if account != managers[manager])

    async def find_resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns employees that are not written with the account that their manager has now.

        Finds reports that ``find_waiting_reports`` cannot see: those written at the same time as their manager.
        """
        waiting = {"connection_id": connection, "manager.employee_id": {"$exists": True}, **_CAN_TAKE_MANAGER}
        documents = await self._collection.aggregate(
            [
                {"$match": waiting},
                {"$set": {"manager_key": {"$concat": ["$connection_id", "/", "$manager.employee_id"]}}},
                {
                    "$lookup": {
                        "from": self._collection.name,
                        "localField": "manager_key",
                        "foreignField": "_id",
                        "as": "managers",
                    }
                },
                {"$set": {"current": {"$first": "$managers.account_id"}}},
                {"$match": {"current": {"$exists": True}, "$expr": {"$ne": ["$current", "$manager.account_id"]}}},
                {"$project": {"employee_id": True}},
                {"$sort": {"_id": 1}},
            ]
        )
        return to_employee_ids(documents)

    async def find_blocked_by(self, connection: ConnectionId, accounts: Iterable[AccountId]) -> tuple[EmployeeId, ...]:
        """Returns employees that were rejected because of a conflict with one of these accounts."""
        return await self._find({"connection_id": connection, "blocked_by": {"$in": sorted(set(accounts))}})

    async def find_unblocked(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns rejected employees if the conflicting account has another user name now.

        Finds employees that ``find_blocked_by`` cannot see: those rejected at the same time as the account was renamed.
        ``among`` limits the result; None means all employees.
        """
        blocked: dict[str, Any] = {"connection_id": connection, "blocked_by": {"$exists": True}}
        if among is not None:
            blocked["_id"] = {"$in": [str(PersonKey(connection, employee)) for employee in set(among)]}
        documents = await self._collection.aggregate(
            [
                {"$match": blocked},
                {
                    "$lookup": {
                        "from": self._collection.name,
                        "localField": "blocked_by",
                        "foreignField": "account_id",
                        "pipeline": [{"$match": {"connection_id": connection}}, {"$project": {"user_name": True}}],
                        "as": "blockers",
                    }
                },
                {"$set": {"current": {"$toLower": {"$first": "$blockers.user_name"}}}},
                {"$match": {"$expr": {"$and": [{"$ne": ["$current", ""]}, _HAS_OTHER_NAME]}}},
                {"$project": {"employee_id": True}},
                {"$sort": {"_id": 1}},
            ]
        )
        return to_employee_ids(documents)

    def page_retryable(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait or are marked for verification."""
        return self._iterate_pages({"connection_id": connection, "retryable": True})

    def page_waiting(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait."""
        return self._iterate_pages({"connection_id": connection, "retryable": True, "waiting": {"$exists": True}})

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a rejected last change."""
        return self._iterate_pages({"connection_id": connection, "decided.outcome": Outcome.REJECTED.value})

    async def _find(self, where: Mapping[str, Any]) -> tuple[EmployeeId, ...]:
        return to_employee_ids(await self._collection.find(where, fields=["employee_id"], sort={"_id": 1}))

    async def _iterate_pages(self, where: Mapping[str, Any]) -> AsyncIterator[tuple[EmployeeId, ...]]:
        async for page in self._collection.iterate_pages(where, fields=["employee_id"]):
            yield to_employee_ids(page)


def to_employee_ids(documents: Iterable[Document]) -> tuple[EmployeeId, ...]:
    """Returns the employee ids of these documents."""
    return tuple(EmployeeId(document["employee_id"]) for document in documents)


def _reopen(connection: ConnectionId, manager: EmployeeId, account: AccountId) -> UpdateMany:
    """Removes the references to an account of this manager other than ``account``."""
    return UpdateMany(
        {
            "connection_id": connection,
            "manager.employee_id": manager,
            "manager.account_id": {"$exists": True, "$ne": account},
        },
        {"$unset": {"manager.account_id": True}, "$inc": {"seq": 1}},
    )
