"""The writes of ledger entries, as operations of MongoDB. Pure."""

from pymongo import InsertOne, ReplaceOne, UpdateOne

from services.contracts.ids import PersonKey
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import WaitingCause
from services.store.collection import Document
from services.store.damaged import COUNTABLE

_RELEASED = {"cause": WaitingCause.BACKLOG.value, "attempts": 0, "retry_at": None}
"""What changes of a held change that was released: writers take it as soon as they have room."""


def build_waiting(person: PersonKey, waiting: Waiting) -> UpdateOne:
    """Returns the write that notes a waiting change, unless the entry has a newer one.

    An undecided change that it replaces is kept in ``replaced``.
    """
    version = {"$literal": list(waiting.version)}
    decided = [{"$ifNull": ["$decided.revision", 0]}, {"$ifNull": ["$decided.mapping_version", 0]}]
    is_undecided = {"$and": [{"$gt": ["$waiting.version", decided]}, {"$lt": ["$waiting.version", version]}]}
    earlier = {"$ifNull": ["$replaced", []]}
    changes = {
        "connection_id": {"$ifNull": ["$connection_id", {"$literal": person.connection_id}]},
        "employee_id": {"$ifNull": ["$employee_id", {"$literal": person.employee_id}]},
        "waiting": {"$literal": waiting.model_dump(mode="json", exclude_none=True)},
        "replaced": {"$cond": [is_undecided, {"$concatArrays": [earlier, ["$waiting"]]}, earlier]},
        "retryable": True,
        "retry_due": waiting.retry_at,
        "seq": {"$cond": [{"$isNumber": "$seq"}, {"$add": ["$seq", 1]}, {"$ifNull": ["$seq", 1]}]},
    }
    is_older = {"$or": [{"$gt": ["$waiting.version", version]}, {"$gt": [decided, version]}]}
    replacement = {"$cond": [is_older, "$$ROOT", {"$mergeObjects": ["$$ROOT", changes]}]}
    return UpdateOne({"_id": str(person)}, [{"$replaceWith": replacement}], upsert=True)


def build_write(entry: LedgerEntry) -> InsertOne[Document] | ReplaceOne[Document] | UpdateOne:
    """Returns the write of an entry if the stored ``seq`` is one below; with ``seq`` 1 it must not exist yet."""
    document = {
        "_id": str(entry.person),
        **entry.model_dump(mode="json", exclude_none=True),
        "retryable": entry.is_retryable,
    }
    # The times of the model are text, which has no order across time zones: these are times of MongoDB.
    if entry.look_at is not None:
        document["look_due"] = entry.look_at
    if entry.waiting is not None and entry.waiting.retry_at is not None:
        document["retry_due"] = entry.waiting.retry_at
    if entry.refused:
        document["oldest_refusal"] = min(field.tried_at for field in entry.refused)
    if entry.has_open_reference:
        document["open_reference"] = True
    if entry.seq == 1:
        return InsertOne(document)
    previous = {"_id": document["_id"], "seq": entry.seq - 1}
    if entry.account_id is None:
        return ReplaceOne(previous, document)
    # reports can be written with the former account: the mark stays until ``FollowUps`` has found none of them
    is_other = {"$ne": ["$account_id", {"$literal": entry.account_id}]}
    mark = {"account_changed": {"$cond": [is_other, True, "$account_changed"]}}
    return UpdateOne(previous, [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, mark]}}])


def build_verify(person: PersonKey) -> UpdateOne:
    """Returns the write that marks an entry, so that the live account is looked up. It adds a missing entry."""
    identity = {"connection_id": person.connection_id, "employee_id": person.employee_id}
    return UpdateOne(
        {"_id": str(person), **COUNTABLE},
        {
            "$set": {"verify": True, "retryable": True},
            "$unset": {"retry_due": True},
            "$inc": {"seq": 1},
            "$setOnInsert": identity,
        },
        upsert=True,
    )


def build_allowed(person: PersonKey, revision: int) -> UpdateOne:
    """Returns the write that allows to disable an account from this revision on. A change that the brake holds is retried now."""
    is_held = {"$eq": ["$waiting.cause", WaitingCause.DISABLING_HELD.value]}
    changes = {
        "disabling_allowed_from": revision,
        "is_disabling_held": False,
        "waiting": {"$cond": [is_held, {"$mergeObjects": ["$waiting", _RELEASED]}, "$waiting"]},
        "retryable": {"$cond": [is_held, True, "$retryable"]},
        "retry_due": {"$cond": [is_held, "$$REMOVE", "$retry_due"]},
        "seq": {"$add": [{"$ifNull": ["$seq", 0]}, 1]},
    }
    return UpdateOne({"_id": str(person), **COUNTABLE}, [{"$set": changes}])


def build_lost(entry: LedgerEntry) -> UpdateOne:
    """Returns the write that adds what an unwritten entry knows to the stored one, and marks it.

    The later of two times for a look counts.
    """
    document = entry.model_dump(mode="json", include={"attempted", "suspected_since"}, exclude_none=True)
    changes: Document = {name: {"$literal": value} for name, value in document.items()}
    if entry.look_at is not None:
        text = entry.model_dump(mode="json", include={"look_at"})["look_at"]
        # in the order of MongoDB, a missing time is below each time
        changes["look_at"] = {"$cond": [{"$gt": [entry.look_at, "$look_due"]}, {"$literal": text}, "$look_at"]}
        changes["look_due"] = {"$max": ["$look_due", entry.look_at]}
    if entry.attempted_names:
        known = {"$ifNull": ["$attempted_names", []]}
        names = {"$literal": list(entry.attempted_names)}
        unknown = {"$filter": {"input": names, "cond": {"$not": {"$in": ["$$this", known]}}}}
        changes["attempted_names"] = {"$concatArrays": [known, unknown]}
    marks = {"verify": True, "retryable": True, "seq": {"$add": ["$seq", 1]}}
    return UpdateOne({"_id": str(entry.person)}, [{"$set": marks | changes}])
