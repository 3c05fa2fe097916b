"""A batch is mapped first and published as a whole: fastest, and a failure publishes nothing twice."""

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
AT_ONCE = 100
"""Records of a batch that are mapped at a time."""


class Mapper:
    """The published mappings are read after the records were fetched: what is re-sent after publishing meets the new one."""

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
        for incoming in batch.events:
            engine = engines.get(incoming.event.connection_id)
            if engine is None:
                records.append(dead_letter(incoming, SERVICE, "unknown-connection", self._clock))
            else:
                records.append(to_record(engine.map(incoming.event), incoming.cause))
        return records

    def _engine(self, connection: ConnectionId, published: PublishedMapping | None) -> Engine:
        version = published.version if published else 0
        known = self._engines.get(connection)
        if known is None or known.version != version:
            known = self._engines[connection] = Engine(published)
        return known
