"""What a poll has to know before it begins. One query tells what the connection needs, so that an idle poll sends few others."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from services.contracts.catalogues import SourceCatalogue
from services.contracts.connections import DEFAULT_TIME_ZONE, Connection, ConnectionState, Guard
from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.contracts.polls import PollProgress
from services.contracts.runs import RunState
from services.contracts.tasks import TaskState
from services.store.catalogues import read_catalogue
from services.store.collection import Collection, Document
from services.store.credentials import CredentialCodec
from services.store.damage_notes import describe_problem
from services.store.encryption import Cipher
from services.store.errors import StoreFailedError, UnknownConnectionError
from services.store.mappings import read_published
from services.store.snapshots import UNDECIDED_ABSENCE

T = TypeVar("T")

NEEDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "unfinished_run": ("runs", {"state": RunState.RUNNING.value}),
    "open_task": ("tasks", {"state": TaskState.OPEN.value}),
    "running_task": ("tasks", {"state": TaskState.RUNNING.value}),
    "held_run": ("runs", {"state": RunState.HELD.value}),
    "observation": ("observations", {}),
    "pending_event": ("snapshots", {"pending": True}),
    "unsettled": ("snapshots", {"unsettled": True}),
    "next_day": ("snapshots", {"next_day": {"$exists": True}}),
    "undecided_absence": ("snapshots", UNDECIDED_ABSENCE),
    "conflict": ("ledger", {"blocked_by": {"$exists": True}}),
    "open_reference": ("ledger", {"open_reference": True}),
    "changed_account": ("ledger", {"account_changed": True}),
}
"""Each kind of documents that a poll has to work on: its name, its collection, and its condition. An index finds the first one."""
ALL_NEEDS = frozenset(NEEDS)
"""The names of all kinds."""


@dataclass(frozen=True, slots=True)
class PollPlan:
    """What a connection needs, as it was when the plan was read."""

    connection_id: ConnectionId
    """The connection."""
    is_active: bool
    """Whether the connection exists and is not paused."""
    needs: frozenset[str]
    """The names of those ``NEEDS`` that have at least one document."""
    has_succeeded: bool
    """Whether the newest run has succeeded."""
    is_imported: bool
    """Whether a complete scan was released before: the guard holds no first import."""
    progress: PollProgress | None
    """Up to when the changes are released; None before the first complete scan, and if it cannot be read."""
    time_zone: ZoneInfo
    """The company's time zone."""
    guard: Guard
    """The thresholds of the connection; the defaults if they are damaged."""
    rejected_resent_on: date | None
    """The day (UTC) of the last resend of rejected employees; None if there was none."""
    verified_on: date | None
    """The day (UTC) of the last scheduled verification; None if there was none."""
    catalogue: SourceCatalogue | None
    """The source catalogue; None before the first scan, and for a damaged one, which the next scan replaces."""
    open_mapping: Callable[[], PublishedMapping | None] = field(repr=False, compare=False)
    """Returns the newest mapping; None if nothing was published. Raises ``StoreFailedError`` if it cannot be read."""
    open_connection: Callable[[], Connection] = field(repr=False, compare=False)
    """Returns the connection.

    Raises ``UnknownConnectionError``, ``EncryptionKeyError`` if a secret does not open, ``StoreFailedError`` if it is damaged.
    """

    def needs_any(self, *names: str) -> bool:
        """Returns whether there is a document of one of these kinds."""
        return not self.needs.isdisjoint(names)


class Polls:
    """Reads the plans of polls."""

    def __init__(self, connections: Collection, cipher: Cipher) -> None:
        self._collection = connections
        self._codec = CredentialCodec(cipher)

    async def plan(self, connection: ConnectionId) -> PollPlan:
        """Returns what a connection needs. Sends one query."""
        documents = await self._collection.aggregate(_build_pipeline(connection))
        stored = next((document for document in documents if document.get("_id") == connection), None)
        found = {name: value for document in documents if "_id" not in document for name, value in document.items()}

        def open_mapping() -> PublishedMapping | None:
            mapping = found.get("mapping")
            return None if mapping is None else _read(DocumentKind.MAPPING, mapping, read_published)

        def open_connection() -> Connection:
            if stored is None:
                raise UnknownConnectionError(connection)
            return _read(DocumentKind.CONNECTION, stored, self._codec.to_connection)

        return PollPlan(
            connection_id=connection,
            is_active=stored is not None and stored.get("state") == ConnectionState.ACTIVE.value,
            needs=ALL_NEEDS & found.keys(),
            has_succeeded=found.get("newest_run") == RunState.SUCCEEDED.value,
            is_imported="progress" in (stored or {}),
            progress=_read_progress(stored),
            time_zone=_read_time_zone(stored),
            guard=_read_guard(stored),
            rejected_resent_on=_read_day(stored, "rejected_resent_on"),
            verified_on=_read_day(stored, "verified_on"),
            catalogue=read_catalogue(found.get("catalogue")),
            open_mapping=open_mapping,
            open_connection=open_connection,
        )


def _read_guard(document: Document | None) -> Guard:
    try:
        return Guard.model_validate((document or {}).get("guard") or {})
    except ValidationError:
        return Guard()


def _read_time_zone(document: Document | None) -> ZoneInfo:
    try:
        return ZoneInfo((document or {})["time_zone"])
    except (KeyError, TypeError, ValueError, OSError):
        return ZoneInfo(DEFAULT_TIME_ZONE)


def _read_progress(document: Document | None) -> PollProgress | None:
    try:
        return PollProgress.model_validate_json(json.dumps((document or {}).get("progress")))
    except (TypeError, ValidationError):
        return None


def _read_day(document: Document | None, name: str) -> date | None:
    """Returns a day of the document; None if it is missing or damaged."""
    try:
        return date.fromisoformat((document or {})[name])
    except (KeyError, TypeError, ValueError):
        return None


def _read(kind: DocumentKind, document: Document, read: Callable[[Document], T]) -> T:
    """Returns what ``read`` makes of the document. The error of a damaged one says what to do."""
    try:
        return read(document)
    except StoreFailedError as error:
        raise StoreFailedError(describe_problem(kind, error)) from None


def _build_pipeline(connection: ConnectionId) -> list[Document]:
    """Returns a query for the connection, followed by a document for each other fact."""
    mine = {"connection_id": connection}
    newest: list[Document] = [
        {"$sort": {"started": -1, "_id": -1}},
        {"$limit": 1},
        {"$project": {"_id": 0, "newest_run": "$state"}},
    ]
    return [
        {"$match": {"_id": connection}},
        *(_unite(collection, {**mine, **where}, _tell(name)) for name, (collection, where) in NEEDS.items()),
        _unite("runs", mine, newest),
        _unite("mappings", mine, [{"$sort": {"version": -1}}, {"$limit": 1}, {"$replaceWith": {"mapping": "$$ROOT"}}]),
        _unite("source_catalogues", {"_id": connection}, [{"$replaceWith": {"catalogue": "$$ROOT"}}]),
    ]


def _unite(collection: str, where: Mapping[str, Any], stages: Iterable[Document]) -> Document:
    return {"$unionWith": {"coll": collection, "pipeline": [{"$match": where}, *stages]}}


def _tell(name: str) -> list[Document]:
    return [{"$limit": 1}, {"$project": {"_id": 0, name: {"$literal": True}}}]
