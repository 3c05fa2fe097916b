"""What can be read of every connection, also of one that is damaged or that has secrets under another key."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from services.contracts.connections import Connection, ConnectionState, normalise_server
from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.store.collection import Document, to_model
from services.store.credentials import SECRET_FIELDS
from services.store.damage_notes import describe_problem
from services.store.errors import StoreFailedError

DAMAGED = "(damaged)"
"""In place of a text of a connection that cannot be read."""
_TIME = TypeAdapter(datetime)


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
    problem: str | None = None
    """What is wrong with the connection and what to do, its secrets aside; None if it can be read."""


def to_summary(document: Document) -> ConnectionSummary:
    """Returns the summary. In place of what is damaged, a connection has texts that say so, and counts as paused."""
    state, created_at = document.get("state"), document.get("created_at")
    try:
        created = _TIME.validate_python(created_at)
    except ValidationError:
        created = datetime.fromtimestamp(0, UTC)
    return ConnectionSummary(
        id=ConnectionId(str(document["_id"])),
        name=_read_text(document, "name"),
        state=ConnectionState(state) if state in set(ConnectionState) else ConnectionState.PAUSED,
        personio_url=_read_text(document, "personio", "url"),
        declaree_url=_read_text(document, "declaree", "url"),
        created_at=created,
        is_started=document.get("started_at") is not None,
        problem=_find_problem(document),
    )


def _find_problem(document: Document) -> str | None:
    """Returns what is wrong with the fields of a connection, with any other text in place of its secrets."""
    content = {**document, "id": document["_id"]}
    for field in SECRET_FIELDS:
        block = content.get(field.block)
        if isinstance(block, dict):
            content[field.block] = {**block, field.name: DAMAGED}
    try:
        to_model(Connection, content)
    except StoreFailedError as error:
        return describe_problem(DocumentKind.CONNECTION, error)
    return None


def _read_text(document: Document, *path: str) -> str:
    value: object = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else DAMAGED


def is_at_server(document: Document, server: str) -> bool:
    """Returns whether a connection is to the SCIM server with this normalised address. A damaged one is to none."""
    try:
        return normalise_server(_read_text(document, "declaree", "url")) == server
    except ValueError:  # no address at all
        return False
