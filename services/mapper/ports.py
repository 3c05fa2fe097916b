"""What the mapper needs from outside, with only the methods that it calls."""

from collections.abc import Iterable
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping


class Mappings(Protocol):
    """The published mappings of all connections."""

    async def get_all_published(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, PublishedMapping]:
        """Returns the newest published mappings, read from the primary. A connection without one is left out."""
        ...


class Connections(Protocol):
    """The connections."""

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist."""
        ...
