"""Queries for employees with a change that can be retried now: waiting, marked for verification, or unblocked."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateMany, UpdateOne

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.collection import PAGE_SIZE, Collection, Document, split
from services.store.conflicts import build_exchange_pipeline, build_unblocked_pipeline
from services.store.damaged import COUNTABLE, parse_keys

_CAN_TAKE_MANAGER: dict[str, Any] = {
    "waiting": {"$exists": False},
    "$or": [
        {"decided.outcome": {"$not": {"$in": [Outcome.REJECTED.value, Outcome.OUT_OF_SCOPE.value]}}},
        {"blocked_by": {"$exists": True}},
    ],
}
"""Entries with an account that can be written now.

Waiting and rejected employees are resent for that cause, but a rejection because another account has the e-mail address
holds no other field back. Employees out of scope have no account to write.
"""
MAX_LOOKS = 1000
"""Maximum number of due looks that one call takes."""


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
        links = [document["manager"] for document in documents if isinstance(document["manager"], dict)]
        written = {(EmployeeId(link["employee_id"]), str(link["account_id"])) for link in links}
        return frozenset(manager for manager, account in written if account != managers[manager])

    async def find_resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns employees that are not written with the account that their manager has now.

        Finds reports that ``find_waiting_reports`` cannot see: those written at the same time as their manager. Reads entries
        with an open reference, and managers with an account that has changed since the last call.
        """
        await self._reopen_outdated(connection)
        open_references = {"connection_id": connection, "open_reference": True}
        managers = await self._collection.aggregate(
            [{"$match": open_references}, {"$group": {"_id": "$manager.employee_id"}}, {"$sort": {"_id": 1}}]
        )
        keys = [f"{connection}/{manager['_id']}" for manager in managers]
        resolvable: set[EmployeeId] = set()
        for some in split(keys, PAGE_SIZE):
            with_account = {"_id": {"$in": some}, "account_id": {"$exists": True}}
            found = to_employee_ids(await self._collection.find(with_account, fields=["_id"]))
            if found:
                of_managers = {"manager.employee_id": {"$in": sorted(found)}}
                resolvable.update(await self._find({**open_references, **of_managers, **_CAN_TAKE_MANAGER}))
        return tuple(sorted(resolvable))

    async def _reopen_outdated(self, connection: ConnectionId) -> None:
        """Opens the references to former accounts of managers, and removes the marks of these managers."""
        changed = {"connection_id": connection, "account_changed": True}
        async for page in self._collection.iterate_pages(changed, fields=["account_id"]):
            accounts = {person: document.get("account_id") for document in page for person in parse_keys([document])}
            known = {person: account for person, account in accounts.items() if account is not None}
            await self._collection.write_bulk(
                [_reopen(connection, person.employee_id, account) for person, account in known.items()]
            )
            await self._collection.write_bulk([_unmark(person, account) for person, account in known.items()])

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
        where = {} if among is None else _match_people(connection, among)
        pipeline = build_unblocked_pipeline(self._collection.name, connection, where)
        return to_employee_ids(await self._collection.aggregate(pipeline))

    async def find_pending_reports(
        self, connection: ConnectionId, managers: Iterable[EmployeeId]
    ) -> tuple[EmployeeId, ...]:
        """Returns the employees with a change that waits until the account of one of these managers is created."""
        return await self._find(
            {
                "connection_id": connection,
                "manager.employee_id": {"$in": sorted(set(managers))},
                "waiting.cause": WaitingCause.MANAGER_PENDING.value,
            }
        )

    async def find_exchanging(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns those of the rejected employees that exchange their e-mail addresses: each blocks another of them.

        All employees of such a cycle are rejected. It has at most ``LONGEST_EXCHANGE`` of them. ``among`` limits the result;
        None means all employees.
        """
        where = {} if among is None else _match_people(connection, among)
        pipeline = build_exchange_pipeline(self._collection.name, connection, where)
        return to_employee_ids(await self._collection.aggregate(pipeline))

    async def take_due_looks(self, now: datetime) -> dict[ConnectionId, tuple[EmployeeId, ...]]:
        """Marks entries with a due look for verification, and removes their ``look_at``. Returns their employees.

        Takes at most ``MAX_LOOKS`` entries, the longest due first. An entry that gets another ``look_at`` during the call
        keeps it. Increases ``seq``, so that a concurrent write of the same entry fails.
        """
        due = await self._collection.find(
            {"look_due": {"$lte": now}, **COUNTABLE}, fields=["look_at"], sort={"look_due": 1}, limit=MAX_LOOKS
        )
        await self._collection.write_bulk([_build_look(document) for document in due])
        employees: dict[ConnectionId, list[EmployeeId]] = defaultdict(list)
        for person in parse_keys(due):
            employees[person.connection_id].append(person.employee_id)
        return {connection: tuple(sorted(found)) for connection, found in sorted(employees.items())}

    async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
        """Returns the connections with employees that wait or are marked for verification.

        One index entry is read for each connection, however many such employees it has.
        """
        # without a condition on the connection, MongoDB can read all entries instead
        found = await self._collection.distinct("connection_id", {"connection_id": {"$gt": ""}, "retryable": True})
        return tuple(sorted(ConnectionId(connection) for connection in found if isinstance(connection, str)))

    async def take_due(
        self, connection: ConnectionId, now: datetime, most: int, patience: timedelta
    ) -> tuple[EmployeeId, ...]:
        """Returns employees that wait or are marked for verification, and are due to be tried again, the longest due first.

        Takes at most ``most``. They are due again after ``patience``, unless their entry is written before.
        """
        due = await self._collection.find(
            {"connection_id": connection, "retryable": True, "retry_due": {"$not": {"$gt": now}}},
            fields=["_id"],
            sort={"retry_due": 1},
            limit=most,
        )
        again = {"$set": {"retry_due": now + patience}}
        await self._collection.write_bulk(
            [UpdateOne({"_id": document["_id"], "retryable": True}, again) for document in due]
        )
        return to_employee_ids(due)

    def page_waiting(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait and that writers try again on their own."""
        return self._iterate_pages({"connection_id": connection, "retryable": True, "waiting": {"$exists": True}})

    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Returns whether the brake holds a change of the connection."""
        found = await self._collection.find(
            {"connection_id": connection, "is_disabling_held": True}, fields=["_id"], limit=1
        )
        return bool(found)

    def page_held_disablings(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with an account that the brake keeps from being disabled."""
        return self._iterate_pages({"connection_id": connection, "is_disabling_held": True})

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a rejected last change."""
        return self._iterate_pages({"connection_id": connection, "decided.outcome": Outcome.REJECTED.value})

    def page_incomplete(
        self, connection: ConnectionId, tried_before: datetime
    ) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a refused field that was last tried before this time."""
        return self._iterate_pages({"connection_id": connection, "oldest_refusal": {"$lt": tried_before}})

    async def _find(self, where: Mapping[str, Any]) -> tuple[EmployeeId, ...]:
        return to_employee_ids(await self._collection.find(where, fields=["_id"], sort={"_id": 1}))

    async def _iterate_pages(self, where: Mapping[str, Any]) -> AsyncIterator[tuple[EmployeeId, ...]]:
        async for page in self._collection.iterate_pages(where, fields=["_id"]):
            yield to_employee_ids(page)


def to_employee_ids(documents: Iterable[Document]) -> tuple[EmployeeId, ...]:
    """Returns the employee ids of these documents."""
    return tuple(person.employee_id for person in parse_keys(documents))


def _match_people(connection: ConnectionId, employees: Iterable[EmployeeId]) -> Document:
    return {"_id": {"$in": sorted(str(PersonKey(connection, employee)) for employee in set(employees))}}


def _unmark(manager: PersonKey, account: object) -> UpdateOne:
    """Removes the mark of a changed account, unless the account has changed again."""
    return UpdateOne({"_id": str(manager), "account_id": account}, {"$unset": {"account_changed": True}})


def _build_look(document: Document) -> UpdateOne:
    """Marks the entry for verification if its ``look_at`` is still the one that was read."""
    return UpdateOne(
        {"_id": document["_id"], "look_at": document.get("look_at"), **COUNTABLE},
        {
            "$set": {"verify": True, "retryable": True},
            "$unset": {"look_at": True, "look_due": True},
            "$inc": {"seq": 1},
        },
    )


def _reopen(connection: ConnectionId, manager: EmployeeId, account: AccountId) -> UpdateMany:
    """Removes the references to an account of this manager other than ``account``."""
    return UpdateMany(
        {
            "connection_id": connection,
            "manager.employee_id": manager,
            "manager.account_id": {"$exists": True, "$ne": account},
            **COUNTABLE,
        },
        {"$unset": {"manager.account_id": True}, "$set": {"open_reference": True}, "$inc": {"seq": 1}},
    )
