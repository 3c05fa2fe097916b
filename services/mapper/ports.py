"""What the mapper needs of the world."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping


class Mappings(Protocol):
    async def newest(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        """The published mappings, read from the primary; a connection without one is left out."""
        ...


class Connections(Protocol):
    async def many(self, connections: Iterable[ConnectionId]) -> Mapping[ConnectionId, object]:
        """Those of the connections that exist."""
        ...
