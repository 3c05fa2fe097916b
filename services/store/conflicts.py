"""Queries about employees with a wanted e-mail address that another account has. Pipelines over the ledger."""

from collections.abc import Mapping
from typing import Any

from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Outcome
from services.store.collection import Document

LONGEST_EXCHANGE = 12
"""Maximum number of employees that exchange their e-mail addresses in one cycle."""
_NO_STRUCTURE = {"$not": {"$type": ["object", "array"]}}
"""A value that ``$toLower`` accepts: it fails the whole query for any other one, which only a damaged document has."""
_HAS_OTHER_NAME = {"$ne": ["$current", {"$toLower": "$blocked_name"}]}


def build_unblocked_pipeline(ledger: str, connection: ConnectionId, among: Mapping[str, Any]) -> list[Document]:
    """Returns the query for blocked employees of ``among`` if the conflicting account has another user name now.

    ``ledger`` is the name of the collection.
    """
    return [
        {
            "$match": {
                "connection_id": connection,
                "blocked_by": {"$exists": True},
                "blocked_name": _NO_STRUCTURE,
                **among,
            }
        },
        {
            "$lookup": {
                "from": ledger,
                "localField": "blocked_by",
                "foreignField": "account_id",
                "pipeline": [
                    {"$match": {"connection_id": connection, "user_name": _NO_STRUCTURE}},
                    {"$project": {"user_name": True}},
                ],
                "as": "blockers",
            }
        },
        {"$set": {"current": {"$toLower": {"$first": "$blockers.user_name"}}}},
        {"$match": {"$expr": {"$and": [{"$ne": ["$current", ""]}, _HAS_OTHER_NAME]}}},
        {"$project": {"_id": True}},
        {"$sort": {"_id": 1}},
    ]


def build_exchange_pipeline(ledger: str, connection: ConnectionId, among: Mapping[str, Any]) -> list[Document]:
    """Returns the query for rejected employees of ``among`` that block each other in a cycle.

    Follows from each employee to the owner of the blocking account, at most ``LONGEST_EXCHANGE`` times. A cycle leads back to
    the employee. ``ledger`` is the name of the collection.
    """
    rejected = {
        "connection_id": connection,
        "decided.outcome": Outcome.REJECTED.value,
        "blocked_by": {"$exists": True},
    }
    return [
        {"$match": {**rejected, **among}},
        {"$project": {"blocked_by": True}},
        {
            "$graphLookup": {
                "from": ledger,
                "startWith": "$blocked_by",
                "connectFromField": "blocked_by",
                "connectToField": "account_id",
                "maxDepth": LONGEST_EXCHANGE - 1,
                "restrictSearchWithMatch": rejected,
                "as": "blockers",
            }
        },
        {"$match": {"$expr": {"$in": ["$_id", "$blockers._id"]}}},
        {"$project": {"_id": True}},
        {"$sort": {"_id": 1}},
    ]
