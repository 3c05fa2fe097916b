"""Marks of the dead letters that were retried. The letters are in Kafka."""

from collections.abc import Iterable
from datetime import datetime

from pymongo import UpdateOne

from services.store.collection import Collection


class DeadLetters:
    """Marks of dead letters. A letter is named by any unique string."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def filter_retried(self, letters: Iterable[str]) -> frozenset[str]:
        """Returns the letters that were retried."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(letters))}}, fields=["_id"])
        return frozenset(document["_id"] for document in documents)

    async def mark_retried(self, letters: Iterable[str], *, now: datetime) -> None:
        """Notes that the letters were retried. Keeps the time of the first retry."""
        await self._collection.write_bulk(
            [UpdateOne({"_id": letter}, {"$setOnInsert": {"retried_at": now}}, upsert=True) for letter in set(letters)]
        )
