"""The indexes that the queries of this package need. The command ``init`` creates the missing ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from services.store.collection import Collection
from services.store.translation import translate, translate_errors

# IndexOptionsConflict, IndexKeySpecsConflict: an index of this name has another definition
_OTHER_DEFINITION = frozenset({85, 86})
_BUILD_SECONDS = 3600
"""Timeout in seconds for building one index. Over much data this takes longer than other commands may take."""


@dataclass(frozen=True, slots=True)
class Index:
    """The definition of one index."""

    collection: str
    """Name of the collection."""
    name: str
    """Name of the index, unique within the collection."""
    keys: Mapping[str, int]
    """Fields in order; 1 is ascending, -1 descending."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of ``create_index``."""


def _build_partial(**where: Any) -> dict[str, Any]:
    return {"partialFilterExpression": {name.replace("__", "."): condition for name, condition in where.items()}}


def _mark(name: str) -> dict[str, int]:
    """Returns the keys for documents with a mark. A partial index has them, because the filter alone makes MongoDB read each."""
    return {"connection_id": 1, name: 1, "_id": 1}


_PERSON = {"connection_id": 1, "_id": 1}
_EXISTS = {"$exists": True}

INDEXES = (
    Index("connections", "identity", {"identity": 1}, {"unique": True}),
    Index("connections", "server", {"server": 1}),
    Index("connections", "due", {"state": 1, "next_poll": 1, "_id": 1}),
    Index("snapshots", "people", _PERSON),
    Index("snapshots", "pending", _mark("pending"), _build_partial(pending=True)),
    Index("snapshots", "status", {"connection_id": 1, "status": 1, "account_enabled": 1}),
    Index(
        "snapshots",
        "absent",
        {"connection_id": 1, "status": 1, "account_enabled": 1, "absent_since": 1},
        _build_partial(absent_since=_EXISTS),
    ),
    Index(
        "snapshots",
        "absent_accounts",
        _mark("account_enabled"),
        _build_partial(absent_since=_EXISTS, account_enabled=True),
    ),
    Index("snapshots", "unsettled", _mark("unsettled"), _build_partial(unsettled=True)),
    Index("snapshots", "next_day", _mark("next_day"), _build_partial(next_day=_EXISTS)),
    Index("snapshots", "oversized", _PERSON, _build_partial(oversized_revision=_EXISTS)),
    Index("snapshots", "reduced", _PERSON, _build_partial(oversized=_EXISTS)),
    Index("snapshots", "missing", {"connection_id": 1, "absent_since": 1}, _build_partial(absent_since=_EXISTS)),
    Index("snapshots", "marked_absent", _PERSON | {"absent_since": 1}, _build_partial(absent_since=_EXISTS)),
    Index(
        "snapshots",
        "leavers",
        {"connection_id": 1, "is_reduced": 1, "detected_at": 1},
        _build_partial(status="inactive"),
    ),
    Index("mappings", "versions", {"connection_id": 1, "version": -1}, {"unique": True}),
    Index("mapping_examples", "people", {"people": 1}),
    Index("ledger", "people", _PERSON),
    Index("ledger", "retryable", _mark("retryable"), _build_partial(retryable=True)),
    Index("ledger", "due", {"connection_id": 1, "retry_due": 1}, _build_partial(retryable=True)),
    Index("ledger", "outcomes", {"connection_id": 1, "decided.outcome": 1, "_id": 1}),
    Index(
        "ledger",
        "waiting",
        {"connection_id": 1, "waiting.cause": 1, "waiting.since": 1},
        _build_partial(waiting__cause=_EXISTS),
    ),
    Index("ledger", "held_disablings", _mark("is_disabling_held"), _build_partial(is_disabling_held=True)),
    Index(
        "ledger",
        "open_references",
        {"connection_id": 1, "open_reference": 1, "manager.employee_id": 1},
        _build_partial(open_reference=True),
    ),
    Index(
        "ledger",
        "managers",
        {"connection_id": 1, "manager.employee_id": 1, "manager.account_id": 1},
        _build_partial(manager__employee_id=_EXISTS),
    ),
    Index("ledger", "account_changed", _mark("account_changed"), _build_partial(account_changed=True)),
    Index("ledger", "owner", {"account_id": 1, "connection_id": 1}, _build_partial(account_id=_EXISTS)),
    Index("ledger", "blocked", {"connection_id": 1, "blocked_by": 1}, _build_partial(blocked_by=_EXISTS)),
    Index("ledger", "conflicts", _PERSON, _build_partial(blocked_by=_EXISTS)),
    Index("ledger", "looks", {"look_due": 1}, _build_partial(look_due=_EXISTS)),
    Index("ledger", "looks_of_connection", {"connection_id": 1, "look_due": 1}, _build_partial(look_due=_EXISTS)),
    Index("ledger", "refused", _PERSON | {"oldest_refusal": 1}, _build_partial(oldest_refusal=_EXISTS)),
    Index("claims", "owner", {"owner": 1}),
    Index("links", "people", {"person": 1}),
    Index("links", "former_owners", {"connection_id": 1, "former_owner": 1}, _build_partial(former_owner=_EXISTS)),
    Index("links", "open", _mark("open"), _build_partial(open=True)),
    Index("damage", "connections", _PERSON),
    Index("verifications", "steps", {"connection_id": 1, "of_run": 1, "_id": 1}),
    Index("tasks", "once", {"connection_id": 1, "once": 1}, {"unique": True} | _build_partial(once=_EXISTS)),
    Index("tasks", "open", {"state": 1, "connection_id": 1, "filed": 1, "_id": 1}),
    Index("tasks", "connection", {"connection_id": 1}),
    Index("tasks", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
    Index("runs", "newest", {"connection_id": 1, "started": -1, "_id": -1}),
    Index("runs", "running", {"connection_id": 1}, _build_partial(state="running")),
    Index("runs", "held", {"connection_id": 1}, _build_partial(state="held")),
    Index("runs", "releasing", {"connection_id": 1}, _build_partial(state="releasing")),
    Index("runs", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
    Index("observations", "runs", {"run_id": 1, "_id": 1}),
    Index("observations", "connections", {"connection_id": 1, "run_id": 1}),
    Index("observations", "people", {"person": 1}),
    Index("observations", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
    Index("forgotten", "expiry", {"expires": 1}, {"expireAfterSeconds": 0}),
)
"""Every index of the product."""


async def ensure_index(collection: Collection, index: Index) -> str | None:
    """Creates the index, or rebuilds an index with another definition or an outdated name.

    Returns a line for the output of ``init``; None if the index existed already.
    """
    with translate_errors():
        existing = await collection.motor.index_information()
        try:
            await _create(collection, index)
        except OperationFailure as error:
            conflicting = _find_conflicting(index, existing)
            if error.code not in _OTHER_DEFINITION or not conflicting:
                raise translate(error) from None
            for name in conflicting:
                await collection.motor.drop_index(name)
            await _create(collection, index)
            return f"rebuilt index {index.collection}.{index.name}"
    return None if index.name in existing else f"created index {index.collection}.{index.name}"


async def find_missing(collection: Collection, indexes: Iterable[Index]) -> tuple[str, ...]:
    """Returns the names of those indexes of the collection that do not exist, or have another definition."""
    with translate_errors():
        existing = await collection.motor.index_information()
    return tuple(
        f"{index.collection}.{index.name}" for index in indexes if not _is_defined(index, existing.get(index.name, {}))
    )


def _is_defined(index: Index, entry: Mapping[str, Any]) -> bool:
    """Whether an index of MongoDB has these keys and options."""
    return {**index.options, "key": list(index.keys.items())} == {
        name: list(value) if name == "key" else value for name, value in entry.items() if name != "v"
    }


def _find_conflicting(index: Index, existing: Mapping[str, Any]) -> list[str]:
    """Returns the name of the existing index, or else the outdated names of indexes over the same fields."""
    if index.name in existing:
        return [index.name]
    current = {other.name for other in INDEXES if other.collection == index.collection}
    keys = list(index.keys.items())
    return [name for name, entry in existing.items() if name not in current and list(entry["key"]) == keys]


async def _create(collection: Collection, index: Index) -> None:
    with pymongo.timeout(_BUILD_SECONDS):
        await collection.motor.create_index(list(index.keys.items()), name=index.name, **index.options)
