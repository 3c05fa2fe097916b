"""Snapshots of employees as the poller last saw them. They are the outbox of the poller."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pymongo import InsertOne

from services.contracts.damage import DocumentKind
from services.contracts.employees import INACTIVE, EmploymentPhase
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.snapshots import UNKNOWN_LISTING, Listing, NotedListing, Snapshot, SnapshotState, read_keys
from services.store.collection import PAGE_SIZE, ChangeAll, ChangeOne, Collection, Document, split, to_model
from services.store.damage_notes import DamageNotes
from services.store.damaged import parse_keys
from services.store.errors import StoreFailedError
from services.store.settlement_marks import UNSETTLED

LISTED_AS_ACTIVE = {"status": "active", "absent_since": {"$exists": False}}
"""Snapshots of employees that Personio lists as active."""
NOT_LISTED = {"absent_since": {"$exists": True}, "is_absence_acknowledged": {"$ne": True}}
"""Snapshots of employees that a complete scan no longer lists, and for which an administrator has not decided."""

UNDECIDED_ABSENCE = {**NOT_LISTED, "kind": {"$ne": ChangeKind.REMOVED.value}}
"""Those of them that do not count as deleted yet."""

_STATE = ("content_hash", "phase", "next_day", "status", "digest", "unfilled", "absent_since", "oversized")
"""The fields that a state is read from."""
_PHASES: Mapping[Any, EmploymentPhase] = {phase.value: phase for phase in EmploymentPhase}
"""The phases by their stored values: faster than the constructor of the enumeration, for each listed employee."""
_TIME = TypeAdapter(datetime)
_SETS_PENDING = {"$set": {"pending": {"$gt": ["$revision", "$emitted_revision"]}}}


class Snapshots:
    """The snapshots of all connections. Only the lease owner of a connection writes them.

    A change of an employee is conditional on the stored ``revision``, so that a poller with a lost lease overwrites nothing.
    Concurrent writes never decrease ``emitted_revision``.
    """

    def __init__(self, collection: Collection, damage: DamageNotes, *, ledger: str) -> None:
        """``damage`` takes notes about damaged snapshots. ``ledger`` is the collection that tells which changes were settled."""
        self._collection = collection
        self._damage = damage
        damage.add_check(DocumentKind.SNAPSHOT, _read)
        self._ledger = ledger

    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]:
        """Returns the existing snapshots of these employees. A damaged one is noted and left out, and no write replaces it.

        Sends no query for no employees: a list with a full last page ends with an empty page.
        """
        keys = _to_keys(connection, employees)
        documents = await self._collection.find({"_id": {"$in": keys}}) if keys else []
        return {snapshot.employee_id: snapshot for snapshot in await self._read_all(documents)}

    async def read_states(
        self, connection: ConnectionId, employees: Iterable[EmployeeId]
    ) -> dict[EmployeeId, SnapshotState | None]:
        """Returns the states of the existing snapshots of these employees. They are a small part of what ``read`` returns.

        None stands for a snapshot that is needed as a whole: of an employee that is absent or has an oversized value, and a damaged
        one, which ``read`` then notes. Damage in a field that is not part of the state is found once the snapshot is read.
        """
        keys = _to_keys(connection, employees)
        documents = await self._collection.find({"_id": {"$in": keys}}, fields=_STATE) if keys else []
        start = len(_to_prefix(connection))
        return {EmployeeId(document["_id"][start:]): _read_state(document) for document in documents}

    async def _read_all(self, documents: Iterable[Document]) -> tuple[Snapshot, ...]:
        return tuple((await self._damage.read_all(DocumentKind.SNAPSHOT, documents, _read)).valid)

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]:
        """Stores each snapshot if the stored revision is the paired one. None means that a first snapshot is expected.

        All snapshots belong to one connection. Returns the employees with a snapshot that another poller has changed;
        their new snapshot is not stored. Repeating a call after a lost answer is safe.
        """
        result = await self._collection.write_bulk(
            [_build_write(snapshot, previous) for snapshot, previous in snapshots]
        )
        updates = sum(previous is not None for _, previous in snapshots)
        doubtful = [
            snapshot
            for index, (snapshot, previous) in enumerate(snapshots)
            if index in result.duplicates or (previous is not None and result.matched < updates)
        ]
        return await self._find_lost(doubtful) if doubtful else frozenset()

    async def _find_lost(self, doubtful: Sequence[Snapshot]) -> frozenset[EmployeeId]:
        documents = await self._collection.find({"_id": {"$in": [str(snapshot.person) for snapshot in doubtful]}})
        stored = {snapshot.employee_id: snapshot.to_record() for snapshot in await self._read_all(documents)}
        return frozenset(
            snapshot.employee_id for snapshot in doubtful if stored.get(snapshot.employee_id) != snapshot.to_record()
        )

    async def replace_attributes(self, snapshots: Sequence[Snapshot]) -> None:
        """Stores the attributes of these snapshots, unless their revision has changed. All else stays as it is."""
        await self._collection.write_bulk([_build_replacement(snapshot) for snapshot in snapshots])

    async def note_listings(self, connection: ConnectionId, noted: Sequence[NotedListing]) -> None:
        """Notes how Personio lists employees, unless their content has changed since the comparison."""
        await self._collection.write_bulk([_build_note(connection, note) for note in noted])

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has acknowledged these revisions."""
        await self._mark(connection, revisions, ("emitted_revision",))

    async def mark_oversized(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that these revisions are too large for Kafka.

        They are no longer pending, and ``find_oversized`` returns their employees.
        """
        await self._mark(connection, revisions, ("emitted_revision", "oversized_revision"))

    async def _mark(
        self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]], fields: Sequence[str]
    ) -> None:
        people: dict[int, list[EmployeeId]] = defaultdict(list)
        for employee, revision in revisions:
            people[revision].append(employee)
        marks = [(_to_keys(connection, employees), revision) for revision, employees in people.items()]
        result = await self._collection.write_bulk([_mark_newest(keys, revision, fields) for keys, revision in marks])
        if result.matched < sum(len(keys) for keys, _ in marks):
            await self._collection.write_bulk([_mark_older(keys, revision, fields) for keys, revision in marks])

    async def read_pending(self, connection: ConnectionId, limit: int) -> tuple[Snapshot, ...]:
        """Returns at most ``limit`` snapshots that are not known to be published, in the order of their keys."""
        where = {"connection_id": connection, "pending": True}
        documents = await self._collection.find(where, sort={"_id": 1}, limit=limit)
        return await self._read_all(documents)

    async def stream(
        self, connection: ConnectionId, employees: Iterable[EmployeeId] | None = None, batch: int = PAGE_SIZE
    ) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Yields the snapshots of all employees, or the existing ones of the named employees.

        They come in the order of their keys. ``batch`` is the maximum number of snapshots that are yielded at once.
        """
        if employees is None:
            async for page in self._collection.iterate_pages({"connection_id": connection}, size=batch):
                yield await self._read_all(page)
            return
        for keys in split(_to_keys(connection, employees), batch):
            if page := await self._collection.find({"_id": {"$in": keys}}, sort={"_id": 1}):
                yield await self._read_all(page)

    async def stream_employee_ids(self, connection: ConnectionId) -> AsyncIterator[EmployeeId]:
        """Yields the ids of all employees with a snapshot, in the order of their keys."""
        pages = self._collection.iterate_pages({"connection_id": connection}, fields=["_id"], size=10 * PAGE_SIZE)
        async for page in pages:
            for person in parse_keys(page):
                yield person.employee_id

    async def mark_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a complete scan did not list these employees. Keeps the time of the first such scan."""
        for keys in split(_to_keys(connection, employees), PAGE_SIZE):
            await self._collection.update_all(
                {"_id": {"$in": keys}, "absent_since": {"$exists": False}},
                {"$set": {"absent_since": _TIME.dump_python(since, mode="json")}},
            )

    async def find_marked_absent(self, connection: ConnectionId) -> frozenset[EmployeeId]:
        """Returns the employees that an earlier complete scan no longer listed, and none listed since."""
        marked = {"connection_id": connection, "absent_since": {"$exists": True}}
        pages = self._collection.iterate_pages(marked, fields=["_id"], size=10 * PAGE_SIZE)
        return frozenset([person.employee_id async for page in pages for person in parse_keys(page)])

    async def find_unknown(self, connection: ConnectionId, before: datetime, limit: int) -> tuple[EmployeeId, ...]:
        """Returns absent employees that a first lookup has not found, at this time or earlier, and without a decision."""
        return await self._find_undecided(connection, {"$lte": _TIME.dump_python(before, mode="json")}, limit)

    async def find_not_looked_up(self, connection: ConnectionId, limit: int) -> tuple[EmployeeId, ...]:
        """Returns absent employees without a lookup and without a decision."""
        return await self._find_undecided(connection, None, limit)

    async def _find_undecided(self, connection: ConnectionId, unknown_since: Any, limit: int) -> tuple[EmployeeId, ...]:
        where = {
            "connection_id": connection,
            **UNDECIDED_ABSENCE,
            "unknown_since": unknown_since,
        }
        documents = await self._collection.find(where, fields=["_id"], sort={"absent_since": 1}, limit=limit)
        return tuple(person.employee_id for person in parse_keys(documents))

    async def mark_unknown(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a first lookup has not found these absent employees. Keeps the time of the first one."""
        for keys in split(_to_keys(connection, employees), PAGE_SIZE):
            await self._collection.update_all(
                {"_id": {"$in": keys}, "absent_since": {"$exists": True}, "unknown_since": {"$exists": False}},
                {"$set": {"unknown_since": _TIME.dump_python(since, mode="json")}},
            )

    async def clear_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None:
        """Notes that Personio lists these employees again."""
        for keys in split(_to_keys(connection, employees), PAGE_SIZE):
            await self._collection.update_all(
                {"_id": {"$in": keys}, "absent_since": {"$exists": True}},
                {"$unset": {"absent_since": True, "unknown_since": True, "is_absence_acknowledged": True}},
            )

    async def acknowledge_absence(self, person: PersonKey) -> bool:
        """Notes that the account of an absent employee stays as it is. Returns False if the employee is not absent."""
        return await self._collection.update(
            {"_id": str(person), "absent_since": {"$exists": True}}, {"$set": {"is_absence_acknowledged": True}}
        )

    async def lower_revision(self, person: PersonKey, revision: int) -> bool:
        """Replaces a revision above this one, which only a wrong clock can have made. Returns whether it was above."""
        change = {"$set": {"revision": revision, "emitted_revision": 0, "pending": True, **UNSETTLED}}
        return await self._collection.update({"_id": str(person), "revision": {"$gt": revision}}, change)

    async def find_due(self, connection: ConnectionId, today: date, limit: int) -> tuple[EmployeeId, ...]:
        """Returns listed employees with a ``next_day`` that has come, the longest due first."""
        where = {
            "connection_id": connection,
            "next_day": {"$lte": today.isoformat()},
            "absent_since": {"$exists": False},
        }
        documents = await self._collection.find(where, fields=["_id"], sort={"next_day": 1, "_id": 1}, limit=limit)
        return tuple(person.employee_id for person in parse_keys(documents))

    async def page_upcoming(self, connection: ConnectionId, until: date) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Yields listed employees with a ``next_day`` on or before this day, in pages, by employee id."""
        where = {"connection_id": connection, "next_day": {"$lte": until.isoformat()}}
        async for page in self._collection.iterate_pages(where):
            yield tuple(seen for seen in await self._read_all(page) if seen.absent_since is None)

    async def count(self, connection: ConnectionId) -> int:
        """Returns the number of snapshots."""
        return await self._collection.count({"connection_id": connection})

    async def count_present(self, connection: ConnectionId) -> int:
        """Returns the number of employees that are listed, and neither inactive nor removed."""
        gone = [
            {"connection_id": connection, "status": INACTIVE},
            {"connection_id": connection, "absent_since": {"$exists": True}},
        ]  # those that were removed are absent
        return await self.count(connection) - await self._collection.count({"$or": gone})

    async def find_oversized(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an attribute that is too large, or with a newest event that is too large for Kafka."""
        refused = {"oversized_revision": {"$exists": True}, "$expr": {"$eq": ["$oversized_revision", "$revision"]}}
        reduced = {"oversized": {"$exists": True}}
        documents = await self._collection.find(
            {"$or": [{"connection_id": connection, **where} for where in (refused, reduced)]},
            fields=["_id"],
            sort={"_id": 1},
        )
        return tuple(person.employee_id for person in parse_keys(documents))

    async def find_absent(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those that complete scans no longer list. Sends one query."""
        keys = sorted({str(person) for person in people})
        documents = await self._collection.find({"_id": {"$in": keys}, **NOT_LISTED}, fields=["_id"])
        return frozenset(PersonKey.parse(document["_id"]) for document in documents)

    async def find_unsettled(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those with a snapshot of an active employee of which no change was ever settled. Sends one query."""
        settled = [{"$match": {"decided": {"$exists": True}}}, {"$project": {"_id": True}}]
        same_person = {"from": self._ledger, "localField": "_id", "foreignField": "_id", "as": "settled"}
        documents = await self._collection.aggregate(
            [
                {"$match": {"_id": {"$in": sorted({str(person) for person in people})}, **LISTED_AS_ACTIVE}},
                {"$project": {"_id": True}},
                {"$lookup": {**same_person, "pipeline": settled}},
                {"$match": {"settled": []}},
            ]
        )
        return frozenset(PersonKey.parse(document["_id"]) for document in documents)


def _to_keys(connection: ConnectionId, employees: Iterable[EmployeeId]) -> list[str]:
    prefix = _to_prefix(connection)
    return sorted({prefix + employee for employee in employees})


def _to_prefix(connection: ConnectionId) -> str:
    """Returns what the keys of all employees of a connection begin with."""
    return str(PersonKey(connection, EmployeeId("")))


def _build_write(snapshot: Snapshot, previous: int | None) -> InsertOne[Document] | ChangeOne:
    document = {**_to_document(snapshot), **UNSETTLED}
    if previous is None:
        return InsertOne({**document, "pending": snapshot.is_pending})
    kept = {
        "emitted_revision": {"$max": ["$emitted_revision", snapshot.emitted_revision]},
        "account_enabled": "$account_enabled",
    }
    return ChangeOne(
        {"_id": document["_id"], "revision": previous},
        [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, kept]}}, _SETS_PENDING],
    )


def _build_replacement(snapshot: Snapshot) -> ChangeOne:
    document = _to_document(snapshot)
    fields = ("attributes", "content_hash", "oversized")
    change: Document = {"$set": {field: document[field] for field in fields if field in document}}
    if "oversized" not in document:
        change["$unset"] = {"oversized": True}
    return ChangeOne({"_id": document["_id"], "revision": snapshot.revision}, change)


def _build_note(connection: ConnectionId, note: NotedListing) -> ChangeOne:
    digest, unfilled = note.listing
    key = str(PersonKey(connection, note.employee_id))
    change = (
        {"$set": {"digest": digest, "unfilled": unfilled}}
        if unfilled
        else {"$set": {"digest": digest}, "$unset": {"unfilled": True}}
    )
    return ChangeOne({"_id": key, "content_hash": note.content_hash}, change)


def _mark_newest(keys: Sequence[str], revision: int, fields: Sequence[str]) -> ChangeAll:
    """Marks snapshots with ``revision`` as their newest change. They are no longer pending.

    One command is enough for a page, because its changes were detected at the same time.
    """
    marks: dict[str, Any] = {"$max": dict.fromkeys(fields, revision), "$set": {"pending": False}}
    if "oversized_revision" in fields:
        marks["$unset"] = UNSETTLED
    return ChangeAll({"_id": {"$in": keys}, "revision": revision}, marks)


def _mark_older(keys: Sequence[str], revision: int, fields: Sequence[str]) -> ChangeAll:
    """Marks snapshots with a newer change than ``revision``. They stay as pending as before."""
    return ChangeAll({"_id": {"$in": keys}, "revision": {"$gt": revision}}, {"$max": dict.fromkeys(fields, revision)})


def _to_document(snapshot: Snapshot) -> Document:
    """Returns the document. The attributes stay JSON text, so that the bytes of the event never change.

    Their names come from Personio and can contain dots. MongoDB would convert some of their numbers and times.
    """
    document = snapshot.model_dump(mode="json", exclude={"attributes_json"}, exclude_none=True)
    # the index of employees with an oversized value has only documents with this field; the other one is often empty
    for field in ("oversized", "unfilled"):
        if not document[field]:
            del document[field]
    return {"_id": str(snapshot.person), **document, "attributes": snapshot.attributes_json}


def _read_state(document: Document) -> SnapshotState | None:
    """Returns the state; None if the snapshot is needed as a whole."""
    if "absent_since" in document or "oversized" in document:
        return None
    get = document.get
    content_hash, status, day, digest = get("content_hash"), get("status"), get("next_day"), get("digest")
    if not isinstance(content_hash, str) or not (status is None or isinstance(status, str)):
        return None
    try:
        phase, next_day = _PHASES[get("phase")], None if day is None else date.fromisoformat(day)
    except (KeyError, TypeError, ValueError):
        return None
    listing = UNKNOWN_LISTING
    if isinstance(digest, str):
        listing = Listing(digest, read_keys(document["unfilled"]) if "unfilled" in document else ())
    return SnapshotState(content_hash, phase, next_day, status, listing)


def _read(document: Document) -> Snapshot:
    """Returns the snapshot. Raises ``StoreFailedError`` for one with an invalid field or attribute."""
    snapshot = to_model(Snapshot, {**document, "attributes_json": document.get("attributes")})
    try:
        _ = snapshot.attributes
    except ValidationError:
        raise StoreFailedError(f"the stored Snapshot {snapshot.person} has invalid fields (attributes)") from None
    return snapshot
