"""The records that the writers have in progress, one range for each partition of the topic of requests."""

from collections.abc import Sequence

from pymongo import ReplaceOne

from services.contracts.claims import WorkRange
from services.contracts.topics import Topic
from services.store.collection import Collection, Document
from services.store.damaged import read_valid


class WorkRanges:
    """The ranges of all partitions."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def begin(self, ranges: Sequence[WorkRange]) -> dict[int, WorkRange]:
        """Stores the records in progress, one range for each partition. Returns the ranges that were stored before.

        A stored range that ends after the new one keeps its end: an earlier writer may have sent requests for all of its
        records, also for those of a later batch. In place of a damaged range, the new one is returned: an earlier writer may
        have sent requests for all of its records.
        """
        documents = await self._collection.find({"_id": {"$in": [_build_key(work.partition) for work in ranges]}})
        by_key = {document["_id"]: document for document in documents}
        stored = {
            work.partition: _read(by_key[key], work) for work in ranges if (key := _build_key(work.partition)) in by_key
        }
        await self._collection.write_bulk([_build_write(extend(work, stored.get(work.partition))) for work in ranges])
        return stored


def extend(work: WorkRange, stored: WorkRange | None) -> WorkRange:
    """Returns the new range, up to the end of the stored one if the stored one contains the last new record."""
    if stored is None or not stored.contains(work.last_offset, work.timestamp_ms):
        return work
    return work.model_copy(update={"last_offset": stored.last_offset, "timestamp_ms": stored.timestamp_ms})


def _read(document: Document, work: WorkRange) -> WorkRange:
    return next(read_valid(WorkRange, [document]), work)


def _build_key(partition: int) -> str:
    return f"{Topic.ACCOUNTS_REQUESTED.value}/{partition}"


def _build_write(work: WorkRange) -> ReplaceOne[Document]:
    key = _build_key(work.partition)
    return ReplaceOne({"_id": key}, {"_id": key, **work.model_dump(mode="json")}, upsert=True)
