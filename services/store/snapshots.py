"""Snapshots of employees: what was last seen, and the outbox of the poller."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from pymongo import InsertOne, UpdateMany, UpdateOne

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.snapshots import Snapshot
from services.store.collection import PAGE, Collection, Document, to_model

LISTED_AS_ACTIVE = {"status": "active", "missing_since": {"$exists": False}}
NOT_LISTED = {"missing_since": {"$exists": True}}

_TIME = TypeAdapter(datetime)
_SETS_PENDING = {"$set": {"pending": {"$gt": ["$revision", "$emitted_revision"]}}}


class Snapshots:
    """Only the lease holder of a connection writes its snapshots; the conditions catch one who lost the lease.

    ``emitted_revision`` only grows, whatever is written at the same time.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]:
        documents = await self._collection.find({"_id": {"$in": _ids(connection, employees)}})
        return {snapshot.employee_id: snapshot for snapshot in map(_to_model, documents)}

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]:
        """Stores each if the stored one still has the revision it is paired with; None means that there is none yet.

        All are of one connection. Returns the people whose snapshot somebody else has written meanwhile: nothing was
        stored for these. To repeat a call whose answer was lost is safe.
        """
        result = await self._collection.bulk([_save(snapshot, previous) for snapshot, previous in snapshots])
        updates = sum(previous is not None for _, previous in snapshots)
        doubtful = [
            snapshot
            for index, (snapshot, previous) in enumerate(snapshots)
            if index in result.duplicates or (previous is not None and result.matched < updates)
        ]
        return await self._lost(doubtful) if doubtful else frozenset()

    async def _lost(self, doubtful: Sequence[Snapshot]) -> frozenset[EmployeeId]:
        documents = await self._collection.find({"_id": {"$in": [str(snapshot.person) for snapshot in doubtful]}})
        stored = {snapshot.employee_id: snapshot.record() for snapshot in map(_to_model, documents)}
        return frozenset(
            snapshot.employee_id for snapshot in doubtful if stored.get(snapshot.employee_id) != snapshot.record()
        )

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has acknowledged these events."""
        await self._mark(connection, revisions, ("emitted_revision",))

    async def refuse(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes events that Kafka will never take for their own sake: no longer pending, counted by ``refused``."""
        await self._mark(connection, revisions, ("emitted_revision", "refused"))

    async def _mark(
        self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]], fields: Sequence[str]
    ) -> None:
        people: dict[int, list[EmployeeId]] = defaultdict(list)
        for employee, revision in revisions:
            people[revision].append(employee)
        marks = [(_ids(connection, employees), revision) for revision, employees in people.items()]
        result = await self._collection.bulk([_marked(ids, revision, fields) for ids, revision in marks])
        if result.matched < sum(len(ids) for ids, _ in marks):
            await self._collection.bulk([_marked_below(ids, revision, fields) for ids, revision in marks])

    async def pending(
        self, connection: ConnectionId, limit: int, after: EmployeeId | None = None
    ) -> tuple[Snapshot, ...]:
        """Changes that are stored and not known to be sent, in the order of their keys, above ``after``."""
        where: dict[str, Any] = {"connection_id": connection, "pending": True}
        if after is not None:
            where["_id"] = {"$gt": str(PersonKey(connection, after))}
        documents = await self._collection.find(where, sort={"_id": 1}, limit=limit)
        return tuple(map(_to_model, documents))

    async def stream(
        self, connection: ConnectionId, employees: Iterable[EmployeeId] | None = None, batch: int = PAGE
    ) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Everybody, or the people named as far as they are known, in the order of their keys."""
        if employees is None:
            async for page in self._collection.pages({"connection_id": connection}, size=batch):
                yield tuple(map(_to_model, page))
            return
        for ids in _chunks(_ids(connection, employees), batch):
            if page := await self._collection.find({"_id": {"$in": ids}}, sort={"_id": 1}):
                yield tuple(map(_to_model, page))

    async def employee_ids(self, connection: ConnectionId) -> AsyncIterator[EmployeeId]:
        async for page in self._collection.pages({"connection_id": connection}, fields=["_id"], size=10 * PAGE):
            for document in page:
                yield PersonKey.parse(document["_id"]).employee_id

    async def set_missing(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """A complete scan does not list them; the time of the first such scan is kept."""
        for ids in _chunks(_ids(connection, employees), PAGE):
            await self._collection.update_all(
                {"_id": {"$in": ids}, "missing_since": {"$exists": False}},
                {"$set": {"missing_since": _TIME.dump_python(since, mode="json")}},
            )

    async def clear_missing(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None:
        for ids in _chunks(_ids(connection, employees), PAGE):
            await self._collection.update_all(
                {"_id": {"$in": ids}, "missing_since": {"$exists": True}}, {"$unset": {"missing_since": True}}
            )

    async def count(self, connection: ConnectionId) -> int:
        return await self._collection.count({"connection_id": connection})

    async def active_count(self, connection: ConnectionId) -> int:
        """People whom Personio lists as active."""
        return await self._collection.count({"connection_id": connection, **LISTED_AS_ACTIVE})

    async def refused(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """People whose newest event Kafka will not take."""
        documents = await self._collection.find(
            {
                "connection_id": connection,
                "refused": {"$exists": True},
                "$expr": {"$eq": ["$refused", "$revision"]},
            },
            fields=["employee_id"],
            sort={"_id": 1},
        )
        return tuple(EmployeeId(document["employee_id"]) for document in documents)


def _ids(connection: ConnectionId, employees: Iterable[EmployeeId]) -> list[str]:
    return sorted(str(PersonKey(connection, employee)) for employee in set(employees))


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """A command with everybody's ids in it would be too large one day."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _save(snapshot: Snapshot, previous: int | None) -> InsertOne[Document] | UpdateOne:
    document = _to_document(snapshot)
    if previous is None:
        return InsertOne({**document, "pending": snapshot.pending})
    emitted = {"emitted_revision": {"$max": ["$emitted_revision", snapshot.emitted_revision]}}
    return UpdateOne(
        {"_id": document["_id"], "revision": previous},
        [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, emitted]}}, _SETS_PENDING],
    )


def _marked(ids: Sequence[str], revision: int, fields: Sequence[str]) -> UpdateMany:
    """Whose newest change it is: all of a page with one command, since they were detected at the same time."""
    grows = {"$max": dict.fromkeys(fields, revision)}
    return UpdateMany({"_id": {"$in": ids}, "revision": revision}, {**grows, "$set": {"pending": False}})


def _marked_below(ids: Sequence[str], revision: int, fields: Sequence[str]) -> UpdateMany:
    """Who has changed again meanwhile: as pending as before."""
    return UpdateMany({"_id": {"$in": ids}, "revision": {"$gt": revision}}, {"$max": dict.fromkeys(fields, revision)})


def _to_document(snapshot: Snapshot) -> Document:
    """The attributes are JSON text: their names are the vendor's and hold dots, and a number or time that the
    database has turned into its own kind would change the bytes of the event.
    """
    document = snapshot.model_dump(mode="json", exclude={"attributes_json"}, exclude_none=True)
    return {"_id": str(snapshot.person), **document, "attributes": snapshot.attributes_json}


def _to_model(document: Document) -> Snapshot:
    return to_model(Snapshot, {**document, "attributes_json": document["attributes"]})
