"""A batch of requests: Declaree, then the ledger in one write, then whom to re-send; the outcomes are published after."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.contracts.accounts import Account
from services.contracts.envelope import Record, to_record
from services.contracts.events import AccountRequested, Outcome
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.requests import Resend
from services.runtime.clock import Clock
from services.runtime.consumer import Batch, Incoming, PartitionsMovedError, dead_letter
from services.runtime.metrics import Metrics
from services.writer.person import Applier, Person
from services.writer.ports import Connections, Ledger, Requests
from services.writer.servers import Server, Servers

logger = logging.getLogger(__name__)

SERVICE = "writer"
ON_SERVER = frozenset({Outcome.CREATED, Outcome.LINKED, Outcome.UPDATED, Outcome.ENABLED})


class Writer:
    """Handles one batch after the other; the batch is committed once what it returns is acknowledged by Kafka."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        connections: Connections,
        requests: Requests,
        servers: Servers,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._connections = connections
        self._requests = requests
        self._servers = servers
        self._clock = clock
        self._metrics = metrics

    async def handle(self, batch: Batch[AccountRequested]) -> Sequence[Record]:
        wanted = {incoming.event.connection_id for incoming in batch.events}
        connections = await self._connections.many(wanted)
        servers = await self._servers.of(connections.values())
        known = [incoming for incoming in batch.events if incoming.event.connection_id in servers]
        strangers = [incoming for incoming in batch.events if incoming.event.connection_id not in servers]
        people = await self._apply(known, servers, batch)
        lost = await self._note(people)
        await self._ask_for_resends(people, lost)
        self._count(people)
        return [
            *(dead_letter(incoming, SERVICE, "unknown-connection", self._clock) for incoming in strangers),
            *(to_record(outcome) for key, person in people.items() if key not in lost for outcome in person.outcomes),
        ]

    async def _apply(
        self,
        records: Sequence[Incoming[AccountRequested]],
        servers: Mapping[ConnectionId, Server],
        batch: Batch[AccountRequested],
    ) -> dict[PersonKey, Person]:
        lanes: dict[PersonKey, list[AccountRequested]] = defaultdict(list)
        for incoming in records:
            lanes[incoming.event.person].append(incoming.event)
        managers = {key for requests in lanes.values() for key in _managers(requests)}
        entries = await self._ledger.read({*lanes, *managers})
        people = {key: _person(key, entries.get(key)) for key in lanes}

        def account_of(key: PersonKey) -> AccountId | None:
            entry = people[key].entry if key in people else entries.get(key)
            return entry.account_id if entry else None

        async def lane(key: PersonKey) -> None:
            def manager_of(employee: EmployeeId) -> AccountId | None:
                return account_of(PersonKey(key.connection_id, employee))

            applier = Applier(servers[key.connection_id], manager_of, batch.ownership.check, self._clock)
            await applier.apply_all(people[key], lanes[key])

        try:
            async with asyncio.TaskGroup() as group:
                for key in lanes:
                    group.create_task(lane(key))
        except* PartitionsMovedError as moved:
            raise moved.exceptions[0] from None
        return people

    async def _note(self, people: Mapping[PersonKey, Person]) -> frozenset[PersonKey]:
        """Writes what changed into the ledger. Lost races are marked, so that the next writer looks at the account."""
        changed = [
            person.entry.model_copy(update={"seq": person.read.seq + 1}) for person in people.values() if person.changed
        ]
        lost = await self._ledger.write(changed) if changed else frozenset[PersonKey]()
        if lost:
            await self._ledger.mark_verify(lost)
            for key in lost:
                logger.warning("another writer was here meanwhile; this person is re-sent", extra={"person": str(key)})
        return lost

    async def _ask_for_resends(self, people: Mapping[PersonKey, Person], lost: frozenset[PersonKey]) -> None:
        by_connection: dict[ConnectionId, dict[PersonKey, Person]] = defaultdict(dict)
        for key, person in people.items():
            by_connection[key.connection_id][key] = person
        for connection, own in by_connection.items():
            again = {key.employee_id for key in lost if key.connection_id == connection}
            again |= await self._reports(connection, own)
            again |= await self._completed(own)
            again |= await self._unblocked(connection, own)
            if again:
                task = Resend(scope="people", people=tuple(sorted(again)), why="somebody's account has changed")
                await self._requests.file(connection, task, now=self._clock.now())

    async def _reports(self, connection: ConnectionId, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People who wait for one of these accounts as their manager's."""
        accounts = {key.employee_id: p.entry.account_id for key, p in own.items() if p.entry.account_id is not None}
        return set(await self._ledger.reports_waiting_for(connection, accounts)) if accounts else set()

    async def _completed(self, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People of this batch whose manager's account has appeared while it was worked on.

        Together with ``_reports`` nobody is missed: of two batches the later to write the ledger sees the other.
        """
        open_ones = {
            key: PersonKey(key.connection_id, person.entry.manager.employee_id)
            for key, person in own.items()
            if person.entry.manager is not None and person.entry.open_reference
        }
        managers = await self._ledger.read(set(open_ones.values())) if open_ones else {}
        return {
            key.employee_id
            for key, manager in open_ones.items()
            if manager in managers and managers[manager].account_id is not None
        }

    async def _unblocked(self, connection: ConnectionId, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People who were rejected because of an account whose user name has changed now."""
        renamed = [
            person.entry.account_id
            for person in own.values()
            if person.entry.account_id is not None
            and person.read.account_id == person.entry.account_id
            and person.read.user_name != person.entry.user_name
        ]
        return set(await self._ledger.blocked_by(connection, renamed)) if renamed else set()

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


def _managers(requests: Iterable[AccountRequested]) -> Iterable[PersonKey]:
    for request in requests:
        if request.desired and request.desired.manager and request.desired.manager.employee_id:
            yield PersonKey(request.connection_id, request.desired.manager.employee_id)
