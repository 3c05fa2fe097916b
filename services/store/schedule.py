"""When each connection is polled next, and when its rejected employees were last resent."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.polls import PollProgress
from services.store.collection import Collection, Document
from services.store.damaged import select_named
from services.store.errors import UnknownConnectionError

_EPOCH = datetime.fromtimestamp(0, UTC)
_TIME = TypeAdapter[datetime](AwareDatetime)


class PollSchedule:
    """The poll times in the documents of the connections."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def find_due(
        self, now: datetime, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns active connections with a due poll, the longest due first. A connection without a time is due."""
        where: Document = {"state": ConnectionState.ACTIVE.value, "next_poll": {"$not": {"$gt": now}}}
        if others := sorted(without):
            where["_id"] = {"$nin": others}
        documents = await self._collection.find(where, fields=["_id"], sort={"next_poll": 1, "_id": 1}, limit=limit)
        return tuple(ConnectionId(document["_id"]) for document in select_named(documents))

    async def count_due(self, before: datetime) -> int:
        """Returns the number of active connections with a poll that was due before this time.

        A connection that was never polled has no time, and is not counted.
        """
        times = {"$gt": _EPOCH, "$lt": before}
        return await self._collection.count({"state": ConnectionState.ACTIVE.value, "next_poll": times})

    async def find_overdue(self, before: datetime) -> dict[ConnectionId, datetime]:
        """Returns when the poll of each connection was due that ``count_due`` counts."""
        times = {"$gt": _EPOCH, "$lt": before}
        where: Document = {"state": ConnectionState.ACTIVE.value, "next_poll": times}
        documents = await self._collection.find(where, fields=["_id", "next_poll"])
        return {ConnectionId(document["_id"]): document["next_poll"] for document in select_named(documents)}

    async def find_released(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, datetime]:
        """Returns up to when the changes of each of these connections are released. One without such a time is left out."""
        documents = await self._collection.find(
            {"_id": {"$in": sorted(set(connections))}}, fields=["_id", "progress.released_until"]
        )
        found = {ConnectionId(document["_id"]): _read_released(document) for document in documents}
        return {connection: time for connection, time in found.items() if time is not None}

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        """Stores the time of the next poll. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"next_poll": at})

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last resend of rejected employees. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"rejected_resent_on": day.isoformat()})

    async def set_verified_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last scheduled verification. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"verified_on": day.isoformat()})

    async def set_progress(self, connection: ConnectionId, progress: PollProgress) -> None:
        """Notes up to when the changes are released. Does nothing for a connection that was removed."""
        await self._collection.update({"_id": connection}, {"$set": {"progress": progress.model_dump(mode="json")}})

    async def _set(self, connection: ConnectionId, values: Document) -> None:
        if not await self._collection.update({"_id": connection}, {"$set": values}):
            raise UnknownConnectionError(connection)


def _read_released(document: Document) -> datetime | None:
    progress = document.get("progress")
    try:
        return _TIME.validate_python(progress.get("released_until") if isinstance(progress, dict) else None)
    except ValidationError:
        return None
