"""Groups of employees with a change that is not done: it waits, is rejected, or is incomplete. For ``status`` and the metrics."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.collection import Collection, Document
from services.store.damaged import select_named

MAX_READ = 20_000
"""Number of ledger entries that are compared. With more, the most frequent reason is that of these."""
MAX_REASON = 500
"""Number of characters of a reason that are kept."""

_TIME = TypeAdapter[datetime](AwareDatetime)


@dataclass(frozen=True, slots=True)
class UndoneGroup:
    """Employees of one connection with a change that is not done for a like reason."""

    state: Literal["waiting", "rejected", "incomplete"]
    """What became of the change."""
    people: int
    """Number of employees."""
    since: datetime | None
    """When the first of them came into this state; None if that cannot be read."""
    cause: WaitingCause | None = None
    """Why the changes wait; None for another state."""
    reason: str = ""
    """The most frequent reason; empty for changes that wait."""
    field: str | None = None
    """The field that this reason is about; None if it is about none, and for changes that wait."""
    alike: int = 0
    """Number of employees with this reason."""
    is_access: bool = False
    """Whether accounts cannot be enabled or disabled."""


async def read_undone(
    ledger: Collection, connections: Iterable[ConnectionId]
) -> dict[ConnectionId, tuple[UndoneGroup, ...]]:
    """Returns the groups of those connections that have any. Sends two queries."""
    wanted: dict[str, Any] = {"connection_id": {"$in": sorted(set(connections))}}
    groups: dict[ConnectionId, list[UndoneGroup]] = defaultdict(list)
    for document in await ledger.aggregate(_build_waiting(wanted)):
        for key in select_named([document["_id"]], "connection"):
            cause = WaitingCause(key["cause"])
            group = UndoneGroup("waiting", document["people"], _read_time(document["since"]), cause)
            groups[ConnectionId(key["connection"])].append(group)
    for document in await ledger.aggregate(_build_settled(wanted)):
        for key in select_named([document["_id"]], "connection"):
            groups[ConnectionId(key["connection"])].append(_to_group(key, document))
    return {connection: tuple(found) for connection, found in groups.items()}


def _build_waiting(wanted: Mapping[str, Any]) -> list[Document]:
    """Returns the query for changes that wait. An index answers it."""
    by = {"connection": "$connection_id", "cause": "$waiting.cause"}
    return [
        {"$match": {**wanted, "waiting.cause": {"$gt": ""}}},
        {"$group": {"_id": by, "people": {"$sum": 1}, "since": {"$min": _select_text("$waiting.since")}}},
        {"$sort": {"_id": 1}},
    ]


def _build_settled(wanted: Mapping[str, Any]) -> list[Document]:
    """Returns the query for rejected and incomplete changes: first the number of each reason, then the most frequent one."""
    outcomes = [Outcome.INCOMPLETE.value, Outcome.REJECTED.value]
    state = {"connection": "$connection_id", "outcome": "$decided.outcome"}
    reason = {"reason": "$decided.reason", "field": "$decided.field"}
    by = {name: f"$_id.{name}" for name in state} | {"is_access": {"$eq": ["$_id.field", "active"]}}
    return [
        {"$match": {**wanted, "decided.outcome": {"$in": outcomes}}},
        {"$limit": MAX_READ},
        {"$match": {"waiting": {"$exists": False}}},
        {
            "$group": {
                "_id": state | reason,
                "people": {"$sum": 1},
                "since": {"$min": _select_text("$decided.settled_at")},
            }
        },
        {"$sort": {"people": -1, "_id": 1}},
        {
            "$group": {
                "_id": by,
                "people": {"$sum": "$people"},
                "since": {"$min": "$since"},
                "alike": {"$first": "$people"},
                "reason": {"$first": "$_id.reason"},
                "field": {"$first": "$_id.field"},
            }
        },
        {"$sort": {"_id": 1}},
    ]


def _select_text(path: str) -> Document:
    """Returns an expression for a text, and nothing for a damaged value, which could be before or after all texts."""
    return {"$cond": [{"$eq": [{"$type": path}, "string"]}, path, None]}


def _to_group(key: Document, document: Document) -> UndoneGroup:
    reason, field = document.get("reason"), document.get("field")
    return UndoneGroup(
        "rejected" if key["outcome"] == Outcome.REJECTED.value else "incomplete",
        document["people"],
        _read_time(document["since"]),
        reason=reason[:MAX_REASON] if isinstance(reason, str) else "",
        field=field if isinstance(field, str) else None,
        alike=document["alike"],
        is_access=key["is_access"],
    )


def _read_time(value: object) -> datetime | None:
    try:
        return _TIME.validate_python(value)
    except ValidationError:
        return None
