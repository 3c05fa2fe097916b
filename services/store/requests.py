"""Requests to the lease holders, as a queue per connection."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from services.contracts.ids import ConnectionId
from services.contracts.requests import Request, RequestState, Task
from services.store.collection import Collection, Document, Session, to_model

KEPT = timedelta(days=90)
"""How long a finished request is kept."""


def random_id() -> str:
    return f"r{secrets.token_hex(8)}"


class Requests:
    def __init__(self, collection: Collection, new_id: Callable[[], str] = random_id) -> None:
        self._collection = collection
        self._new_id = new_id

    async def file(self, connection: ConnectionId, task: Task, *, now: datetime, once: str | None = None) -> Request:
        """With ``once``, a request of the same key that is still open is returned instead of a second one.

        One that is running does not count: it may have passed what the new one asks for.
        """
        request, document = self._made(connection, task, now)
        if once is None:
            await self._collection.insert_new(document)
            return request
        where = {"connection_id": connection, "once": once}
        # the first may find nothing and yet be refused by the unique index: another filed it at the same moment; and
        # that one may be started before the second look. Each turn means that somebody else went a step further.
        while True:
            filed = await self._collection.changed(where, {"$setOnInsert": document}, insert=True)
            if filed is not None:
                return to_model(Request, filed)

    async def file_within(self, session: Session, connection: ConnectionId, task: Task, *, now: datetime) -> Request:
        """As part of a transaction."""
        request, document = self._made(connection, task, now)
        await self._collection.insert_new(document, session)
        return request

    def _made(self, connection: ConnectionId, task: Task, now: datetime) -> tuple[Request, Document]:
        request = Request(id=self._new_id(), connection_id=connection, task=task, filed_at=now)
        return request, {**request.model_dump(mode="json"), "_id": request.id, "filed": now}

    async def get(self, request: str) -> Request | None:
        document = await self._collection.find_one({"_id": request})
        return None if document is None else to_model(Request, document)

    async def open(self, connection: ConnectionId) -> tuple[Request, ...]:
        """Oldest first."""
        documents = await self._collection.find(
            {"connection_id": connection, "state": RequestState.OPEN.value}, sort={"filed": 1, "_id": 1}
        )
        return tuple(to_model(Request, document) for document in documents)

    async def connections_with_unfinished(self) -> frozenset[ConnectionId]:
        """Those with a request that is open, or that is running: its holder may have died over it."""
        unfinished = {"$in": [RequestState.OPEN.value, RequestState.RUNNING.value]}
        documents = await self._collection.aggregate(
            [{"$match": {"state": unfinished}}, {"$group": {"_id": "$connection_id"}}]
        )
        return frozenset(ConnectionId(document["_id"]) for document in documents)

    async def newest(self, connection: ConnectionId, limit: int = 20) -> tuple[Request, ...]:
        documents = await self._collection.find(
            {"connection_id": connection}, sort={"filed": -1, "_id": -1}, limit=limit
        )
        return tuple(to_model(Request, document) for document in documents)

    async def start(self, request: str) -> bool:
        """False if it is not open any more. From now on another of the same ``once`` may be filed."""
        return await self._collection.update(
            {"_id": request, "state": RequestState.OPEN.value},
            {"$set": {"state": RequestState.RUNNING.value}, "$unset": {"once": True}},
        )

    async def progress(self, request: str, counts: Mapping[str, int]) -> None:
        await self._while_running(request, {"counts": dict(counts)})

    async def done(self, request: str, counts: Mapping[str, int], *, now: datetime) -> None:
        await self._while_running(request, _finished(RequestState.DONE, now) | {"counts": dict(counts)})

    async def failed(self, request: str, error: str, *, now: datetime) -> None:
        """Finishes it with what went wrong, which an administrator reads; also one that was never started."""
        await self._collection.update(
            {"_id": request, "state": {"$in": [RequestState.OPEN.value, RequestState.RUNNING.value]}},
            {"$set": _finished(RequestState.FAILED, now) | {"error": error}, "$unset": {"once": True}},
        )

    async def reopen_running(self, connection: ConnectionId) -> int:
        """After a take-over of the lease: what the former holder left unfinished is done again from its start."""
        return await self._collection.update_all(
            {"connection_id": connection, "state": RequestState.RUNNING.value},
            {"$set": {"state": RequestState.OPEN.value, "counts": {}}},
        )

    async def _while_running(self, request: str, values: Document) -> None:
        # one that was re-opened after a take-over belongs to the new holder
        await self._collection.update({"_id": request, "state": RequestState.RUNNING.value}, {"$set": values})


def _finished(state: RequestState, now: datetime) -> Document:
    return {"state": state.value, "finished_at": now.isoformat(), "expires": now + KEPT}
