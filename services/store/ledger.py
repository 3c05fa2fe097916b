"""The ledger: one entry per employee. Each write is conditional on the previous one."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, Waiting
from services.store.collection import Collection, Document
from services.store.damaged import parse_keys, select_named
from services.store.ledger_writes import build_allowed, build_lost, build_verify, build_waiting, build_write
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
        await self._collection.write_bulk([build_waiting(person, change) for person, change in waiting.items()])

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if the stored ``seq`` is one below. An entry with ``seq`` 1 must not exist yet.

        Returns the people with an entry that another writer has changed; their new entry is not written. Repeating a
        call after a lost answer is safe. Raises ``ValueError`` for two entries of one person.
        """
        if len({entry.person for entry in entries}) != len(entries):
            raise ValueError("a batch holds one entry per person: pass only the last one")
        result = await self._collection.write_bulk([build_write(entry) for entry in entries])
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
        await self._collection.write_bulk([build_verify(person) for person in set(people)])

    async def mark_lost(self, entries: Sequence[LedgerEntry]) -> None:
        """Marks entries for verification with a new state that was not written, because another writer changed them.

        Keeps what the unwritten entries know of writes without an answer: the attempted creates, and ``look_at`` if it is
        later than the stored one.
        """
        await self._collection.write_bulk([build_lost(entry) for entry in entries])

    async def allow_disabling(self, revisions: Mapping[PersonKey, int]) -> None:
        """Notes that an administrator has decided to disable the accounts of these employees, from this revision on.

        A change that the brake holds is retried now. Missing entries stay missing. Increases ``seq``, so that a concurrent write
        of the same entry fails.
        """
        await self._collection.write_bulk([build_allowed(person, revision) for person, revision in revisions.items()])

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
    try:
        return LedgerEntry.model_validate(document)
    except ValidationError as error:
        invalid = _list_invalid(error)
    person = PersonKey.parse(document["_id"])
    valid = {name: value for name, value in document.items() if name not in invalid}
    damage = ", ".join(sorted(invalid))
    logger.warning("ledger entry has invalid fields: %s", damage, extra={"person": str(person)})
    identity = {"connection_id": person.connection_id, "employee_id": person.employee_id}
    return LedgerEntry.model_validate({**valid, **identity, "damage": damage})


def _find_invalid(document: Document) -> frozenset[str]:
    """Returns the names of the invalid fields of an entry; none without a document."""
    if not document:
        return frozenset()
    try:
        LedgerEntry.model_validate(document)
    except ValidationError as error:
        return _list_invalid(error)
    return frozenset()


def _list_invalid(error: ValidationError) -> frozenset[str]:
    return frozenset(str(problem["loc"][0]) for problem in error.errors(include_input=False, include_url=False))
