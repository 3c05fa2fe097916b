"""Marks of forgotten employees and connections, so that neither a replay nor a retry brings their recorded events back."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pymongo import UpdateOne

from services.contracts.ids import ConnectionId, PersonKey
from services.store.collection import Collection, Document


class Forgotten:
    """The marks. Each holds a hash in place of the ids, and ends when Kafka has deleted the last record of that time."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def mark(self, names: Iterable[PersonKey | ConnectionId], *, now: datetime, until: datetime) -> None:
        """Notes that employees, or all employees of a connection, were forgotten at ``now``. A later time replaces it."""
        times = {"forgotten_at": now, "expires": until}
        await self._collection.write_bulk(
            [UpdateOne({"_id": hash_name(name)}, {"$max": times}, upsert=True) for name in set(names)]
        )

    async def find(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, datetime]:
        """Returns when those of the employees were forgotten that were, alone or with their connection. Sends one query."""
        names = {person: (hash_name(person), hash_name(person.connection_id)) for person in set(people)}
        keys = sorted({key for pair in names.values() for key in pair})
        documents = await self._collection.find({"_id": {"$in": keys}}) if keys else []
        times = {document["_id"]: _read_time(document) for document in documents}
        found = {person: [times[key] for key in pair if key in times] for person, pair in names.items()}
        return {person: max(moments) for person, moments in found.items() if moments}


def _read_time(document: Document) -> datetime:
    """Returns the time of a mark; the end of all times for a damaged one: what may be forgotten is not brought back."""
    time = document.get("forgotten_at")
    return time if isinstance(time, datetime) else datetime.max.replace(tzinfo=UTC)


def hash_name(name: PersonKey | ConnectionId) -> str:
    """Returns the key of a mark."""
    return hashlib.sha256(str(name).encode()).hexdigest()
