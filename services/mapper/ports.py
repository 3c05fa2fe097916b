"""What the mapper needs from outside, with only the methods that it calls."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from services.contracts.damage import Damage
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping, UnreadableMapping
from services.contracts.tasks import Action


class Mappings(Protocol):
    """The published mappings of all connections."""

    async def get_all_published(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, PublishedMapping | UnreadableMapping]:
        """Returns the newest published mappings, read from the primary. A connection without one is left out."""
        ...


class Connections(Protocol):
    """The connections."""

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist."""
        ...


class DamageNotes(Protocol):
    """The notes about documents that cannot be read."""

    async def list_all(self) -> tuple[Damage, ...]:
        """Returns the documents of all connections that still cannot be read."""
        ...


class Tasks(Protocol):
    """The tasks that are filed for lease owners."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> object:
        """Files a task. With ``once``, an open task of the same key stands for the new one."""
        ...
