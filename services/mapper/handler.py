"""Maps a batch of changes. The caller publishes all requests together, so that a failure publishes none of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from services.contracts.cloudevents import Record, to_record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping, UnreadableMapping
from services.mapper.ports import Connections, Mappings
from services.mapping.engine import Engine
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, Incoming, build_dead_letter

logger = logging.getLogger(__name__)

SERVICE = "mapper"
"""Name of the service and of its consumer group."""
HANDLER_BATCH_RECORDS = 10
"""Number of records in one call of the handler: few enough to be read, mapped and published from the processor's cache."""


def _ignore(_: ConnectionId) -> None:
    pass


class Rejecting:
    """Rejects changes of a connection with a mapping that cannot be read, or cannot be applied to an employee.

    It names no version: a request with the unread version could not be told from the one after the repair. And a resent change
    that was mapped before, with an earlier version, stays as it is.
    """

    def __init__(self, problem: str) -> None:
        """``problem`` is what is wrong with the mapping, and what to do."""
        self._problem = problem
        self._engine = Engine(None)

    def map(self, event: EmployeeChanged) -> AccountRequested:
        """Returns the request with the intent ``REJECT``."""
        return self._engine.map(event).model_copy(update={"reason": self._problem})


class Mapper:
    """Maps changes with the newest published mappings.

    The mappings are read after the records were fetched. A resend that follows a publication is therefore mapped with the
    new version.
    """

    def __init__(
        self,
        mappings: Mappings,
        connections: Connections,
        clock: Clock,
        note_unreadable: Callable[[ConnectionId], None] = _ignore,
    ) -> None:
        """Reads ``mappings`` and ``connections``. ``clock`` gives the time of dead letters.

        ``note_unreadable`` receives each connection with a mapping that cannot be read.
        """
        self._note_unreadable = note_unreadable
        self._mappings = mappings
        self._connections = connections
        self._clock = clock
        self._compiled: dict[ConnectionId, Engine] = {}
        self._whole: object = None
        self._engines: dict[ConnectionId, Engine | Rejecting | None] = {}

    async def handle(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        """Returns the request of each change, or a dead letter if the connection is unknown.

        The parts of one batch share what was read from MongoDB.
        """
        if batch.whole is None or batch.whole is not self._whole:
            self._whole, self._engines = batch.whole, {}
        await self._read({incoming.event.connection_id for incoming in batch.records} - self._engines.keys())
        return [self._map(incoming, self._engines[incoming.event.connection_id]) for incoming in batch.records]

    async def _read(self, connections: set[ConnectionId]) -> None:
        if not connections:
            return
        existing, newest = await asyncio.gather(
            self._connections.filter_existing(connections), self._mappings.get_all_published(connections)
        )
        for connection in connections:
            self._engines[connection] = self._compile(connection, newest) if connection in existing else None

    def _compile(
        self, connection: ConnectionId, newest: Mapping[ConnectionId, PublishedMapping | UnreadableMapping]
    ) -> Engine | Rejecting:
        published = newest.get(connection)
        if isinstance(published, UnreadableMapping):
            self._compiled.pop(connection, None)
            self._note_unreadable(connection)
            return Rejecting(published.problem)
        engine = self._compiled.get(connection)
        if engine is None or engine.version != (published.version if published else 0):
            engine = self._compiled[connection] = Engine(published)
        return engine

    def _map(self, incoming: Incoming[EmployeeChanged], engine: Engine | Rejecting | None) -> Record:
        if engine is None:
            return build_dead_letter(incoming, SERVICE, DeadLetterReason.UNKNOWN_CONNECTION, self._clock)
        try:
            request = engine.map(incoming.event)
        except Exception as error:  # a defect that the data of one employee meets must not stop the others
            logger.exception("change cannot be mapped: it is rejected", extra={"person": str(incoming.event.person)})
            problem = f"the mapping cannot be applied ({type(error).__name__}): see the mapper's log"
            request = Rejecting(problem).map(incoming.event)
        return to_record(request, incoming.reason)
