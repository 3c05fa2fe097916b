"""A batch is mapped first and published as a whole: fastest, and a failure publishes nothing twice."""

import asyncio
from collections.abc import Mapping, Sequence

from services.contracts.envelope import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.mapper.ports import Connections, Mappings
from services.mapping.engine import Engine
from services.runtime.clock import Clock
from services.runtime.consumer import Batch, Incoming, Ownership, dead_letter

SERVICE = "mapper"
AT_ONCE = 10
"""Records of a batch that are mapped at a time: read, mapped and gone before they have left the processor's cache."""


class Mapper:
    """The published mappings are read after the records were fetched: what is re-sent after publishing meets the new one."""

    def __init__(self, mappings: Mappings, connections: Connections, clock: Clock) -> None:
        self._mappings = mappings
        self._connections = connections
        self._clock = clock
        self._compiled: dict[ConnectionId, Engine] = {}
        self._fetch: Ownership | None = None
        self._engines: dict[ConnectionId, Engine | None] = {}

    async def handle(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        """What was read of MongoDB serves all batches of one fetch: those with the same ownership."""
        if batch.ownership is not self._fetch:
            self._fetch, self._engines = batch.ownership, {}
        await self._read({incoming.event.connection_id for incoming in batch.events} - self._engines.keys())
        return [self._answer(incoming, self._engines[incoming.event.connection_id]) for incoming in batch.events]

    async def _read(self, connections: set[ConnectionId]) -> None:
        if not connections:
            return
        existing, newest = await asyncio.gather(
            self._connections.existing(connections), self._mappings.newest(connections)
        )
        for connection in connections:
            self._engines[connection] = self._engine(connection, newest) if connection in existing else None

    def _engine(self, connection: ConnectionId, newest: Mapping[ConnectionId, PublishedMapping]) -> Engine:
        published = newest.get(connection)
        known = self._compiled.get(connection)
        if known is None or known.version != (published.version if published else 0):
            known = self._compiled[connection] = Engine(published)
        return known

    def _answer(self, incoming: Incoming[EmployeeChanged], engine: Engine | None) -> Record:
        if engine is None:
            return dead_letter(incoming, SERVICE, "unknown-connection", self._clock)
        return to_record(engine.map(incoming.event), incoming.cause)
