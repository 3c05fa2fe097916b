"""The runs of each connection, kept for a while as its history."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.store.collection import Collection, Document, to_model

KEPT = timedelta(days=90)


def random_id() -> str:
    return f"n{secrets.token_hex(8)}"


class Runs:
    def __init__(self, collection: Collection, new_id: Callable[[], str] = random_id) -> None:
        self._collection = collection
        self._new_id = new_id

    async def begin(self, connection: ConnectionId, *, now: datetime) -> Run:
        run = Run(id=self._new_id(), connection_id=connection, started_at=now)
        await self._collection.insert_new({"_id": run.id, **_to_document(run)})
        return run

    async def fail_unfinished(self, connection: ConnectionId, error: str, *, now: datetime) -> int:
        """Ends the runs that whoever held the lease before has left behind; returns how many."""
        return await self._collection.update_all(
            {"connection_id": connection, "state": RunState.RUNNING.value},
            {"$set": {"state": RunState.FAILED.value, "error": error, "finished_at": now.isoformat()}},
        )

    async def save(self, run: Run) -> None:
        """Also of a run whose document has expired meanwhile: it is not brought back."""
        await self._collection.update({"_id": run.id}, {"$set": _to_document(run)})

    async def get(self, run: str) -> Run | None:
        document = await self._collection.find_one({"_id": run})
        return None if document is None else to_model(Run, document)

    async def newest(self, connection: ConnectionId, limit: int = 20) -> tuple[Run, ...]:
        documents = await self._collection.find(
            {"connection_id": connection}, sort={"started": -1, "_id": -1}, limit=limit
        )
        return tuple(to_model(Run, document) for document in documents)

    async def last_finished(self, connection: ConnectionId) -> Run | None:
        """The newest run that has ended, in whichever way."""
        documents = await self._collection.find(
            {"connection_id": connection, "state": {"$ne": RunState.RUNNING.value}},
            sort={"started": -1, "_id": -1},
            limit=1,
        )
        return to_model(Run, documents[0]) if documents else None


def _to_document(run: Run) -> Document:
    # the times that the database sorts and clears by are its own kind, beside those of the model
    return {**run.model_dump(mode="json"), "started": run.started_at, "expires": run.started_at + KEPT}
