"""The ledger: one entry per employee. Each write is conditional on the previous one."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError
from pymongo import InsertOne, ReplaceOne, UpdateOne

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import WaitingCause
from services.store.collection import Collection, Document
from services.store.damaged import COUNTABLE, parse_keys, select_named
from services.store.settlement_marks import SettlementMarks

logger = logging.getLogger(__name__)

_DECISIONS = (
    "decided",
    "applied",
    "waiting",
    "replaced",
    "blocked_by",
    "blocked_name",
    "refused",
    "oldest_refusal",
    "retry_due",
    "manager",
    "open_reference",
    "is_disabling_held",
    "disabling_allowed_from",
)
"""What ``reset`` removes from an entry."""
_RELEASED = {"cause": WaitingCause.BACKLOG.value, "attempts": 0, "retry_at": None}
"""What changes of a held change that was released: writers take it as soon as they have room."""


class Ledger:
    """The entries of all employees. Each write is conditional on the ``seq`` of the stored entry."""

    def __init__(self, collection: Collection, marks: SettlementMarks) -> None:
        """``marks`` tell the snapshots what is written here."""
        self._collection = collection
        self._marks = marks

    async def get(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the entry of one person; None if it does not exist."""
        return (await self.read([person])).get(person)

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people. Sends one query.

        An entry with invalid fields has the valid ones, and ``damage``. It does not affect the other entries of the query.
        """
        documents = await self._collection.find({"_id": {"$in": [str(person) for person in set(people)]}})
        return {entry.person: entry for entry in map(read_entry, documents)}

    async def find_by_accounts(
        self, connection: ConnectionId, accounts: Iterable[AccountId]
    ) -> dict[AccountId, EmployeeId]:
        """Returns the employees of a connection that have one of these accounts. Sends one query."""
        # without a condition on the connection, MongoDB can only use the index of the accounts
        found = await self._collection.find(
            {"account_id": {"$in": sorted(set(accounts))}}, fields=["account_id", "connection_id"]
        )
        documents = [
            document for document in select_named(found, "account_id") if document.get("connection_id") == connection
        ]
        accounts_by_id = {document["_id"]: AccountId(document["account_id"]) for document in documents}
        return {accounts_by_id[str(person)]: person.employee_id for person in parse_keys(documents)}

    async def note_waiting(self, waiting: Mapping[PersonKey, Waiting]) -> None:
        """Notes that changes wait, without a look at the entries. Nothing else of them changes; missing ones are created.

        An entry with a newer change stays as it is. Increases ``seq``, so that a concurrent write of the same entry fails.
        """
        await self._collection.write_bulk([_build_waiting(person, change) for person, change in waiting.items()])

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if the stored ``seq`` is one below. An entry with ``seq`` 1 must not exist yet.

        Returns the people with an entry that another writer has changed; their new entry is not written. Repeating a
        call after a lost answer is safe. Raises ``ValueError`` for two entries of one person.
        """
        if len({entry.person for entry in entries}) != len(entries):
            raise ValueError("a batch holds one entry per person: pass only the last one")
        result = await self._collection.write_bulk([_build_write(entry) for entry in entries])
        updates = sum(entry.seq > 1 for entry in entries)
        doubtful = [
            entry
            for index, entry in enumerate(entries)
            if index in result.duplicates or (entry.seq > 1 and result.matched < updates)
        ]
        stored = await self.read(entry.person for entry in doubtful) if doubtful else {}
        lost = frozenset(entry.person for entry in doubtful if stored.get(entry.person) != entry)
        await self._marks.note(entry for entry in entries if entry.person not in lost)
        return lost

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries for verification, so that the next writer looks up the live account.

        Creates missing entries. Increases ``seq``, so that a concurrent write of the same entry fails.
        """
        await self._collection.write_bulk([_build_verify(person) for person in set(people)])

    async def mark_lost(self, entries: Sequence[LedgerEntry]) -> None:
        """Marks entries for verification with a new state that was not written, because another writer changed them.

        Keeps what the unwritten entries know of writes without an answer: the attempted creates, and ``look_at`` if it is
        later than the stored one.
        """
        await self._collection.write_bulk([_build_lost(entry) for entry in entries])

    async def allow_disabling(self, revisions: Mapping[PersonKey, int]) -> None:
        """Notes that an administrator has decided to disable the accounts of these employees, from this revision on.

        A change that the brake holds is retried now. Missing entries stay missing. Increases ``seq``, so that a concurrent write
        of the same entry fails.
        """
        await self._collection.write_bulk([_build_allowed(person, revision) for person, revision in revisions.items()])

    async def forget_applied(self, connection: ConnectionId) -> int:
        """Removes every ``applied``, so that the next change compares the live account. Returns the number of entries."""
        return await self._collection.update_all(
            {"connection_id": connection}, {"$unset": {"applied": True}, "$inc": {"seq": 1}}
        )

    async def reset(self, person: PersonKey) -> bool:
        """Forgets what was decided for one person. Returns False if no entry exists.

        The known account stays, and is marked for verification. Increases ``seq``, so that a concurrent write of the same
        entry fails. A damaged entry also loses its invalid fields.
        """
        forgotten = dict.fromkeys(_DECISIONS, True)
        await self._marks.forget_decision(person)
        document = await self._collection.find_one({"_id": str(person)}) or {}
        if invalid := _find_invalid(document):
            entry = read_entry(document)
            kept = {"connection_id": entry.connection_id, "employee_id": entry.employee_id, "seq": entry.seq + 1}
            forgotten |= dict.fromkeys(invalid - kept.keys(), True)
            change = {"$set": {"verify": True, "retryable": True, **kept}, "$unset": forgotten}
            return await self._collection.update({"_id": str(person), "seq": document.get("seq")}, change)
        return await self._collection.update(
            {"_id": str(person)},
            {"$set": {"verify": True, "retryable": True}, "$unset": forgotten, "$inc": {"seq": 1}},
        )

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Removes the account from an entry that has it: another employee owns the account now.

        Increases ``seq``, so that a concurrent write of the same entry fails. Does nothing for an entry with another account.
        """
        if await self._collection.update(
            {"_id": str(person), "account_id": account},
            {"$unset": {"account_id": True, "applied": True, "enabled": True}, "$inc": {"seq": 1}},
        ):
            await self._marks.forget_account(person)


def read_entry(document: Document) -> LedgerEntry:
    """Returns the entry of a document. A damaged one has its valid fields only, and ``damage`` names the others."""
    invalid = _find_invalid(document)
    if not invalid:
        return LedgerEntry.model_validate(document)
    person = PersonKey.parse(document["_id"])
    valid = {name: value for name, value in document.items() if name not in invalid}
    damage = ", ".join(sorted(invalid))
    logger.warning("ledger entry has invalid fields: %s", damage, extra={"person": str(person)})
    identity = {"connection_id": person.connection_id, "employee_id": person.employee_id}
    return LedgerEntry.model_validate({**valid, **identity, "damage": damage})


def _find_invalid(document: Document) -> frozenset[str]:
    """Returns the names of the invalid fields of an entry."""
    if not document:
        return frozenset()
    try:
        LedgerEntry.model_validate(document)
    except ValidationError as error:
        return frozenset(str(problem["loc"][0]) for problem in error.errors(include_input=False, include_url=False))
    return frozenset()


def _build_waiting(person: PersonKey, waiting: Waiting) -> UpdateOne:
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


def _build_write(entry: LedgerEntry) -> InsertOne[Document] | ReplaceOne[Document] | UpdateOne:
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


def _build_verify(person: PersonKey) -> UpdateOne:
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


def _build_allowed(person: PersonKey, revision: int) -> UpdateOne:
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


def _build_lost(entry: LedgerEntry) -> UpdateOne:
    """Adds what the unwritten entry knows to the stored one. The later of two times for a look counts."""
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
