"""A batch of requests: Declaree, the ledger, then whom to re-send; the outcomes are published after."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.contracts.accounts import Account
from services.contracts.envelope import Record, to_record
from services.contracts.events import AccountRequested, Outcome
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.runtime.clock import Clock
from services.runtime.consumer import Batch, Incoming, PartitionsMovedError, dead_letter
from services.runtime.metrics import Metrics
from services.writer.lanes import manager_in, run
from services.writer.person import Applier, Claims, Person
from services.writer.ports import Connections, Ledger
from services.writer.resends import Resends
from services.writer.servers import Server, Servers

logger = logging.getLogger(__name__)

SERVICE = "writer"
NOTED_AT_ONCE = 50
"""So many people who are done are written into the ledger together, while others of the batch are still worked on."""
ON_SERVER = frozenset({Outcome.CREATED, Outcome.LINKED, Outcome.UPDATED, Outcome.ENABLED})


class Writer:
    """Handles one batch after the other; the batch is committed once what it returns is acknowledged by Kafka."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        connections: Connections,
        resends: Resends,
        servers: Servers,
        clock: Clock,
        metrics: Metrics,
        batch_seconds: float,
        at_once: int,
    ) -> None:
        """``at_once`` is how many people of a connection are worked on at the same time."""
        self._ledger = ledger
        self._connections = connections
        self._resends = resends
        self._servers = servers
        self._clock = clock
        self._metrics = metrics
        self._batch_seconds = batch_seconds
        self._at_once = at_once

    async def handle(self, batch: Batch[AccountRequested]) -> Sequence[Record]:
        servers = await self._servers_of({incoming.event.connection_id for incoming in batch.events})
        known = [incoming for incoming in batch.events if incoming.event.connection_id in servers]
        strangers = [incoming for incoming in batch.events if incoming.event.connection_id not in servers]
        people, lost = await self._apply(known, servers, batch)
        await self._resends.ask(people, lost)
        self._count(people)
        return [
            *(dead_letter(incoming, SERVICE, "unknown-connection", self._clock) for incoming in strangers),
            *(to_record(outcome) for key, person in people.items() if key not in lost for outcome in person.outcomes),
        ]

    async def _servers_of(self, wanted: Iterable[ConnectionId]) -> dict[ConnectionId, Server]:
        readable = await self._connections.many(wanted)
        servers = await self._servers.of(readable.values())
        others = set(wanted) - servers.keys()
        existing = await self._connections.existing(others) if others else frozenset[ConnectionId]()
        return servers | {connection: self._servers.unreadable(connection) for connection in existing}

    async def _apply(
        self,
        records: Sequence[Incoming[AccountRequested]],
        servers: Mapping[ConnectionId, Server],
        batch: Batch[AccountRequested],
    ) -> tuple[dict[PersonKey, Person], frozenset[PersonKey]]:
        """Everybody of the batch, and whom another writer has handled meanwhile."""
        lanes: dict[PersonKey, list[Incoming[AccountRequested]]] = defaultdict(list)
        for incoming in records:
            lanes[incoming.event.person].append(incoming)
        managers = (manager_in([incoming]) for incoming in records)
        entries = await self._ledger.read({*lanes, *(key for key in managers if key is not None)})
        people = {key: _person(key, entries.get(key)) for key in lanes}
        claims = {connection: Claims(self._ledger, connection) for connection in servers}
        deadline = self._clock.monotonic() + self._batch_seconds
        done: list[Person] = []
        notes: list[asyncio.Task[frozenset[PersonKey]]] = []

        def account_of(key: PersonKey) -> AccountId | None:
            entry = people[key].entry if key in people else entries.get(key)
            return entry.account_id if entry else None

        async def lane(key: PersonKey) -> None:
            def manager_of(employee: EmployeeId) -> AccountId | None:
                return account_of(PersonKey(key.connection_id, employee))

            applier = Applier(
                server=servers[key.connection_id],
                manager_of=manager_of,
                claims=claims[key.connection_id],
                check=batch.ownership.check,
                clock=self._clock,
                deadline=deadline,
            )
            await applier.apply_all(people[key], lanes[key])
            done.append(people[key])
            if len(done) == NOTED_AT_ONCE:
                notes.append(asyncio.create_task(self._note(done[:])))
                done.clear()

        try:
            await run(lanes, lane, self._at_once)
        except* PartitionsMovedError as moved:
            raise moved.exceptions[0] from None
        finally:
            # a ledger that cannot be written ends nobody's request on its way; and nothing is written after the batch
            await asyncio.gather(*notes, return_exceptions=True)
        return people, frozenset().union(*await asyncio.gather(*notes, self._note(done)))

    async def _note(self, people: Iterable[Person]) -> frozenset[PersonKey]:
        """Writes what changed into the ledger. Lost races are marked, so that the next writer looks at the account."""
        changed = [person.entry.model_copy(update={"seq": person.read.seq + 1}) for person in people if person.changed]
        lost = await self._ledger.write(changed) if changed else frozenset[PersonKey]()
        if lost:
            await self._ledger.mark_verify(lost)
            for key in lost:
                logger.warning("another writer was here meanwhile; this person is re-sent", extra={"person": str(key)})
        return lost

    def _count(self, people: Mapping[PersonKey, Person]) -> None:
        for person in people.values():
            for cause in person.causes:
                self._metrics.waiting.labels(cause).inc()
            for outcome in person.outcomes:
                self._metrics.outcomes.labels(outcome.outcome.value).inc()
                if outcome.outcome in ON_SERVER:
                    fresh = (outcome.settled_at - outcome.detected_at).total_seconds()
                    self._metrics.freshness.observe(max(fresh, 0.0))


def _person(key: PersonKey, entry: Account | None) -> Person:
    read = entry or Account(connection_id=key.connection_id, employee_id=key.employee_id)
    return Person(read, read)
