"""Tasks for the lease owners, as a queue per connection."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from services.contracts.ids import ConnectionId
from services.contracts.tasks import Action, Task, TaskState
from services.store.collection import Collection, Document, Session, to_model
from services.store.damaged import select_named
from services.store.errors import StoreFailedError

logger = logging.getLogger(__name__)

RETENTION = timedelta(days=90)
"""Time after which MongoDB deletes a finished task."""
UNREADABLE = "the task cannot be read: upgrade the poller if a newer version filed it, then file it again"
"""The error of a task that this version cannot read."""


def make_task_id() -> str:
    """Returns a new random id."""
    return f"r{secrets.token_hex(8)}"


class Tasks:
    """The tasks of all connections."""

    def __init__(self, collection: Collection, new_id: Callable[[], str] = make_task_id) -> None:
        self._collection = collection
        self._new_id = new_id

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> Task:
        """Files a task and returns it. With ``once``, returns an open task of the same key instead of a second one.

        A running task does not count: it may already have passed the employees that the new one is for.
        """
        task, document = self._build(connection, action, now)
        if once is None:
            await self._collection.insert_new(document)
            return task
        where = {"connection_id": connection, "once": once}
        # If another caller files the same key at the same moment, the unique index rejects this insert.
        # That task may be started before the next query. Each repetition means that another caller made progress.
        while True:
            stored = await self._collection.update_and_get(where, {"$setOnInsert": document}, insert=True)
            if stored is not None:
                try:
                    return to_model(Task, stored)
                except StoreFailedError as error:
                    await self._fail_unreadable(stored, error)

    async def file_within(self, session: Session, connection: ConnectionId, action: Action, *, now: datetime) -> Task:
        """Files a task as part of a transaction and returns it."""
        task, document = self._build(connection, action, now)
        await self._collection.insert_new(document, session)
        return task

    def _build(self, connection: ConnectionId, action: Action, now: datetime) -> tuple[Task, Document]:
        task = Task(id=self._new_id(), connection_id=connection, action=action, filed_at=now)
        return task, {**task.model_dump(mode="json"), "_id": task.id, "filed": now}

    async def get(self, task: str) -> Task | None:
        """Returns the task of this id; None if it does not exist."""
        document = await self._collection.find_one({"_id": task})
        return None if document is None else to_model(Task, document)

    async def list_open(self, connection: ConnectionId) -> tuple[Task, ...]:
        """Returns the open tasks, oldest first. A task that cannot be read is marked as failed, and delays no other task."""
        documents = await self._collection.find(
            {"connection_id": connection, "state": TaskState.OPEN.value}, sort={"filed": 1, "_id": 1}
        )
        tasks: list[Task] = []
        for document in documents:
            try:
                tasks.append(to_model(Task, document))
            except StoreFailedError as error:
                await self._fail_unreadable(document, error)
        return tuple(tasks)

    async def _fail_unreadable(self, document: Document, error: StoreFailedError) -> None:
        logger.warning("a task cannot be read: %s", error)
        now = {"$dateToString": {"date": "$$NOW"}}
        expires = {"$add": ["$$NOW", RETENTION // timedelta(milliseconds=1)]}
        ended = {"state": TaskState.FAILED.value, "error": UNREADABLE, "finished_at": now, "expires": expires}
        await self._collection.update({"_id": document["_id"]}, [{"$set": ended}, {"$unset": "once"}])

    async def find_connections_with_unfinished(
        self, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns connections with an open or running task, the longest unfinished first.

        The owner of a running task may have died. One index entry is read for each connection, however many tasks it has.
        """
        oldest: list[Document] = []
        for state in (TaskState.OPEN, TaskState.RUNNING):
            oldest += await self._collection.aggregate(
                [
                    {"$match": {"state": state.value, "filed": {"$type": "date"}}},
                    {"$sort": {"state": 1, "connection_id": 1, "filed": 1}},
                    {"$group": {"_id": "$connection_id", "filed": {"$first": "$filed"}}},
                    {"$match": {"_id": {"$nin": sorted(without)}}},
                    {"$sort": {"filed": 1, "_id": 1}},
                    {"$limit": limit},
                ]
            )
        # others are damaged: a list also matches if an entry of it does
        oldest = [document for document in select_named(oldest) if isinstance(document["filed"], datetime)]
        oldest.sort(key=lambda document: (document["filed"], document["_id"]))
        return tuple(dict.fromkeys(ConnectionId(document["_id"]) for document in oldest))[:limit]

    async def start(self, task: str) -> bool:
        """Marks a task as running. Returns False if it is no longer open.

        From then on, ``file`` accepts another task of the same ``once``.
        """
        return await self._collection.update(
            {"_id": task, "state": TaskState.OPEN.value},
            {"$set": {"state": TaskState.RUNNING.value}, "$unset": {"once": True}},
        )

    async def set_progress(self, task: str, counts: Mapping[str, int]) -> None:
        """Stores the counts of a running task."""
        await self._update_running(task, {"counts": dict(counts)})

    async def finish(self, task: str, counts: Mapping[str, int], *, now: datetime) -> None:
        """Marks a running task as done and stores its counts."""
        await self._update_running(task, _build_end(TaskState.DONE, now) | {"counts": dict(counts)})

    async def fail(self, task: str, error: str, *, now: datetime) -> None:
        """Marks an open or running task as failed. ``error`` is a text for an administrator."""
        await self._collection.update(
            {"_id": task, "state": {"$in": [TaskState.OPEN.value, TaskState.RUNNING.value]}},
            {"$set": _build_end(TaskState.FAILED, now) | {"error": error}, "$unset": {"once": True}},
        )

    async def reopen_running(self, connection: ConnectionId) -> int:
        """Opens the running tasks of a former lease owner again, from their start. Returns their number."""
        return await self._collection.update_all(
            {"connection_id": connection, "state": TaskState.RUNNING.value},
            {"$set": {"state": TaskState.OPEN.value, "counts": {}}},
        )

    async def _update_running(self, task: str, values: Document) -> None:
        # After a take-over the task is open again and belongs to the new owner: a former owner changes nothing.
        await self._collection.update({"_id": task, "state": TaskState.RUNNING.value}, {"$set": values})


def _build_end(state: TaskState, now: datetime) -> Document:
    return {"state": state.value, "finished_at": now.isoformat(), "expires": now + RETENTION}
