"""One collection of MongoDB, as far as the repositories need it: every error translated, nothing of the driver out."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClientSession, AsyncIOMotorCollection
from pydantic import BaseModel, ValidationError
from pymongo import InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from services.errors import ConnectorError
from services.store.errors import StoreAccessError, StoreFailedError, StoreSetupError, StoreUnavailableError

Document: TypeAlias = dict[str, Any]
Filter: TypeAlias = Mapping[str, Any]
Update: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Session: TypeAlias = AsyncIOMotorClientSession
"""Of a transaction (``Store.together``)."""
Operation: TypeAlias = InsertOne[Document] | ReplaceOne[Document] | UpdateOne | UpdateMany

M = TypeVar("M", bound=BaseModel)

PAGE = 500

# Error codes of the server: https://www.mongodb.com/docs/manual/reference/error-codes/
_DUPLICATE_KEY = 11000
_NO_REPLICA_SET = frozenset({20, 76})
_ACCESS = frozenset({13, 18, 8000})
_REFUSED = "AuthenticationFailed"
_PASSING = frozenset(
    {6, 7, 43, 50, 64, 79, 89, 91, 100, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031}
)


def translate(error: PyMongoError) -> ConnectorError:
    """What an error of the driver means for us. Its text stays behind: it may quote documents."""
    code = error.code if isinstance(error, OperationFailure) else None
    # with several commands at once all but the first only hear that no server can be had, and why
    if code in _ACCESS or (isinstance(error, ConnectionFailure) and _REFUSED in str(error)):
        return StoreAccessError("MongoDB refuses the user in MONGODB_URL: check user, password and their rights")
    if code in _NO_REPLICA_SET:
        return StoreSetupError("MongoDB runs without a replica set: start it with --replSet, one member is enough")
    if isinstance(error, ConnectionFailure):
        return StoreUnavailableError("MongoDB does not answer: is it running, and is MONGODB_URL right?")
    if code in _PASSING or isinstance(error, WriteConcernError | ExecutionTimeout) or error.timeout:
        return StoreUnavailableError(f"MongoDB cannot do it at the moment: {type(error).__name__}, code {code}")
    return StoreFailedError(f"MongoDB refuses a command: {type(error).__name__}, code {code}")


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the driver raises into our errors."""
    try:
        yield
    except ConnectionFailure as error:
        raise translate(error) from error
    except PyMongoError as error:
        raise translate(error) from None
    except (BSONError, OverflowError) as error:
        raise StoreFailedError(f"a document cannot be stored as it is: {type(error).__name__}") from None


def to_model(model: type[M], document: Document) -> M:
    """Raises ``StoreFailedError``, naming the document and its fields, for a document of another shape."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise StoreFailedError(
            f"the stored {model.__name__} {document.get('_id')} cannot be read: {', '.join(fields)}"
        ) from None


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came of a bulk: how many documents its updates matched, and which inserts found their id taken."""

    matched: int
    duplicates: frozenset[int]


class Collection:
    """Reads see what a majority holds, writes return once a majority has them (set where the collection is made)."""

    def __init__(self, motor: AsyncIOMotorCollection[Document]) -> None:
        self.motor = motor
        self.name = motor.name

    async def find_one(self, where: Filter, fields: Sequence[str] | None = None) -> Document | None:
        with translated():
            return await self.motor.find_one(where, fields)

    async def find(
        self,
        where: Filter,
        *,
        fields: Sequence[str] | None = None,
        sort: Mapping[str, int] | None = None,
        limit: int = 0,
    ) -> list[Document]:
        with translated():
            cursor = self.motor.find(where, fields, sort=list(sort.items()) if sort else None, limit=limit)
            return await cursor.to_list(None)

    async def pages(
        self, where: Filter, *, fields: Sequence[str] | None = None, size: int = PAGE
    ) -> AsyncIterator[list[Document]]:
        """All that match, in the order of ``_id``; each page is a query of its own.

        A server's cursor dies after ten idle minutes, and whoever takes the pages may wait longer than that.
        """
        after: list[Filter] = []
        # beside the filter, not merged into it: that may have a condition on _id of its own
        while page := await self.find({"$and": [where, *after]}, fields=fields, sort={"_id": 1}, limit=size):
            yield page
            if len(page) < size:
                return
            after = [{"_id": {"$gt": page[-1]["_id"]}}]

    async def count(self, where: Filter) -> int:
        with translated():
            return await self.motor.count_documents(where)

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        with translated():
            return await self.motor.aggregate(pipeline, allowDiskUse=True).to_list(None)

    async def insert(self, document: Document, session: Session | None = None) -> bool:
        """False if a unique index, such as that of ``_id``, has it already."""
        with translated():
            try:
                await self.motor.insert_one(document, session=session)
            except DuplicateKeyError:
                return False
            return True

    async def insert_new(self, document: Document, session: Session | None = None) -> None:
        """For a document whose id was made up for it."""
        if not await self.insert(document, session):
            raise StoreFailedError(f"the id {document['_id']} is in {self.name} already")

    async def update(self, where: Filter, change: Update) -> bool:
        """Changes one document; False if none matched."""
        with translated():
            return (await self.motor.update_one(where, change)).matched_count == 1

    async def update_all(self, where: Filter, change: Update) -> int:
        """The number of documents that matched."""
        with translated():
            return (await self.motor.update_many(where, change)).matched_count

    async def changed(self, where: Filter, change: Update, *, insert: bool = False) -> Document | None:
        """Changes one document and returns it; None if none matched and none could be inserted.

        With ``insert`` a missing document is made, unless a unique index has one that did not match.
        """
        with translated():
            try:
                found: Document | None = await self.motor.find_one_and_update(
                    where, change, upsert=insert, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                return None
            return found

    async def bulk(self, operations: Sequence[Operation]) -> Bulk:
        """All operations in no order; one that fails for a reason other than a taken id fails the bulk."""
        if not operations:
            return Bulk(0, frozenset())
        with translated():
            try:
                result = await self.motor.bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                return _partial(error)
            return Bulk(result.matched_count, frozenset())


def _partial(error: BulkWriteError) -> Bulk:
    details = error.details
    if details.get("writeConcernErrors"):
        raise StoreUnavailableError("MongoDB cannot confirm a write at the moment: too few members of the replica set")
    errors = details.get("writeErrors", [])
    for problem in errors:
        if problem["code"] != _DUPLICATE_KEY:
            raise translate(OperationFailure("a write of a bulk", problem["code"]))
    return Bulk(details["nMatched"], frozenset(problem["index"] for problem in errors))
