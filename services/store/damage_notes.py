"""Notes about documents that a service could not read, so that ``status`` and ``people list`` report them without a scan."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from pymongo import UpdateOne

from services.contracts.damage import Damage, DocumentKind
from services.contracts.ids import ConnectionId, PersonKey
from services.store.collection import Collection, Document
from services.store.damaged import read_valid
from services.store.errors import EncryptionKeyError, StoreFailedError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Check: TypeAlias = Callable[[Document], object]
"""Reads a document. Raises ``StoreFailedError`` or ``EncryptionKeyError`` if it cannot be read."""
MAX_NOTES = 1_000
"""Maximum number of notes that one call looks at. Each is looked up, so that a repaired document is no longer reported."""


class Readings(NamedTuple, Generic[T]):
    """What was read of several documents."""

    valid: list[T]
    """What the valid documents contain, in their order."""
    problems: dict[str, str]
    """What is wrong with the others and what to do, by their ``_id`` as text."""


class DamageNotes:
    """The notes of all connections, one document for each damaged one."""

    def __init__(self, collection: Collection, documents: Callable[[str], Collection]) -> None:
        """``documents`` returns the collection of this name."""
        self._collection = collection
        self._documents = documents
        self._checks: dict[DocumentKind, Check] = {}

    def add_check(self, kind: DocumentKind, check: Check) -> None:
        """Sets how documents of this kind are read."""
        self._checks[kind] = check

    async def read_all(
        self, kind: DocumentKind, documents: Iterable[Document], read: Callable[[Document], T]
    ) -> Readings[T]:
        """Reads each document with ``read``. The damaged ones are logged, noted and left out."""
        valid: list[T] = []
        damaged: list[tuple[Document, str]] = []
        for document in documents:
            try:
                valid.append(read(document))
            except (StoreFailedError, EncryptionKeyError) as error:
                damaged.append((document, describe_problem(kind, error)))
        await self._note(kind, damaged)
        return Readings(valid, {str(document["_id"]): problem for document, problem in damaged})

    async def _note(self, kind: DocumentKind, damaged: Iterable[tuple[Document, str]]) -> None:
        writes: list[UpdateOne] = []
        for document, problem in damaged:
            owner = _find_owner(kind, document)
            logger.warning("a document cannot be read: %s", problem, extra=owner)
            if owner:
                values = {"kind": kind.value, "document": document["_id"], "problem": problem, **owner}
                literal = {name: {"$literal": value} for name, value in values.items()}
                since = {"$ifNull": ["$since", "$$NOW"]}
                key = f"{kind.value}/{document['_id']}"
                writes.append(UpdateOne({"_id": key}, [{"$set": {**literal, "since": since}}], upsert=True))
        await self._collection.write_bulk(writes)

    async def list_all(self, connection: ConnectionId | None = None) -> tuple[Damage, ...]:
        """Returns the documents of a connection, or of all, that still cannot be read. Removes the other notes."""
        where = {"connection_id": {"$gt": ""} if connection is None else connection}
        found = await self._collection.find(where, sort={"connection_id": 1, "_id": 1}, limit=MAX_NOTES)
        ids: dict[DocumentKind, list[Any]] = defaultdict(list)
        notes = list(read_valid(Damage, found))
        for note in notes:
            ids[note.kind].append(note.document)
        damaged = {(kind, key) for kind, keys in ids.items() for key in await self._check(kind, keys)}
        repaired = [note for note in notes if (note.kind, note.document) not in damaged]
        if repaired:
            await self._collection.delete_all({"_id": {"$in": [f"{note.kind}/{note.document}" for note in repaired]}})
        return tuple(note for note in notes if note not in repaired)

    async def _check(self, kind: DocumentKind, keys: list[str]) -> frozenset[str]:
        """Returns those of the documents that exist and cannot be read."""
        damaged: set[str] = set()
        for document in await self._documents(kind.value).find({"_id": {"$in": keys}}):
            try:
                self._checks[kind](document)
            except (StoreFailedError, EncryptionKeyError):
                damaged.add(document["_id"])
        return frozenset(damaged)


def describe_problem(kind: DocumentKind, error: StoreFailedError | EncryptionKeyError) -> str:
    """Returns what is wrong with a document and what to do. An error of a secret says itself what to do."""
    return str(error) if isinstance(error, EncryptionKeyError) else f"{error}: {kind.next_step}"


def _find_owner(kind: DocumentKind, document: Document) -> Mapping[str, str]:
    """Returns the fields that name the owner; none if the document has no valid id."""
    key = document["_id"]
    if not isinstance(key, str):
        return {}
    match kind:
        case DocumentKind.CONNECTION:
            return {"connection_id": key}
        case DocumentKind.SNAPSHOT | DocumentKind.LINK:
            try:
                person = PersonKey.parse(key)
            except ValueError:
                return {}
            # the key of a decision has a hash behind the employee id
            employee = person.employee_id if kind is DocumentKind.SNAPSHOT else person.employee_id.rpartition("/")[0]
            return {"connection_id": person.connection_id, "employee_id": employee}
        case _:
            connection = document.get("connection_id")
            return {"connection_id": connection} if isinstance(connection, str) else {}
