"""Which dead letters were retried. The letters themselves are in Kafka."""

from collections.abc import Iterable
from datetime import datetime

from pymongo import UpdateOne

from services.store.collection import Collection


class DeadLetters:
    """Marks of dead letters, by whatever tells one from another; opaque here."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def retried(self, letters: Iterable[str]) -> frozenset[str]:
        documents = await self._collection.find({"_id": {"$in": sorted(set(letters))}}, fields=["_id"])
        return frozenset(document["_id"] for document in documents)

    async def mark_retried(self, letters: Iterable[str], *, now: datetime) -> None:
        """The time of the first retry is kept."""
        await self._collection.bulk(
            [UpdateOne({"_id": letter}, {"$setOnInsert": {"retried_at": now}}, upsert=True) for letter in set(letters)]
        )
