"""Settles batches of account requests: writes to Declaree, records the results in the ledger, files resend tasks.

The caller publishes the outcomes. Batches of one connection may be in progress at the same time, with different people.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from services.accounts.brake import BrakeKeeper
from services.accounts.owners import AccountOwners
from services.contracts.cloudevents import Record, to_record
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.provisioning.manager import ManagerAccount
from services.provisioning.waiting import build_waiting
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Batch, build_dead_letter
from services.runtime.kafka.ownership import Ownership, PartitionsMovedError
from services.runtime.metrics import Metrics
from services.writer.endpoint import Endpoint
from services.writer.endpoints import Endpoints
from services.writer.followups import ResendFiler
from services.writer.freshness import Freshness
from services.writer.order import Queues, Turns
from services.writer.people import BatchPeople, Request, group_by_person
from services.writer.repositories import Repositories
from services.writer.results import ResultWriter
from services.writer.takeover import Takeover
from services.writer.versions import PublishedVersions
from services.writer.work import PersonWork
from services.writer.worker import BatchContext, Worker

logger = logging.getLogger(__name__)

SERVICE = "writer"
"""Name of the service: its consumer group, and the origin of its dead letters."""
MANY_UNKNOWN = 20
"""Number of people without a known account in one batch from which the accounts of the server are listed once."""


def _start_index(people: BatchPeople, endpoint: Endpoint) -> None:
    """Begins to list the accounts of the server if many people of the batch are unknown."""
    if sum(person.entry.account_id is None for person in people.people.values()) >= MANY_UNKNOWN:
        endpoint.start_index()


def _build_context(
    people: BatchPeople, key: PersonKey, takeover: Takeover, *, is_taken: bool, is_absent: bool
) -> BatchContext:
    """Returns what one person needs to know about the batch. ``is_taken`` tells whether the external id is another's."""
    connection = key.connection_id

    def find_manager_account(manager: EmployeeId) -> ManagerAccount | None:
        return people.find_manager_account(PersonKey(connection, manager))

    def is_manager_pending(manager: EmployeeId) -> bool:
        return people.is_manager_pending(key, PersonKey(connection, manager))

    return BatchContext(find_manager_account, is_manager_pending, takeover, is_taken, is_absent)


class LostRaceError(TransientError):
    """Another writer has changed entries of the batch. The batch is settled again, so that every change gets an outcome."""

    code: ClassVar[str] = "lost-race"


@dataclass(frozen=True, slots=True)
class Results:
    """What follows from a batch."""

    records: list[Record]
    """Outcomes and dead letters to publish."""
    skipped: frozenset[PersonKey]
    """People that were not begun, because the partitions are about to move."""


@dataclass(frozen=True, slots=True)
class _Settling:
    """The people of a batch after its requests were settled."""

    people: BatchPeople
    """All people of the batch."""
    done: frozenset[PersonKey]
    """Those that were not skipped."""
    lost: frozenset[PersonKey]
    """Those with an entry that another writer changed concurrently."""


class Writer:
    """Handles batches. A batch is settled after Kafka has acknowledged the returned records."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        resends: ResendFiler,
        endpoints: Endpoints,
        clock: Clock,
        metrics: Metrics,
        freshness: Freshness,
        settle_seconds: float,
        concurrency: int,
        late_write_seconds: float,
    ) -> None:
        """``settle_seconds`` limits the time of one change. ``concurrency`` limits the people of a connection that are
        worked on at once. A request without an answer may still be carried out for ``late_write_seconds``.
        """
        self._repositories = repositories
        self._versions = PublishedVersions(repositories.mappings)
        self._brake = BrakeKeeper(repositories.brakes, repositories.followups, repositories.counters, clock)
        self._resends = resends
        self._endpoints = endpoints
        self._clock = clock
        self._metrics = metrics
        self._freshness = freshness
        self._settle_seconds = settle_seconds
        self._late_write_seconds = late_write_seconds
        self._turns: dict[ConnectionId, Turns] = defaultdict(lambda: Turns(concurrency))
        self._in_progress: dict[ConnectionId, list[BatchPeople]] = defaultdict(list)

    async def handle(self, batch: Batch[AccountRequested], takeover: Takeover) -> Results:
        """Settles a batch of one connection, and returns outcomes and dead letters.

        Raises ``PartitionsMovedError`` to drop the batch, and ``LostRaceError`` to settle it again.
        """
        connection = batch.records[0].event.connection_id
        endpoint = await self._get_endpoint(connection)
        if endpoint is None:
            return Results(self._build_letters(batch.records, DeadLetterReason.UNKNOWN_CONNECTION), frozenset())
        self._freshness.note_served(connection)
        published = await self._versions.filter_published(batch.records)
        forged = [record for record in batch.records if (record.partition, record.offset) not in published]
        records = [record for record in batch.records if (record.partition, record.offset) in published]
        settling = await self._settle(records, endpoint, batch.ownership, takeover)
        people = settling.people.people
        lost = settling.lost
        done = {key: person for key, person in people.items() if key in settling.done}
        await self._resends.file_resends({key: person for key, person in done.items() if key not in lost})
        if lost:
            raise LostRaceError(
                f"another writer has changed ledger entries of the batch ({len(lost)}): the batch is settled again"
            )
        self._count(done)
        outcomes = [to_record(outcome) for person in done.values() for outcome in person.outcomes]
        letters = self._build_letters(forged, DeadLetterReason.FUTURE_MAPPING)
        return Results([*letters, *outcomes], frozenset(people.keys() - done.keys()))

    def _build_letters(self, records: Iterable[Request], reason: DeadLetterReason) -> list[Record]:
        return [build_dead_letter(record, SERVICE, reason, self._clock) for record in records]

    async def _get_endpoint(self, connection: ConnectionId) -> Endpoint | None:
        """Returns the endpoint of a connection; None if the connection does not exist."""
        connections = self._repositories.connections
        endpoints = await self._endpoints.get_all((await connections.get_readable([connection])).values())
        if connection in endpoints:
            return endpoints[connection]
        exists = await connections.filter_existing([connection])
        return self._endpoints.make_unreadable(connection) if exists else None

    async def _settle(
        self, records: Sequence[Request], endpoint: Endpoint, ownership: Ownership, takeover: Takeover
    ) -> _Settling:
        """Settles the requests of one connection. People are skipped once the partitions are about to move."""
        repositories = self._repositories
        queues = group_by_person(records)
        if not queues:
            return _Settling(BatchPeople({}, {}, frozenset()), frozenset(), frozenset())
        connection = records[0].event.connection_id
        others = tuple(self._in_progress[connection])
        people = await BatchPeople.read(repositories.ledger, repositories.snapshots, repositories.runs, queues, others)
        queues = await self._let_damaged_wait(queues, people.damaged)
        taken = await self._claim_external_ids(queues, people, endpoint.server_address)
        absent = await repositories.snapshots.find_absent(queues)
        _start_index(people, endpoint)
        results = ResultWriter(repositories.ledger, repositories.claims, repositories.links)
        owners = AccountOwners(
            endpoint.server_address, repositories.claims, repositories.links, repositories.ledger, people
        )
        done: set[PersonKey] = set()

        async def settle_person(key: PersonKey) -> None:
            if ownership.is_ending:
                return
            worker = Worker(
                endpoint=endpoint,
                owners=owners,
                brake=self._brake,
                context=_build_context(people, key, takeover, is_taken=key in taken, is_absent=key in absent),
                ensure_owned=ownership.ensure_owned,
                clock=self._clock,
                settle_seconds=self._settle_seconds,
                late_write_seconds=self._late_write_seconds,
            )
            await worker.settle_all(people.people[key], queues[key])
            done.add(key)
            results.add(endpoint.server_address, people.people[key])

        self._in_progress[connection].append(people)
        try:
            await self._turns[connection].run(queues, settle_person)
        except* PartitionsMovedError as moved:
            raise moved.exceptions[0] from None
        finally:
            await results.wait()
            self._in_progress[connection].remove(people)
            people.forget_others()
        return _Settling(people, frozenset(done), await results.finish())

    async def _let_damaged_wait(self, queues: Queues, damaged: frozenset[PersonKey]) -> Queues:
        """Notes that the changes of people with a damaged entry wait. Returns the requests of the others."""
        if not damaged:
            return queues
        now = self._clock.now()
        newest = {key: queues[key][-1].event for key in damaged}
        await self._repositories.ledger.note_waiting(
            {key: build_waiting(event, WaitingCause.UNREADABLE_ENTRY, now) for key, event in newest.items()}
        )
        self._metrics.waiting.labels(WaitingCause.UNREADABLE_ENTRY.value).inc(len(damaged))
        return {key: records for key, records in queues.items() if key not in damaged}

    async def _claim_external_ids(self, queues: Queues, people: BatchPeople, server: str) -> frozenset[PersonKey]:
        """Claims the external ids that are new on the server. Returns the people with one that another employee owns."""
        owners: dict[str, PersonKey] = {}
        taken: set[PersonKey] = set()
        for key, records in queues.items():
            desired, known = records[-1].event.desired, people.people[key].entry.external_id
            if desired is None or desired.external_id == known:
                continue  # the older requests are superseded
            if owners.setdefault(desired.external_id, key) != key:
                taken.add(key)
        foreign = await self._repositories.claims.claim_external_ids(server, owners) if owners else frozenset[str]()
        return frozenset(taken | {owners[external_id] for external_id in foreign})

    def _count(self, people: Mapping[PersonKey, PersonWork]) -> None:
        for person in people.values():
            for cause in person.causes:
                self._metrics.waiting.labels(cause.value).inc()
            for outcome in person.outcomes:
                self._metrics.outcomes.labels(outcome.outcome.value).inc()
            if person.first_write is not None:
                self._freshness.measure(person.stored, person.first_write)
