"""Settles a batch of account requests: writes to Declaree, records the results in the ledger, files resend tasks.

The caller publishes the outcomes.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.contracts.cloudevents import Record, to_record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, Incoming, build_dead_letter
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.metrics import Metrics
from services.writer.endpoints import Endpoint, Endpoints
from services.writer.followups import ResendFiler
from services.writer.order import find_manager, run_in_order
from services.writer.ports import Connections, Ledger
from services.writer.worker import AccountClaims, PersonWork, Worker

logger = logging.getLogger(__name__)

SERVICE = "writer"
"""Name of the service: its consumer group, and the origin of its dead letters."""
LEDGER_FLUSH_SIZE = 50
"""Number of ledger entries per bulk write. Entries are flushed while the rest of the batch is still running."""
WRITTEN = frozenset({Outcome.CREATED, Outcome.LINKED, Outcome.UPDATED, Outcome.ENABLED})
"""Outcomes of changes that reached the server: only these count for the freshness."""


class Writer:
    """Handles one batch at a time. The batch is committed after Kafka has acknowledged the returned records."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        connections: Connections,
        resends: ResendFiler,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        batch_seconds: float,
        concurrency: int,
    ) -> None:
        """``batch_seconds`` limits the time of one batch. ``concurrency`` limits the people of a connection that are processed at once."""
        self._ledger = ledger
        self._connections = connections
        self._resends = resends
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics
        self._batch_seconds = batch_seconds
        self._concurrency = concurrency

    async def handle(self, batch: Batch[AccountRequested]) -> Sequence[Record]:
        """Settles a batch and returns outcomes and dead letters; raises ``PartitionsMovedError`` to drop the batch."""
        endpoints = await self._get_endpoints({record.event.connection_id for record in batch.records})
        settleable = [record for record in batch.records if record.event.connection_id in endpoints]
        unknown = [record for record in batch.records if record.event.connection_id not in endpoints]
        people, lost = await self._settle(settleable, endpoints, batch)
        await self._resends.file_resends(people, lost)
        self._count(people)
        return [
            *(
                build_dead_letter(record, SERVICE, DeadLetterReason.UNKNOWN_CONNECTION, self._clock)
                for record in unknown
            ),
            *(to_record(outcome) for key, person in people.items() if key not in lost for outcome in person.outcomes),
        ]

    async def _get_endpoints(self, wanted: Iterable[ConnectionId]) -> dict[ConnectionId, Endpoint]:
        readable = await self._connections.get_readable(wanted)
        endpoints = await self._endpoints.get_all(readable.values())
        others = set(wanted) - endpoints.keys()
        unreadable = await self._connections.filter_existing(others) if others else frozenset[ConnectionId]()
        return endpoints | {connection: self._endpoints.make_unreadable(connection) for connection in unreadable}

    async def _settle(
        self,
        records: Sequence[Incoming[AccountRequested]],
        endpoints: Mapping[ConnectionId, Endpoint],
        batch: Batch[AccountRequested],
    ) -> tuple[dict[PersonKey, PersonWork], frozenset[PersonKey]]:
        """Returns the people of the batch, and those with an entry that another writer changed concurrently."""
        queues: dict[PersonKey, list[Incoming[AccountRequested]]] = defaultdict(list)
        for record in records:
            queues[record.event.person].append(record)
        managers = map(find_manager, records)
        entries = await self._ledger.read({*queues, *(key for key in managers if key is not None)})
        people = {key: _begin_person(key, entries.get(key)) for key in queues}
        claims = {connection: AccountClaims(self._ledger, connection) for connection in endpoints}
        deadline = self._clock.monotonic() + self._batch_seconds
        settled: list[PersonWork] = []
        flushes: list[asyncio.Task[frozenset[PersonKey]]] = []

        def find_account(key: PersonKey) -> AccountId | None:
            entry = people[key].entry if key in people else entries.get(key)
            return entry.account_id if entry else None

        async def settle_person(key: PersonKey) -> None:
            def find_manager_account(employee: EmployeeId) -> AccountId | None:
                return find_account(PersonKey(key.connection_id, employee))

            worker = Worker(
                endpoint=endpoints[key.connection_id],
                manager_account=find_manager_account,
                claims=claims[key.connection_id],
                ensure_owned=batch.ownership.ensure_owned,
                clock=self._clock,
                deadline=deadline,
            )
            await worker.settle_all(people[key], queues[key])
            settled.append(people[key])
            if len(settled) == LEDGER_FLUSH_SIZE:
                flushes.append(asyncio.create_task(self._flush(settled[:])))
                settled.clear()

        try:
            await run_in_order(queues, settle_person, self._concurrency)
        except* PartitionsMovedError as moved:
            raise moved.exceptions[0] from None
        finally:
            # wait for every ledger write, even if one failed, so that none outlives the batch
            await asyncio.gather(*flushes, return_exceptions=True)
        return people, frozenset().union(*await asyncio.gather(*flushes, self._flush(settled)))

    async def _flush(self, people: Iterable[PersonWork]) -> frozenset[PersonKey]:
        """Writes the changed entries. Marks lost races for verification, so that the next writer looks up the account."""
        changed = [
            person.entry.model_copy(update={"seq": person.stored.seq + 1}) for person in people if person.is_changed
        ]
        lost = await self._ledger.write(changed) if changed else frozenset[PersonKey]()
        if lost:
            await self._ledger.mark_verify(lost)
            for key in lost:
                logger.warning("ledger entry changed concurrently; resending the employee", extra={"person": str(key)})
        return lost

    def _count(self, people: Mapping[PersonKey, PersonWork]) -> None:
        for person in people.values():
            for cause in person.causes:
                self._metrics.waiting.labels(cause.value).inc()
            for outcome in person.outcomes:
                self._metrics.outcomes.labels(outcome.outcome.value).inc()
                if outcome.outcome in WRITTEN:
                    freshness = (outcome.settled_at - outcome.detected_at).total_seconds()
                    self._metrics.freshness.observe(max(freshness, 0.0))


def _begin_person(key: PersonKey, entry: LedgerEntry | None) -> PersonWork:
    stored = entry or LedgerEntry(connection_id=key.connection_id, employee_id=key.employee_id)
    return PersonWork(stored, stored)
