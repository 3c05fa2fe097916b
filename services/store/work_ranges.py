"""The records that the writers have in progress, one range for each partition of the topic of requests."""

from collections.abc import Sequence
from typing import Any

from pymongo import UpdateOne

from services.contracts.topics import Topic
from services.contracts.work_ranges import WorkRange
from services.store.collection import Collection, Document
from services.store.damaged import read_valid

NUMBERS = ("first_offset", "last_offset", "timestamp_ms")
"""The fields of a range. One that is not a number is damaged."""


class WorkRanges:
    """The ranges of all partitions."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def begin(self, ranges: Sequence[WorkRange]) -> dict[int, WorkRange]:
        """Stores the records in progress, one range for each partition. Returns the ranges that were stored before.

        A range is joined with the one that is stored when it is written: another writer may have stored its own after this one
        has read. What is read is enough: a writer stores its range before it sends requests. In place
        of a damaged range, the new one is returned: an earlier writer may have sent requests for all of its records.
        """
        if not ranges:
            return {}
        documents = await self._collection.find({"_id": {"$in": [_build_key(work.partition) for work in ranges]}})
        by_key = {document["_id"]: document for document in documents}
        await self._collection.write_bulk([_build_write(work) for work in ranges])
        return {
            work.partition: _read(by_key[key], work) for work in ranges if (key := _build_key(work.partition)) in by_key
        }


def _read(document: Document, work: WorkRange) -> WorkRange:
    return next(read_valid(WorkRange, [document]), work)


def _build_key(partition: int) -> str:
    return f"{Topic.ACCOUNTS_REQUESTED.value}/{partition}"


def _build_write(work: WorkRange) -> UpdateOne:
    """Returns the update that joins the stored range with the new one, or replaces it if the new one lies behind it or in a new log.

    The stored one may be that of the present owner of the partition, and the new one that of a writer that was suspended before
    it could store it. A damaged range is replaced.
    """
    key = _build_key(work.partition)
    new: dict[str, Any] = {"_id": key, **work.model_dump(mode="json")}
    joined = new | {
        "first_offset": {"$min": ["$first_offset", work.first_offset]},
        "last_offset": {"$max": ["$last_offset", work.last_offset]},
        "timestamp_ms": {"$max": ["$timestamp_ms", work.timestamp_ms]},
    }
    is_joined = [
        *({"$isNumber": f"${name}"} for name in NUMBERS),
        {"$lte": [work.first_offset, "$last_offset"]},
        {"$or": [{"$gt": [work.last_offset, "$last_offset"]}, {"$lte": [work.timestamp_ms, "$timestamp_ms"]}]},
    ]
    replacement = {"$cond": [{"$and": is_joined}, joined, {"$literal": new}]}
    return UpdateOne({"_id": key}, [{"$replaceWith": replacement}], upsert=True)
