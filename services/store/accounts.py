"""The ledger: one entry per employee, each write conditional on the one before."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateMany, UpdateOne

from services.contracts.accounts import Account
from services.contracts.events import Outcome
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.store.collection import Collection, Document, to_model
from services.store.snapshots import LISTED_AS_ACTIVE, NOT_LISTED

_TAKES_A_MANAGER: dict[str, Any] = {
    "waiting": {"$exists": False},
    "decided.outcome": {"$not": {"$in": [Outcome.REJECTED.value, Outcome.OUT_OF_SCOPE.value]}},
}
"""Whose account can be written now. Who waits or is rejected is re-sent for that; whoever is out of scope, not at all."""
_OTHER_NAME = {"$ne": ["$current", {"$toLower": "$blocked_name"}]}


class Accounts:
    def __init__(self, collection: Collection, *, snapshots: str) -> None:
        """``snapshots`` is the name of the collection that accounts and balance are counted against."""
        self._collection = collection
        self._snapshots = snapshots

    async def get(self, person: PersonKey) -> Account | None:
        return (await self.read([person])).get(person)

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, Account]:
        """The entries there are, with one query."""
        documents = await self._collection.find({"_id": {"$in": [str(person) for person in set(people)]}})
        return {account.person: account for account in (to_model(Account, document) for document in documents)}

    async def write(self, accounts: Sequence[Account]) -> frozenset[PersonKey]:
        """Stores each entry if ``seq`` of the stored one is one less (1: if there is none yet).

        Returns the people whose entry somebody else has written meanwhile, for whom nothing was stored. To repeat a
        call whose answer was lost is safe. Raises ``ValueError`` for two entries of one person.
        """
        if len({account.person for account in accounts}) != len(accounts):
            raise ValueError("a batch holds one entry a person: the last, with the seq that follows the stored one")
        result = await self._collection.bulk([_write(account) for account in accounts])
        updates = sum(account.seq > 1 for account in accounts)
        doubtful = [
            account
            for index, account in enumerate(accounts)
            if index in result.duplicates or (account.seq > 1 and result.matched < updates)
        ]
        stored = await self.read(account.person for account in doubtful) if doubtful else {}
        return frozenset(account.person for account in doubtful if stored.get(account.person) != account)

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Asks whoever handles them next to look at the live account; who holds an entry now loses the race."""
        await self._collection.bulk([_verify(person) for person in set(people)])

    async def forget_applied(self, connection: ConnectionId) -> int:
        """Takes nothing for granted about what the accounts hold; returns the number of entries."""
        return await self._collection.update_all(
            {"connection_id": connection}, {"$unset": {"applied": True}, "$inc": {"seq": 1}}
        )

    async def reports_waiting_for(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> tuple[EmployeeId, ...]:
        """Who submits to one of these managers and is not written with the account given for that manager.

        A reference to another account of the manager is opened, so that the entry is not taken for unchanged.
        """
        if not managers:
            return ()
        others = await self._written_with_another(connection, managers)
        await self._collection.bulk([_reopen(connection, manager, managers[manager]) for manager in others])
        return await self._people(
            {
                "connection_id": connection,
                "manager.employee_id": {"$in": sorted(managers)},
                "manager.account_id": {"$exists": False},
                **_TAKES_A_MANAGER,
            }
        )

    async def _written_with_another(
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
        written = {(EmployeeId(d["manager"]["employee_id"]), d["manager"]["account_id"]) for d in documents}
        return frozenset(manager for manager, account in written if account != managers[manager])

    async def resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Who is not written with the account that their manager has by now.

        Finds whom ``reports_waiting_for`` cannot see: reports written in the same moment as their manager.
        """
        waiting = {"connection_id": connection, "manager.employee_id": {"$exists": True}, **_TAKES_A_MANAGER}
        documents = await self._collection.aggregate(
            [
                {"$match": waiting},
                {"$set": {"manager_key": {"$concat": ["$connection_id", "/", "$manager.employee_id"]}}},
                {
                    "$lookup": {
                        "from": self._collection.name,
                        "localField": "manager_key",
                        "foreignField": "_id",
                        "as": "found",
                    }
                },
                {"$set": {"current": {"$first": "$found.account_id"}}},
                {"$match": {"current": {"$exists": True}, "$expr": {"$ne": ["$current", "$manager.account_id"]}}},
                {"$project": {"employee_id": True}},
                {"$sort": {"_id": 1}},
            ]
        )
        return _employees(documents)

    async def blocked_by(self, connection: ConnectionId, accounts: Iterable[AccountId]) -> tuple[EmployeeId, ...]:
        """Who was rejected because one of these accounts stood in the way."""
        return await self._people({"connection_id": connection, "blocked_by": {"$in": sorted(set(accounts))}})

    async def released(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Who was rejected because of a user name that the account in the way does not have any more.

        Finds whom ``blocked_by`` cannot see: people rejected in the same moment as that account was renamed.
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
                        "as": "found",
                    }
                },
                {"$set": {"current": {"$toLower": {"$first": "$found.user_name"}}}},
                {"$match": {"$expr": {"$and": [{"$ne": ["$current", ""]}, _OTHER_NAME]}}},
                {"$project": {"employee_id": True}},
                {"$sort": {"_id": 1}},
            ]
        )
        return _employees(documents)

    async def holder(self, connection: ConnectionId, account: AccountId) -> EmployeeId | None:
        """Whose account it is by the ledger."""
        found = await self._collection.find_one({"connection_id": connection, "account_id": account}, ["employee_id"])
        return None if found is None else EmployeeId(found["employee_id"])

    def unsettled(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Who waits, and whose entry asks for a look at the live account."""
        return self._pages({"connection_id": connection, "unsettled": True})

    def waiting(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        return self._pages({"connection_id": connection, "unsettled": True, "waiting": {"$exists": True}})

    def rejected(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        return self._pages({"connection_id": connection, "decided.outcome": Outcome.REJECTED.value})

    async def waiting_connections(self) -> dict[ConnectionId, int]:
        """How many people wait, for each connection that has any."""
        # the condition on the connection is what lets the index be used: it begins with it
        waiting = {"connection_id": {"$gt": ""}, "unsettled": True, "waiting": {"$exists": True}}
        counts = await self._counts(waiting, "$connection_id")
        return {ConnectionId(connection): count for connection, count in counts.items()}

    async def outcomes(self, connection: ConnectionId) -> dict[str, int]:
        """How many people were last settled in which way."""
        # rather than that it exists: this is answered from the index alone
        where = {"connection_id": connection, "decided.outcome": {"$gt": ""}}
        return await self._counts(where, "$decided.outcome")

    async def active_count(self, connection: ConnectionId) -> int:
        """People whom Personio lists as active, with an account that was last confirmed to be enabled.

        Others may have one, too: who is on leave keeps it, and so does who is listed no more.
        """
        documents = await self._collection.aggregate(
            [*self._enabled_of(connection, LISTED_AS_ACTIVE), {"$count": "people"}]
        )
        return int(documents[0]["people"]) if documents else 0

    async def missing(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """People whom Personio lists no more, whose account is enabled all the same, as far as is known."""
        documents = await self._collection.aggregate([*self._enabled_of(connection, NOT_LISTED), {"$sort": {"_id": 1}}])
        return _employees(documents)

    def _enabled_of(self, connection: ConnectionId, listed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Entries with an account that was last confirmed to be enabled, of people whose snapshot is so."""
        of_the_same = {"from": self._snapshots, "localField": "_id", "foreignField": "_id", "as": "listed"}
        return [
            {"$match": {"connection_id": connection, "enabled": True, "account_id": {"$gt": ""}}},
            {"$project": {"employee_id": True}},
            {"$lookup": {**of_the_same, "pipeline": [{"$match": listed}, {"$project": {"_id": True}}]}},
            {"$match": {"listed": {"$ne": []}}},
        ]

    async def behind(self, connection: ConnectionId) -> int:
        """The balance: people whose snapshot is newer than what was decided for them; 0 when all is at rest.

        A change whose event Kafka will never take is not counted: ``Snapshots.refused`` names these people.
        """
        changed = {"$cond": [{"$eq": ["$refused", "$revision"]}, 0, "$revision"]}
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

    async def _people(self, where: Mapping[str, Any]) -> tuple[EmployeeId, ...]:
        return _employees(await self._collection.find(where, fields=["employee_id"], sort={"_id": 1}))

    async def _pages(self, where: Mapping[str, Any]) -> AsyncIterator[tuple[EmployeeId, ...]]:
        async for page in self._collection.pages(where, fields=["employee_id"]):
            yield _employees(page)

    async def _counts(self, where: Mapping[str, Any], by: str) -> dict[str, int]:
        documents = await self._collection.aggregate(
            [{"$match": where}, {"$group": {"_id": by, "people": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
        )
        return {document["_id"]: document["people"] for document in documents}


def _employees(documents: Iterable[Document]) -> tuple[EmployeeId, ...]:
    return tuple(EmployeeId(document["employee_id"]) for document in documents)


def _write(account: Account) -> InsertOne[Document] | ReplaceOne[Document]:
    document = {
        "_id": str(account.person),
        **account.model_dump(mode="json", exclude_none=True),
        "unsettled": account.waiting is not None or account.verify,
    }
    if account.seq == 1:
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"], "seq": account.seq - 1}, document)


def _verify(person: PersonKey) -> UpdateOne:
    named = {"connection_id": person.connection_id, "employee_id": person.employee_id}
    return UpdateOne(
        {"_id": str(person)},
        {"$set": {"verify": True, "unsettled": True}, "$inc": {"seq": 1}, "$setOnInsert": named},
        upsert=True,
    )


def _reopen(connection: ConnectionId, manager: EmployeeId, account: AccountId) -> UpdateMany:
    return UpdateMany(
        {
            "connection_id": connection,
            "manager.employee_id": manager,
            "manager.account_id": {"$exists": True, "$ne": account},
        },
        {"$unset": {"manager.account_id": True}, "$inc": {"seq": 1}},
    )
