"""Finds employees by their names or e-mail addresses in the snapshots. What it returns is personal data."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot
from services.store.database import Store

SEARCHED = ("first_name", "last_name", "email")
"""The attributes that are compared. Every snapshot has them, if the credential shows them."""


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """An employee that a search has found."""

    employee: EmployeeId
    """Personio's id of the employee."""
    name: str | None
    """First and last name; None if both are unknown."""
    email: str | None
    """The e-mail address; None if it is unknown."""
    status: str | None
    """The status in Personio; None if it is unknown."""


async def find_people(store: Store, connection: ConnectionId, text: str) -> AsyncIterator[FoundPerson]:
    """Yields the employees with every word of a text in their names, e-mail address or id. Case makes no difference.

    A text without a word finds nothing. Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    words = text.casefold().split()
    if not words:
        return
    async for page in store.snapshots.stream(connection):
        for snapshot in page:
            searched = _list_texts(snapshot)
            if all(any(word in one for one in searched) for word in words):
                yield _to_found(snapshot)


def _list_texts(snapshot: Snapshot) -> list[str]:
    attributes = snapshot.attributes
    values = [attributes.get(key) for key in SEARCHED]
    return [snapshot.employee_id, *(value.casefold() for value in values if isinstance(value, str))]


def _to_found(snapshot: Snapshot) -> FoundPerson:
    email = snapshot.attributes.get("email")
    return FoundPerson(
        snapshot.employee_id, snapshot.full_name, email if isinstance(email, str) else None, snapshot.status
    )
