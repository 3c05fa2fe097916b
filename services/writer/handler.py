"""Settles a batch of account requests: writes to Declaree, records the results in the ledger, files resend tasks.

The caller publishes the outcomes.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from services.contracts.cloudevents import Record, to_record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.errors import TransientError
from services.provisioning.manager import ManagerAccount
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, build_dead_letter
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.metrics import Metrics
from services.writer.endpoints import Endpoint, Endpoints
from services.writer.followups import ResendFiler
from services.writer.order import Queues, run_in_order
from services.writer.ownership import AccountOwners
from services.writer.people import BatchPeople, Request, Takeover, build_ranges, group_by_person
from services.writer.ports import Repositories
from services.writer.results import ResultWriter
from services.writer.versions import PublishedVersions
from services.writer.work import PersonWork
from services.writer.worker import Surroundings, Worker

logger = logging.getLogger(__name__)

SERVICE = "writer"
"""Name of the service: its consumer group, and the origin of its dead letters."""
MANY_UNKNOWN = 20
"""Number of people without a known account in one batch from which the accounts of the server are listed once."""
WRITTEN = frozenset({Outcome.CREATED, Outcome.LINKED, Outcome.UPDATED, Outcome.ENABLED, Outcome.INCOMPLETE})
"""Outcomes of changes that reached the server: only these count for the freshness."""


def _start_indexes(people: BatchPeople, endpoints: Mapping[ConnectionId, Endpoint]) -> None:
    """Begins to list the accounts of each server with many unknown people."""
    unknown = Counter(key.connection_id for key, person in people.people.items() if person.entry.account_id is None)
    for connection, number in unknown.items():
        if number >= MANY_UNKNOWN:
            endpoints[connection].start_index()


class LostRaceError(TransientError):
    """Another writer has changed entries of the batch. The batch is settled again, so that every change gets an outcome."""

    code: ClassVar[str] = "lost-race"


class Writer:
    """Handles one batch at a time. The batch is committed after Kafka has acknowledged the returned records."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        resends: ResendFiler,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        batch_seconds: float,
        concurrency: int,
        late_write_seconds: float,
    ) -> None:
        """``batch_seconds`` limits the time of one change. ``concurrency`` limits the people of a connection that are
        processed at once. A request without an answer may still be carried out for ``late_write_seconds``.
        """
        self._repositories = repositories
        self._versions = PublishedVersions(repositories.mappings)
        self._resends = resends
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics
        self._batch_seconds = batch_seconds
        self._concurrency = concurrency
        self._late_write_seconds = late_write_seconds

    async def handle(self, batch: Batch[AccountRequested]) -> Sequence[Record]:
        """Settles a batch and returns outcomes and dead letters.

        Raises ``PartitionsMovedError`` to drop the batch, and ``LostRaceError`` to settle it again.
        """
        endpoints = await self._get_endpoints({record.event.connection_id for record in batch.records})
        known = [record for record in batch.records if record.event.connection_id in endpoints]
        published = await self._versions.filter_published(known)
        settleable, letters = list[Request](), list[Record]()
        for record in batch.records:
            if record.event.connection_id not in endpoints:
                letters.append(build_dead_letter(record, SERVICE, DeadLetterReason.UNKNOWN_CONNECTION, self._clock))
            elif (record.partition, record.offset) not in published:
                letters.append(build_dead_letter(record, SERVICE, DeadLetterReason.FUTURE_MAPPING, self._clock))
            else:
                settleable.append(record)
        people, lost = await self._settle(settleable, endpoints, batch)
        await self._resends.file_resends({key: person for key, person in people.items() if key not in lost})
        if lost:
            raise LostRaceError(
                f"another writer has changed ledger entries of the batch ({len(lost)}): the batch is settled again"
            )
        self._count(people)
        return [*letters, *(to_record(outcome) for person in people.values() for outcome in person.outcomes)]

    async def _get_endpoints(self, wanted: Iterable[ConnectionId]) -> dict[ConnectionId, Endpoint]:
        readable = await self._repositories.connections.get_readable(wanted)
        endpoints = await self._endpoints.get_all(readable.values())
        others = set(wanted) - endpoints.keys()
        unreadable = (
            await self._repositories.connections.filter_existing(others) if others else frozenset[ConnectionId]()
        )
        return endpoints | {connection: self._endpoints.make_unreadable(connection) for connection in unreadable}

    async def _settle(
        self, records: Sequence[Request], endpoints: Mapping[ConnectionId, Endpoint], batch: Batch[AccountRequested]
    ) -> tuple[Mapping[PersonKey, PersonWork], frozenset[PersonKey]]:
        """Returns the people of the batch, and those with an entry that another writer changed concurrently."""
        repositories = self._repositories
        takeover = Takeover(records, await repositories.work_ranges.begin(build_ranges(records)))
        queues = group_by_person(records)
        people = await BatchPeople.read(repositories.ledger, repositories.snapshots, repositories.runs, queues)
        queues = await self._hold_damaged(queues, people.damaged)
        taken = await self._claim_external_ids(queues, people, endpoints)
        absent = await repositories.snapshots.find_absent(queues)
        _start_indexes(people, endpoints)
        results = ResultWriter(repositories.ledger, repositories.claims, repositories.links)

        async def settle_person(key: PersonKey) -> None:
            endpoint = endpoints[key.connection_id]

            def find_manager_account(manager: EmployeeId) -> ManagerAccount | None:
                return people.find_manager_account(PersonKey(key.connection_id, manager))

            def is_manager_pending(manager: EmployeeId) -> bool:
                return people.is_manager_pending(key, PersonKey(key.connection_id, manager))

            worker = Worker(
                endpoint=endpoint,
                owners=AccountOwners(
                    endpoint.server_address,
                    repositories.claims,
                    repositories.links,
                    repositories.ledger,
                    people,
                ),
                surroundings=Surroundings(
                    find_manager_account, is_manager_pending, takeover, key in taken, key in absent
                ),
                ensure_owned=batch.ownership.ensure_owned,
                clock=self._clock,
                settle_seconds=self._batch_seconds,
                late_write_seconds=self._late_write_seconds,
            )
            await worker.settle_all(people.people[key], queues[key])
            results.add(endpoint.server_address, people.people[key])

        try:
            await run_in_order(queues, settle_person, self._concurrency)
        except* PartitionsMovedError as moved:
            raise moved.exceptions[0] from None
        finally:
            await results.wait()
        return people.people, await results.finish()

    async def _hold_damaged(self, queues: Queues, damaged: frozenset[PersonKey]) -> Queues:
        """Notes that the changes of people with a damaged entry wait. Returns the requests of the others."""
        if not damaged:
            return queues
        now = self._clock.now()
        newest = {key: queues[key][-1].event for key in damaged}
        await self._repositories.ledger.hold(
            {
                key: Waiting(
                    cause=WaitingCause.UNREADABLE_ENTRY, since=now, version=event.version, detected_at=event.detected_at
                )
                for key, event in newest.items()
            }
        )
        self._metrics.waiting.labels(WaitingCause.UNREADABLE_ENTRY.value).inc(len(damaged))
        return {key: records for key, records in queues.items() if key not in damaged}

    async def _claim_external_ids(
        self, queues: Queues, people: BatchPeople, endpoints: Mapping[ConnectionId, Endpoint]
    ) -> frozenset[PersonKey]:
        """Claims the external ids that are new on their server. Returns the people with one that another employee owns."""
        wanted: dict[str, dict[str, PersonKey]] = defaultdict(dict)
        taken: set[PersonKey] = set()
        for key, records in queues.items():
            desired, known = records[-1].event.desired, people.people[key].entry.external_id
            if desired is None or desired.external_id == known:
                continue  # the older requests are superseded
            owners = wanted[endpoints[key.connection_id].server_address]
            if owners.setdefault(desired.external_id, key) != key:
                taken.add(key)
        for server, owners in wanted.items():
            foreign = await self._repositories.claims.claim_external_ids(server, owners) if owners else frozenset[str]()
            taken |= {owners[external_id] for external_id in foreign}
        return frozenset(taken)

    def _count(self, people: Mapping[PersonKey, PersonWork]) -> None:
        for person in people.values():
            for cause in person.causes:
                self._metrics.waiting.labels(cause.value).inc()
            for outcome in person.outcomes:
                self._metrics.outcomes.labels(outcome.outcome.value).inc()
                if outcome.outcome in WRITTEN:
                    freshness = (outcome.settled_at - outcome.detected_at).total_seconds()
                    self._metrics.freshness.observe(max(freshness, 0.0))
