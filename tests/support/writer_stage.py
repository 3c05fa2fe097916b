"""A writer between a store and the sandbox Declaree, all in the process of the test."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import pytest

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import Paces
from services.contracts.cloudevents import Record, SendReason, read_event
from services.contracts.connections import DeclareeAccess, LinkPolicy
from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import ConnectionId
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.topics import Topic
from services.provisioning.calls import Answer, Call, PatchAccount
from services.runtime.kafka.decoding import Batch, Incoming
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.writer.endpoint import Endpoint
from services.writer.endpoints import Endpoints
from services.writer.followups import ResendFiler
from services.writer.freshness import Freshness
from services.writer.handler import Writer
from services.writer.takeover import Takeover
from tests.support.builders import CONNECTION, DECLAREE, make_connection, make_incoming, make_person
from tests.support.fakes import (
    CrashError,
    Crashes,
    FakeClock,
    FiledTasks,
    KnownConnections,
    OwnedPartitions,
    WatchedServer,
)

LATE_WRITE_SECONDS = 300.0
"""Seconds in which a server may carry out an unanswered request."""
URL = "https://declaree.test/SCIM/v2"
EVA: dict[str, Any] = {"fields": {"name.givenName": "Eva", "name.familyName": "Lovelace"}}
ZOE: dict[str, Any] = {"fields": {"name.givenName": "Zoë", "name.familyName": "Lovelace"}}


class KnownVersions:
    """The published mappings of every connection, of which only the newest version is known."""

    def __init__(self) -> None:
        """Starts with a version that no request of these tests exceeds."""
        self.newest = 9
        self.queries = 0

    async def find_newest_versions(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, int]:
        """Returns the newest version for each of these connections."""
        self.queries += 1
        return dict.fromkeys(connections, self.newest)


class WriterStage:
    """A writer and its surroundings.

    ``offset`` is that of the next record; a test sets it back to let records be delivered again, which makes them suspect.
    ``declaree`` is the state of the sandbox. ``clients`` are the clients of the servers, the newest last. A test may replace
    ``ledger``, ``followups`` or ``tasks`` and then call ``restart``.
    """

    def __init__(self, store: Store, behaviour: Behaviour | None = None, clock: FakeClock | None = None) -> None:
        """Starts a writer with one connection."""
        self.store = store
        self.clock = clock or FakeClock()
        self.paces = Paces(self.clock)
        self.metrics = Metrics()
        self.freshness = Freshness(self.metrics, self.clock)
        self.tasks: Any = FiledTasks()
        self.ownership = OwnedPartitions()
        self.declaree = Declaree(api_key=DECLAREE.key.get_secret_value(), behaviour=behaviour, clock=self.clock.now)
        self.app = create_app(self.declaree, self.clock.monotonic)
        self.clients: list[WatchedServer] = []
        self.connections: Any = KnownConnections()
        self.connect()
        self.endpoints = Endpoints(self._make_client, self.clock)
        self.ledger: Any = store.ledger
        self.followups: Any = store.followups
        self.claims: Any = store.claims
        self.links: Any = store.links
        self.brakes: Any = store.brakes
        self.counters: Any = store.counters
        self.mappings = KnownVersions()
        self.work_ranges: Any = store.work_ranges
        self.snapshots: Any = store.snapshots
        self.runs: Any = store.runs
        self.offset = 0
        self.writer = self.make_writer()

    # ------------------------------------------------------------ the writer

    def connect(
        self, name: ConnectionId = CONNECTION, key: str | None = None, policy: LinkPolicy = LinkPolicy.ASK
    ) -> None:
        """Adds a connection, or replaces its access and policy."""
        access = DECLAREE.model_copy(update={"url": URL})
        if key is not None:
            access = DeclareeAccess.model_validate({"url": URL, "key": key})
        self.connections.connections[name] = make_connection(name, declaree=access, link_policy=policy)

    def make_writer(self, settle_seconds: float = 60, concurrency: int = 32) -> Writer:
        """Returns another writer, which shares ledger and server with the first, but no memory."""
        return Writer(
            repositories=self,
            resends=ResendFiler(self.ledger, self.followups, self.tasks, self.clock),
            endpoints=self.endpoints,
            clock=self.clock,
            metrics=self.metrics,
            freshness=self.freshness,
            settle_seconds=settle_seconds,
            concurrency=concurrency,
            late_write_seconds=LATE_WRITE_SECONDS,
        )

    def restart(self, settle_seconds: float = 60, concurrency: int = 32) -> None:
        """Replaces the writer by one that remembers nothing."""
        self.writer = self.make_writer(settle_seconds, concurrency)

    async def reset_endpoints(self) -> None:
        """Forgets clients, circuit breakers and what was learnt about the servers, as a restarted process does."""
        await self.endpoints.stop()
        self.endpoints = Endpoints(self._make_client, self.clock)
        self.restart()

    async def get_server(self) -> WatchedServer:
        """Returns the server that the next batch will use."""
        await self.get_endpoints()
        return self.clients[-1]

    async def get_endpoints(self) -> dict[ConnectionId, Endpoint]:
        """Returns the endpoints of all connections."""
        return await self.endpoints.get_all(self.connections.connections.values())

    async def handle_records(
        self, *requests: AccountRequested, reason: SendReason = SendReason.DETECTED
    ) -> list[Record]:
        """Handles a batch of these requests and returns what the writer publishes."""
        first = self.offset
        self.offset += len(requests)
        records = tuple(make_incoming(request, number, reason) for number, request in enumerate(requests, first))
        return await self.handle_incoming(records, self.writer)

    async def handle_incoming(self, records: Sequence[Incoming[AccountRequested]], writer: Writer) -> list[Record]:
        """Lets a writer handle records, in one batch for each connection, and returns what it publishes."""
        takeover = Takeover()
        await takeover.begin(self.work_ranges, records, {})
        by_connection: dict[ConnectionId, list[Incoming[AccountRequested]]] = defaultdict(list)
        for record in records:
            by_connection[record.event.connection_id].append(record)
        batches = [Batch(tuple(part), self.ownership) for part in by_connection.values()]
        all_results = await asyncio.gather(*(writer.handle(batch, takeover) for batch in batches))
        return [record for results in all_results for record in results.records]

    async def handle(
        self, *requests: AccountRequested, reason: SendReason = SendReason.DETECTED
    ) -> list[AccountSynced]:
        """Handles a batch of these requests and returns the outcomes."""
        return read_outcomes(await self.handle_records(*requests, reason=reason))

    async def crash_before_ledger(self, *requests: AccountRequested, concurrency: int = 32) -> None:
        """Handles a batch that crashes before its first ledger write, and restarts the writer afterwards."""
        ledger, self.ledger = self.ledger, Crashes(at=0).wrap(self.ledger, ["write"])
        self.restart(concurrency=concurrency)
        with pytest.raises(CrashError):
            await self.handle(*requests)
        self.ledger = ledger
        self.restart(concurrency=concurrency)

    async def close(self) -> None:
        """Closes the clients."""
        await self.endpoints.stop()

    # ------------------------------------------------------------ the ledger

    async def get_entry(self, employee: str = "7") -> LedgerEntry:
        """Returns the ledger entry of an employee that has one."""
        entry = await self.store.ledger.get(make_person(employee))
        assert entry is not None
        return entry

    async def let_another_writer_win(self, employee: str, revision: int) -> None:
        """After this writer's next PATCH, another writer records this revision of the employee in the ledger."""
        server, is_first = await self.get_server(), True

        async def record_as_another_writer(call: Call, answer: Answer) -> Answer:
            nonlocal is_first
            if is_first and isinstance(call, PatchAccount):
                is_first = False
                entry = await self.get_entry(employee)
                assert entry.decided is not None
                decided = entry.decided.model_copy(update={"revision": revision})
                winner = entry.model_copy(update={"seq": entry.seq + 1, "decided": decided, "applied": "theirs"})
                assert not await self.store.ledger.write([winner])
            return answer

        server.after = record_as_another_writer

    async def get_cause(self, employee: str = "7") -> WaitingCause | None:
        """Returns why the employee's change waits; None if it does not wait."""
        waiting = (await self.get_entry(employee)).waiting
        return waiting.cause if waiting else None

    # ------------------------------------------------------------ the server

    def has_account(self, employee: str) -> bool:
        """Returns whether the server has an account with the employee's external id."""
        return any(user.resource.get("externalId") == employee for user in self.declaree.directory.users.values())

    def get_account(self, employee: str = "7") -> dict[str, Any]:
        """Returns the one account with the employee's external id."""
        users = self.declaree.directory.users.values()
        (user,) = [user for user in users if user.resource.get("externalId") == employee]
        return {"id": user.id, **user.resource}

    def get_manager(self, employee: str) -> str | None:
        """Returns the manager's account in the employee's account; None without a manager."""
        manager: dict[str, Any] = self.get_account(employee).get(ENTERPRISE, {}).get("manager", {})
        return manager.get("value")

    def add_account(self, address: str, **more: Any) -> str:
        """Adds an account as an administrator does, and returns its id."""
        body = {
            "userName": address,
            "emails": [{"value": address, "type": "work", "primary": True}],
            "name": {"givenName": "A", "familyName": "B"},
        }
        return self.declaree.registry.create("User", body | more, self.declaree.behaviour).id

    def delete_account(self, employee: str) -> None:
        """Deletes the employee's account on the server, long after its creation."""
        self.clock.seconds += LATE_WRITE_SECONDS + 1
        self.declaree.directory.delete(self.declaree.directory.users[self.get_account(employee)["id"]])

    def change_behaviour(self, **changes: Any) -> None:
        """Changes how the server behaves."""
        self.declaree.behaviour = self.declaree.behaviour.model_copy(update=changes)

    def list_calls(self) -> list[tuple[str, str]]:
        """Returns method and path of every request that reached the server."""
        return [(entry.method, entry.path) for entry in self.declaree.journal.read_since(0, 10_000)]

    def _make_client(self, access: DeclareeAccess) -> WatchedServer:
        transport = httpx.ASGITransport(app=self.app)
        client = DeclareeClient(access, clock=self.clock, paces=self.paces, transport=transport, allow_private=False)
        self.clients.append(WatchedServer(client))
        return self.clients[-1]


def read_outcomes(records: Iterable[Record]) -> list[AccountSynced]:
    """Returns the outcomes among the published records."""
    return [read_event(AccountSynced, record.value) for record in records if record.topic is Topic.ACCOUNT_OUTCOMES]


def summarize(outcomes: Iterable[AccountSynced]) -> list[tuple[str, Outcome]]:
    """Returns employee and outcome of each."""
    return [(outcome.employee_id, outcome.outcome) for outcome in outcomes]
