"""Numbers for ``status`` and the metrics. Indexes answer them: of all queries, only ``read_undone`` reads ledger entries.

What concerns snapshot and ledger entry is counted by the marks of ``SettlementMarks``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.collection import Collection
from services.store.damaged import select_named
from services.store.followups import to_employee_ids
from services.store.settlement_marks import ENABLED, UNSETTLED
from services.store.snapshots import NOT_LISTED
from services.store.undone import UndoneGroup, read_undone

_ACTIVE: dict[str, Any] = {"status": "active"}
# conditions with $gt instead of $exists, because with these an index alone answers the query
_ABSENT: dict[str, Any] = {"absent_since": {"$gt": ""}}
_WAITING: dict[str, Any] = {"waiting.cause": {"$gt": ""}}
_HELD: dict[str, Any] = {"is_disabling_held": True}
_EPOCH, _END = datetime.fromtimestamp(0, UTC), datetime.max.replace(tzinfo=UTC)
_ANY_CONNECTION: dict[str, Any] = {"$gt": ""}
"""The indexes begin with the connection: without a condition on it, MongoDB does not use them."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one connection."""

    employees: int = 0
    """Number of employees with a snapshot."""
    active: int = 0
    """Number of employees that Personio lists as active."""
    accounts: int = 0
    """Number of active employees with an enabled account."""
    balance: int = 0
    """Number of employees with a newest change that is not settled. Oversized changes are not counted."""
    waiting: int = 0
    """Number of employees with a waiting change, for every cause."""
    held_disablings: int = 0
    """Number of employees with an account that the brake keeps from being disabled."""
    absent: int = 0
    """Number of employees with an enabled account that a complete scan no longer lists, and without a decision about it."""
    open_links: int = 0
    """Number of open link decisions."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Number of employees by their last outcome."""


class Counters:
    """Counts employees by outcome, account and balance."""

    def __init__(self, ledger: Collection, snapshots: Collection, links: Collection) -> None:
        self._ledger = ledger
        self._snapshots = snapshots
        self._links = links

    async def read(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Numbers]:
        """Returns the numbers of these connections. The number of queries does not depend on that of the connections.

        Takes long for a large connection: ``read_one`` is for those.
        """
        names = sorted(set(connections))
        wanted = {"connection_id": {"$in": names}}
        employees = await _count(self._snapshots, wanted)
        active = await _count(self._snapshots, wanted | _ACTIVE)
        accounts = await _count(self._snapshots, wanted | _ACTIVE | ENABLED)
        # an index cannot tell that a field is missing, so the absent ones are subtracted
        absent_active = await _count(self._snapshots, wanted | _ACTIVE | _ABSENT)
        absent_accounts = await _count(self._snapshots, wanted | _ACTIVE | ENABLED | _ABSENT)
        balance = await _count(self._snapshots, wanted | UNSETTLED)
        absent = await _count(self._snapshots, wanted | NOT_LISTED | ENABLED)
        held = await _count(self._ledger, wanted | _HELD)
        waiting = await _count(self._ledger, wanted | _WAITING)
        open_links = await _count(self._links, wanted | {"open": True})
        outcomes = await self._count_outcomes(wanted)
        return {
            connection: Numbers(
                employees=employees.get(connection, 0),
                active=active.get(connection, 0) - absent_active.get(connection, 0),
                accounts=accounts.get(connection, 0) - absent_accounts.get(connection, 0),
                balance=balance.get(connection, 0),
                waiting=waiting.get(connection, 0),
                held_disablings=held.get(connection, 0),
                absent=absent.get(connection, 0),
                open_links=open_links.get(connection, 0),
                outcomes=outcomes.get(connection, {}),
            )
            for connection in names
        }

    async def read_one(self, connection: ConnectionId) -> Numbers:
        """Returns the numbers of one connection, with a query for each: MongoDB counts a large connection faster that way."""
        wanted: dict[str, Any] = {"connection_id": connection}
        active, accounts = wanted | _ACTIVE, wanted | _ACTIVE | ENABLED
        outcomes = {how.value: await self._ledger.count(wanted | {"decided.outcome": how.value}) for how in Outcome}
        return Numbers(
            employees=await self._snapshots.count(wanted),
            active=await self._snapshots.count(active) - await self._snapshots.count(active | _ABSENT),
            accounts=await self._snapshots.count(accounts) - await self._snapshots.count(accounts | _ABSENT),
            balance=await self.count_behind(connection),
            waiting=await self._ledger.count(wanted | _WAITING),
            held_disablings=await self._ledger.count(wanted | _HELD),
            absent=await self._snapshots.count(wanted | NOT_LISTED | ENABLED),
            open_links=await self._links.count(wanted | {"open": True}),
            outcomes={how: people for how, people in sorted(outcomes.items()) if people},
        )

    async def read_undone(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, tuple[UndoneGroup, ...]]:
        """Returns the employees with a change that waits, is rejected or is incomplete, by connection and like reason.

        Reads the entries of rejected and incomplete changes, up to ``undone.MAX_READ``.
        """
        return await read_undone(self._ledger, connections)

    async def count_waiting_by_cause(self) -> dict[WaitingCause, int]:
        """Returns the number of waiting employees of all connections for each cause that has any."""
        documents = await self._ledger.aggregate(
            [
                {"$match": {"connection_id": _ANY_CONNECTION, **_WAITING}},
                {"$group": {"_id": "$waiting.cause", "people": {"$sum": 1}}},
            ]
        )
        counts: Counter[WaitingCause] = Counter()
        for document in documents:
            counts[WaitingCause(document["_id"])] += document["people"]  # two unknown causes can be the same member
        return dict(counts)

    async def count_accounts(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an enabled account, of every status. Enabled is the last confirmed state."""
        # the condition on the status lets one index answer the query
        return await self._snapshots.count({"connection_id": connection, "status": {"$gt": ""}, **ENABLED})

    async def count_looks(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an account that must be looked up again at a later time."""
        return await self._ledger.count({"connection_id": connection, "look_due": {"$gt": _EPOCH, "$lt": _END}})

    async def count_behind(self, connection: ConnectionId) -> int:
        """Returns the balance of a connection: see ``Numbers``."""
        return await self._snapshots.count({"connection_id": connection, **UNSETTLED})

    async def count_all_behind(self) -> int:
        """Returns the sum of the balances of all connections."""
        return await self._snapshots.count({"connection_id": _ANY_CONNECTION, **UNSETTLED})

    async def find_absent_with_account(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an enabled account that a complete scan no longer lists.

        Enabled is the last confirmed state.
        """
        where = {"connection_id": connection, **NOT_LISTED, **ENABLED}
        return to_employee_ids(await self._snapshots.find(where, fields=["_id"], sort={"_id": 1}))

    async def _count_outcomes(self, wanted: Mapping[str, Any]) -> dict[ConnectionId, dict[str, int]]:
        by = {"connection": "$connection_id", "outcome": "$decided.outcome"}
        documents = await self._ledger.aggregate(
            [
                {"$match": {**wanted, "decided.outcome": {"$gt": ""}}},
                {"$group": {"_id": by, "people": {"$sum": 1}}},
                {"$sort": {"_id": 1}},
            ]
        )
        outcomes: dict[ConnectionId, dict[str, int]] = defaultdict(dict)
        for document in documents:
            key = document["_id"]
            for _ in select_named([key], "connection"):
                outcomes[ConnectionId(key["connection"])][str(key["outcome"])] = document["people"]
        return outcomes


async def _count(collection: Collection, where: Mapping[str, Any]) -> dict[ConnectionId, int]:
    """Returns the number of matching documents for each connection that has any."""
    documents = await collection.aggregate(
        [{"$match": where}, {"$group": {"_id": "$connection_id", "people": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    )
    return {ConnectionId(document["_id"]): document["people"] for document in select_named(documents)}
