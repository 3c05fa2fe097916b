"""What can be read of every connection, also of one that is damaged or that has secrets under another key."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from services.contracts.connections import Connection, ConnectionState
from services.contracts.ids import ConnectionId
from services.store.collection import Document

DAMAGED = "(damaged)"
"""In place of a text of a connection that cannot be read."""
SUMMARY_FIELDS = tuple(name for name in Connection.model_fields if name != "id")
"""The fields that a summary is made of: those of the connection, because a problem can be in each."""
_TIME = TypeAdapter[datetime](AwareDatetime)


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """The part of a connection that is readable without its secrets."""

    id: ConnectionId
    """The connection's id."""
    name: str
    """The label that an administrator gave."""
    state: ConnectionState
    """Whether the connection is active or paused."""
    personio_url: str
    """Address of Personio's API."""
    declaree_url: str
    """Address of Declaree's SCIM endpoint."""
    created_at: datetime
    """When the connection was added."""
    is_started: bool
    """Whether an administrator has started the connection."""
    personio_secret_at: datetime | None = None
    """When the Personio secret was stored; None if that is not known."""
    declaree_key_at: datetime | None = None
    """When the Declaree key was stored; None if that is not known."""
    problem: str | None = None
    """Why the connection cannot be used, and what to do; None if it can."""


def to_summary(document: Document, problem: str | None) -> ConnectionSummary:
    """Returns the summary, with the problem of an unreadable connection.

    In place of what is damaged, a connection has texts that say so, and counts as paused.
    """
    return ConnectionSummary(
        id=ConnectionId(str(document["_id"])),
        name=_read_text(document, "name"),
        state=to_state(document.get("state")),
        personio_url=_read_text(document, "personio", "url"),
        declaree_url=_read_text(document, "declaree", "url"),
        created_at=_read_time(document, "created_at") or datetime.fromtimestamp(0, UTC),
        is_started=document.get("started_at") is not None,
        personio_secret_at=_read_time(document, "personio_secret_at"),
        declaree_key_at=_read_time(document, "declaree_key_at"),
        problem=problem,
    )


def to_state(value: object) -> ConnectionState:
    """Returns a stored state. An invalid one counts as paused, so that nothing is sent."""
    return next((state for state in ConnectionState if state == value), ConnectionState.PAUSED)


def _read_time(document: Document, name: str) -> datetime | None:
    try:
        return _TIME.validate_python(document.get(name))
    except ValidationError:
        return None


def _read_text(document: Document, *path: str) -> str:
    value: object = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else DAMAGED
