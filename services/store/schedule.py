"""When each connection is polled next, and when its rejected employees were last resent."""

from collections.abc import Iterable
from datetime import date, datetime

from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document
from services.store.errors import UnknownConnectionError


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
        return tuple(ConnectionId(document["_id"]) for document in documents)

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        """Stores the time of the next poll. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"next_poll": at})

    async def get_rejected_resent_on(self, connection: ConnectionId) -> date | None:
        """Returns the day (UTC) of the last resend of rejected employees; None if there was none, or if it is damaged."""
        return await self._get_day(connection, "rejected_resent_on")

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last resend of rejected employees. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"rejected_resent_on": day.isoformat()})

    async def get_verified_on(self, connection: ConnectionId) -> date | None:
        """Returns the day (UTC) of the last scheduled verification; None if there was none, or if it is damaged."""
        return await self._get_day(connection, "verified_on")

    async def set_verified_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last scheduled verification. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"verified_on": day.isoformat()})

    async def _get_day(self, connection: ConnectionId, name: str) -> date | None:
        document = await self._collection.find_one({"_id": connection}, [name]) or {}
        try:
            return date.fromisoformat(document[name])
        except (KeyError, TypeError, ValueError):
            return None

    async def _set(self, connection: ConnectionId, values: Document) -> None:
        if not await self._collection.update({"_id": connection}, {"$set": values}):
            raise UnknownConnectionError(connection)
