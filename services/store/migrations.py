"""The indexes that the queries of this package need. Created by ``init``; to repeat it changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from services.store.collection import Collection, translate, translated

# IndexOptionsConflict, IndexKeySpecsConflict: an index of this name has another definition
_ANOTHER_DEFINITION = frozenset({85, 86})
_BUILD_SECONDS = 3600
"""To build an index over much data takes longer than any other command may."""


@dataclass(frozen=True, slots=True)
class Index:
    collection: str
    name: str
    keys: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)


def _partial(**where: Any) -> dict[str, Any]:
    return {"partialFilterExpression": {name.replace("__", "."): condition for name, condition in where.items()}}


_PERSON = {"connection_id": 1, "_id": 1}
_EXISTS = {"$exists": True}

INDEXES = (
    Index("connections", "identity", {"identity": 1}, {"unique": True}),
    Index("connections", "due", {"state": 1, "next_poll": 1, "_id": 1}),
    Index("snapshots", "people", _PERSON),
    Index("snapshots", "pending", _PERSON, _partial(pending=True)),
    Index("snapshots", "status", {"connection_id": 1, "status": 1, "missing_since": 1}),
    Index("snapshots", "refused", _PERSON, _partial(refused=_EXISTS)),
    Index("mappings", "versions", {"connection_id": 1, "version": -1}, {"unique": True}),
    Index("accounts", "people", _PERSON),
    Index("accounts", "unsettled", _PERSON, _partial(unsettled=True)),
    Index("accounts", "outcomes", {"connection_id": 1, "decided.outcome": 1, "_id": 1}),
    Index("accounts", "enabled", {"connection_id": 1, "enabled": 1, "account_id": 1}),
    Index(
        "accounts",
        "managers",
        {"connection_id": 1, "manager.employee_id": 1, "manager.account_id": 1},
        _partial(manager__employee_id=_EXISTS),
    ),
    Index("accounts", "holder", {"account_id": 1, "connection_id": 1}, _partial(account_id=_EXISTS)),
    Index("accounts", "blocked", {"connection_id": 1, "blocked_by": 1}, _partial(blocked_by=_EXISTS)),
    Index("requests", "once", {"connection_id": 1, "once": 1}, {"unique": True} | _partial(once=_EXISTS)),
    Index("requests", "open", {"state": 1, "connection_id": 1, "filed": 1, "_id": 1}),
    Index("requests", "newest", {"connection_id": 1, "filed": -1, "_id": -1}),
    Index("requests", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
    Index("runs", "newest", {"connection_id": 1, "started": -1, "_id": -1}),
    Index("runs", "running", {"connection_id": 1}, _partial(state="running")),
    Index("runs", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
)


async def ensure(collection: Collection, index: Index) -> str | None:
    """Creates the index, or makes it anew where it has another definition or name; tells what was done, None for nothing."""
    with translated():
        before = await collection.motor.index_information()
        try:
            await _create(collection, index)
        except OperationFailure as error:
            in_the_way = _in_the_way(index, before)
            if error.code not in _ANOTHER_DEFINITION or not in_the_way:
                raise translate(error) from None
            for name in in_the_way:
                await collection.motor.drop_index(name)
            await _create(collection, index)
            return f"rebuilt index {index.collection}.{index.name}"
    return None if index.name in before else f"created index {index.collection}.{index.name}"


def _in_the_way(index: Index, before: Mapping[str, Any]) -> list[str]:
    """The index of this name, else one over the same fields under a name that we do not use any more."""
    if index.name in before:
        return [index.name]
    ours = {each.name for each in INDEXES if each.collection == index.collection}
    keys = list(index.keys.items())
    return [name for name, found in before.items() if name not in ours and list(found["key"]) == keys]


async def _create(collection: Collection, index: Index) -> None:
    with pymongo.timeout(_BUILD_SECONDS):
        await collection.motor.create_index(list(index.keys.items()), name=index.name, **index.options)
