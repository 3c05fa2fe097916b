"""What the mapper needs of the world."""

from collections.abc import Iterable
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping


class Mappings(Protocol):
    async def newest(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        """The published mappings, read from the primary; a connection without one is left out."""
        ...


class Connections(Protocol):
    async def existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]: ...
