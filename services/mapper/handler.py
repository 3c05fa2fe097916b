"""A batch is mapped first and published as a whole: fastest, and a failure publishes nothing twice."""

import asyncio
from collections.abc import Sequence

from services.contracts.envelope import Record, to_record
from services.contracts.events import EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.mapper.ports import Connections, Mappings
from services.mapping.engine import Engine
from services.runtime.clock import Clock
from services.runtime.consumer import Batch, dead_letter

SERVICE = "mapper"
YIELD_EVERY = 100
"""Records mapped before heartbeats and health checks get their turn."""


class Mapper:
    """The published mappings are read once per batch, after it was fetched: what is re-sent after publishing meets the new one."""

    def __init__(self, mappings: Mappings, connections: Connections, clock: Clock) -> None:
        self._mappings = mappings
        self._connections = connections
        self._clock = clock
        self._engines: dict[ConnectionId, Engine] = {}

    async def handle(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        wanted = {incoming.event.connection_id for incoming in batch.events}
        existing = await self._connections.existing(wanted)
        newest = await self._mappings.newest(wanted)
        engines = {connection: self._engine(connection, newest.get(connection)) for connection in existing}
        records: list[Record] = []
        for position, incoming in enumerate(batch.events, 1):
            engine = engines.get(incoming.event.connection_id)
            if engine is None:
                records.append(dead_letter(incoming, SERVICE, "unknown-connection", self._clock))
            else:
                records.append(to_record(engine.map(incoming.event), incoming.cause))
            if position % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return records

    def _engine(self, connection: ConnectionId, published: PublishedMapping | None) -> Engine:
        version = published.version if published else 0
        known = self._engines.get(connection)
        if known is None or known.version != version:
            known = self._engines[connection] = Engine(published)
        return known
