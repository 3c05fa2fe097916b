"""The runs of each connection, stored as its history."""

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.store.collection import Collection, Document, to_model
from services.store.damage_notes import DamageNotes
from services.store.damaged import select_named

RETENTION = timedelta(days=90)
"""Time after the start of a run after which MongoDB deletes it."""


def make_run_id() -> str:
    """Returns a new random id."""
    return f"n{secrets.token_hex(8)}"


class Runs:
    """The runs of all connections."""

    def __init__(self, collection: Collection, damage: DamageNotes, new_id: Callable[[], str] = make_run_id) -> None:
        """``damage`` takes notes about runs that cannot be read."""
        self._collection = collection
        self._damage = damage
        damage.add_check(DocumentKind.RUN, _read)
        self._new_id = new_id

    async def begin(self, connection: ConnectionId, *, now: datetime, is_stored: bool = True) -> Run:
        """Returns a new run. Without ``is_stored``, only ``save`` stores it: a short run is stored at its end alone."""
        run = Run(id=self._new_id(), connection_id=connection, started_at=now)
        if is_stored:
            await self._collection.insert_new({"_id": run.id, **_to_document(run)})
        return run

    async def fail_unfinished(self, connection: ConnectionId, error: str, *, now: datetime) -> int:
        """Ends the runs that an earlier lease owner left unfinished. Returns their number."""
        return await self._collection.update_all(
            {"connection_id": connection, "state": RunState.RUNNING.value},
            {"$set": {"state": RunState.FAILED.value, "error": error, "finished_at": now.isoformat()}},
        )

    async def find_undecided(self, connection: ConnectionId) -> tuple[str, ...]:
        """Returns the ids of the runs that are held or being released. Their observations are still needed."""
        states = (RunState.HELD.value, RunState.RELEASING.value)
        either = [{"connection_id": connection, "state": state} for state in states]  # one index for each
        documents = await self._collection.find({"$or": either}, fields=["_id"])
        return tuple(document["_id"] for document in select_named(documents))

    async def find_successor(self, run: Run) -> Run | None:
        """Returns the held run that holds the same changes as this one, which it has replaced; None without one."""
        if run.state is not RunState.REPLACED or run.digest is None:
            return None
        held = {"connection_id": run.connection_id, "state": RunState.HELD.value}
        documents = await self._collection.find(held)
        same = (document for document in documents if document.get("digest") == run.digest)
        return next(iter((await self._damage.read_all(DocumentKind.RUN, same, _read)).valid), None)

    async def replace_held(self, connection: ConnectionId, *, by: str) -> int:
        """Ends the held runs of a connection, except the run ``by``, which has compared everything again. Returns their number."""
        return await self._collection.update_all(
            {"connection_id": connection, "state": RunState.HELD.value, "_id": {"$ne": by}},
            {"$set": {"state": RunState.REPLACED.value}},
        )

    async def decide(self, run: str, before: RunState, after: RunState) -> bool:
        """Moves a run from the state ``before`` to ``after``. Returns False and changes nothing if it has another state."""
        return await self._collection.update({"_id": run, "state": before.value}, {"$set": {"state": after.value}})

    async def save(self, run: Run) -> None:
        """Stores the state of a run, new or in progress. A run that has ended stays as it is: the next lease owner may have
        ended it.
        """
        where = {"_id": run.id, "state": RunState.RUNNING.value}
        await self._collection.update_and_get(where, {"$set": _to_document(run)}, insert=True)

    async def get(self, run: str) -> Run | None:
        """Returns the run of this id; None if it does not exist."""
        document = await self._collection.find_one({"_id": run})
        return None if document is None else to_model(Run, document)

    async def list_newest(self, connection: ConnectionId, limit: int = 20) -> tuple[Run, ...]:
        """Returns the newest runs in any state, newest first."""
        documents = await self._collection.find(
            {"connection_id": connection}, sort={"started": -1, "_id": -1}, limit=limit
        )
        return tuple((await self._damage.read_all(DocumentKind.RUN, documents, _read)).valid)

    async def find_first(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns those with a run in progress of which no earlier run has succeeded: not every employee is stored yet.

        Sends one query, and another one for each connection with a run in progress.
        """
        documents = await self._collection.find(
            {"connection_id": {"$in": sorted(set(connections))}, "state": RunState.RUNNING.value},
            fields=["connection_id"],
        )
        running = {ConnectionId(document["connection_id"]) for document in select_named(documents, "connection_id")}
        return frozenset([connection for connection in running if not await self._has_succeeded(connection)])

    async def _has_succeeded(self, connection: ConnectionId) -> bool:
        succeeded = {"connection_id": connection, "state": RunState.SUCCEEDED.value}
        return bool(await self._collection.find(succeeded, fields=["_id"], sort={"started": -1, "_id": -1}, limit=1))

    async def find_last_finished(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Run]:
        """Returns the newest runs that have ended, of those connections that have any, except damaged ones.

        Sends one query, and another one for each connection with a run in progress.
        """
        documents = await self._collection.aggregate(
            [
                {"$match": {"connection_id": {"$in": sorted(set(connections))}}},
                {"$sort": {"connection_id": 1, "started": -1, "_id": -1}},
                {"$group": {"_id": "$connection_id", "newest": {"$first": "$$ROOT"}}},
            ]
        )
        found = [document["newest"] for document in select_named(documents)]
        newest = await self._damage.read_all(DocumentKind.RUN, found, _read)
        runs = {run.connection_id: run for run in newest.valid if run.state is not RunState.RUNNING}
        for running in (run for run in newest.valid if run.state is RunState.RUNNING):
            finished = await self.get_last_finished(running.connection_id)
            runs |= {} if finished is None else {running.connection_id: finished}
        return runs

    async def get_last_finished(self, connection: ConnectionId) -> Run | None:
        """Returns the newest run that has ended; None if there was none, or if it is damaged."""
        documents = await self._collection.find(
            {"connection_id": connection, "state": {"$ne": RunState.RUNNING.value}},
            sort={"started": -1, "_id": -1},
            limit=1,
        )
        return next(iter((await self._damage.read_all(DocumentKind.RUN, documents, _read)).valid), None)


def _read(document: Document) -> Run:
    return to_model(Run, document)


def _to_document(run: Run) -> Document:
    # MongoDB sorts and deletes by dates of its own type, so the document has them beside the model's strings.
    return {**run.model_dump(mode="json"), "started": run.started_at, "expires": run.started_at + RETENTION}
