"""One collection of MongoDB, with the commands that the repositories need.

Every error of the driver becomes one of ours, and no type of the driver's results leaves this module.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from motor.motor_asyncio import AsyncIOMotorClientSession, AsyncIOMotorCollection
from pydantic import BaseModel, ValidationError
from pymongo import InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from services.contracts.leases import Fence
from services.store.errors import StoreFailedError, StoreUnavailableError
from services.store.translation import DUPLICATE_KEY, translate, translate_errors

Document: TypeAlias = dict[str, Any]
"""A stored document."""
Filter: TypeAlias = Mapping[str, Any]
"""The condition that selects documents."""
Update: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A change of documents: update operators, or a pipeline."""
Session: TypeAlias = AsyncIOMotorClientSession
"""The session of a transaction, from ``Store.transaction``."""


@dataclass(frozen=True, slots=True)
class ChangeOne:
    """A change of one document in a bulk. A fence guards it."""

    where: Filter
    """The condition that selects the document."""
    change: Update
    """What changes."""


@dataclass(frozen=True, slots=True)
class ChangeAll:
    """A change of all matching documents in a bulk. A fence guards it."""

    where: Filter
    """The condition that selects the documents."""
    change: Update
    """What changes."""


Operation: TypeAlias = ChangeOne | ChangeAll | InsertOne[Document] | ReplaceOne[Document] | UpdateOne | UpdateMany
"""One write of a bulk. Those of the driver's own types may insert a document, and no fence guards them."""

M = TypeVar("M", bound=BaseModel)

PAGE_SIZE = 500
"""Number of documents per query while paging."""
FIRST_BATCH = 10 * PAGE_SIZE
"""Number of documents in the first answer to a query. With its default of 101, MongoDB is asked twice for a page."""


def to_model(model: type[M], document: Document) -> M:
    """Returns the model of a document.

    Raises ``StoreFailedError`` for an invalid document; the message names the document and its invalid fields.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise StoreFailedError(
            f"the stored {model.__name__} {document.get('_id')} has invalid fields ({', '.join(fields)})"
        ) from None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The result of a bulk write."""

    matched: int
    """Number of documents that the updates and replacements matched."""
    duplicates: frozenset[int]
    """Positions of the inserts with an id that already exists."""


class Collection:
    """A collection. Its read and write concern are ``majority``; ``Store`` sets them.

    With a fence, changes and deletions that arrive after the end of the lease match no document, and raise the error of the
    fence. Inserts are not guarded: MongoDB allows no expression in their filters.
    """

    def __init__(self, motor: AsyncIOMotorCollection[Document], fence: Fence | None = None) -> None:
        """``fence`` is that of the work that uses this collection; None guards nothing."""
        self.motor = motor
        self.name = motor.name
        self._fence = fence

    async def find_one(self, where: Filter, fields: Sequence[str] | None = None) -> Document | None:
        """Returns one matching document, reduced to ``fields``; None if no document matches."""
        with translate_errors():
            return await self.motor.find_one(where, fields)

    async def find(
        self,
        where: Filter,
        *,
        fields: Sequence[str] | None = None,
        sort: Mapping[str, int] | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """Returns the matching documents, reduced to ``fields``. A limit of 0 returns all of them."""
        with translate_errors():
            order = list(sort.items()) if sort else None
            cursor = self.motor.find(where, fields, sort=order, limit=limit, batch_size=FIRST_BATCH)
            return await cursor.to_list(None)

    async def iterate_pages(
        self, where: Filter, *, fields: Sequence[str] | None = None, size: int = PAGE_SIZE
    ) -> AsyncIterator[list[Document]]:
        """Yields all matching documents in the order of ``_id``. Each page is a query of its own.

        The server closes a cursor after ten idle minutes, and the caller may take longer for one page.
        """
        after: list[Filter] = []
        # combined with $and, because the filter can have its own condition on _id
        while page := await self.find({"$and": [where, *after]}, fields=fields, sort={"_id": 1}, limit=size):
            yield page
            if len(page) < size:
                return
            after = [{"_id": {"$gt": page[-1]["_id"]}}]

    async def count(self, where: Filter) -> int:
        """Returns the number of matching documents."""
        with translate_errors():
            return await self.motor.count_documents(where)

    async def distinct(self, field: str, where: Filter) -> list[Any]:
        """Returns the different values of a field in the matching documents."""
        with translate_errors():
            values: list[Any] = await self.motor.distinct(field, where)
            return values

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Returns the result of an aggregation pipeline."""
        with translate_errors():
            return await self.motor.aggregate(pipeline, allowDiskUse=True).to_list(None)

    async def insert(self, document: Document, session: Session | None = None) -> bool:
        """Inserts a document. Returns False if a unique index, such as that of ``_id``, already has its key."""
        with translate_errors():
            try:
                await self.motor.insert_one(document, session=session)
            except DuplicateKeyError:
                return False
            return True

    async def insert_new(self, document: Document, session: Session | None = None) -> None:
        """Inserts a document with a generated id. Raises ``StoreFailedError`` if the id already exists."""
        if not await self.insert(document, session):
            raise StoreFailedError(f"the id {document['_id']} already exists in {self.name}: repeat the command")

    async def update(self, where: Filter, change: Update) -> bool:
        """Changes one document. Returns False if no document matches."""
        with translate_errors(), self._ensure_held_after():
            return (await self.motor.update_one(self._guard(where), change)).matched_count == 1

    async def update_all(self, where: Filter, change: Update) -> int:
        """Changes all matching documents. Returns their number."""
        with translate_errors(), self._ensure_held_after():
            return (await self.motor.update_many(self._guard(where), change)).matched_count

    async def update_and_get(self, where: Filter, change: Update, *, insert: bool = False) -> Document | None:
        """Changes one document and returns it; None if no document matches.

        With ``insert``, inserts a missing document. Returns None if a unique index has one that does not match.
        """
        with translate_errors():
            try:
                document: Document | None = await self.motor.find_one_and_update(
                    where, change, upsert=insert, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                return None
            return document

    async def delete_all(self, where: Filter) -> int:
        """Deletes all matching documents. Returns their number."""
        with translate_errors(), self._ensure_held_after():
            return (await self.motor.delete_many(self._guard(where))).deleted_count

    async def write_bulk(self, operations: Sequence[Operation]) -> BulkResult:
        """Runs all operations in any order. An error other than an existing id fails the whole bulk."""
        if not operations:
            return BulkResult(0, frozenset())
        with translate_errors(), self._ensure_held_after():
            try:
                result = await self.motor.bulk_write([self._to_driver(one) for one in operations], ordered=False)
            except BulkWriteError as error:
                return _read_partial_result(error)
            return BulkResult(result.matched_count, frozenset())

    async def put(self, key: str, values: Mapping[str, Any]) -> None:
        """Sets fields of the document of this id, and inserts it if it does not exist. A fence guards the change."""
        if not await self.update({"_id": key}, {"$set": values}):
            await self.insert({"_id": key, **values})

    def _guard(self, where: Filter) -> Filter:
        """Returns the condition, which nothing matches after the end of the lease."""
        if self._fence is None:
            return where
        return {"$and": [where, {"$expr": {"$lt": ["$$NOW", self._fence.ends_at]}}]}

    @contextmanager
    def _ensure_held_after(self) -> Iterator[None]:
        """Raises the error of the fence after a command that MongoDB may have refused."""
        yield
        if self._fence is not None:
            self._fence.ensure_held()

    def _to_driver(self, operation: Operation) -> InsertOne[Document] | ReplaceOne[Document] | UpdateOne | UpdateMany:
        match operation:
            case ChangeOne(where, change):
                return UpdateOne(self._guard(where), change)
            case ChangeAll(where, change):
                return UpdateMany(self._guard(where), change)
            case _:
                return operation


def _read_partial_result(error: BulkWriteError) -> BulkResult:
    details = error.details
    if details.get("writeConcernErrors"):
        raise StoreUnavailableError("MongoDB cannot confirm a write now: check that a majority of the replica set runs")
    problems = details.get("writeErrors", [])
    for problem in problems:
        if problem["code"] != DUPLICATE_KEY:
            raise translate(OperationFailure("a write of a bulk", problem["code"]))
    return BulkResult(details["nMatched"], frozenset(problem["index"] for problem in problems))


def split(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yields parts of at most ``size`` keys. A command with the keys of all employees can exceed MongoDB's limit."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
