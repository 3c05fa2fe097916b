"""A writer with a real ledger, and the sandbox Declaree in this process."""

from collections.abc import Iterable
from typing import Any

import httpx

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.contracts.accounts import Account
from services.contracts.connections import DeclareeAccess
from services.contracts.envelope import Cause, Record, read_event
from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import ConnectionId
from services.contracts.mappings import ENTERPRISE
from services.contracts.topics import Topic
from services.runtime.consumer import Batch
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.writer.handler import Writer
from services.writer.resends import Resends
from services.writer.servers import Servers
from tests.builders import connection, incoming
from tests.fakes import FakeClock, FiledRequests, KnownConnections, Owned, WatchedServer
from tests.stored import CONNECTION, DECLAREE, person

URL = "http://declaree.test/SCIM/v2"


class Stage:
    """``declaree`` is the state of the sandbox, ``server`` what the writer asks it through, the newest one last."""

    def __init__(self, store: Store, behaviour: Behaviour | None = None) -> None:
        self.store = store
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.requests = FiledRequests()
        self.ownership = Owned()
        self.declaree = Declaree(api_key=DECLAREE.key.get_secret_value(), behaviour=behaviour)
        self.app = create_app(self.declaree)
        self.clients: list[WatchedServer] = []
        self.connections = KnownConnections()
        self.connect()
        self.servers = Servers(self.client, self.clock)
        self.ledger: Any = store.accounts
        self.writer = self.another_writer()

    def client(self, access: DeclareeAccess) -> WatchedServer:
        found = DeclareeClient(access, clock=self.clock, transport=httpx.ASGITransport(app=self.app))
        self.clients.append(WatchedServer(found))
        return self.clients[-1]

    def connect(self, name: ConnectionId = CONNECTION, key: str | None = None) -> None:
        access = DECLAREE.model_copy(update={"url": URL})
        if key is not None:
            access = DeclareeAccess.model_validate({"url": URL, "key": key})
        self.connections.known[name] = connection(name, declaree=access)

    def another_writer(self, batch_seconds: float = 60, at_once: int = 32) -> Writer:
        """As after a restart: it shares the ledger and the server, and remembers nothing."""
        return Writer(
            ledger=self.ledger,
            connections=self.connections,
            resends=Resends(self.ledger, self.requests, self.clock),
            servers=self.servers,
            clock=self.clock,
            metrics=self.metrics,
            batch_seconds=batch_seconds,
            at_once=at_once,
        )

    async def server(self) -> WatchedServer:
        """What the next batch will ask."""
        await self.servers.of(self.connections.known.values())
        return self.clients[-1]

    async def records(self, *requests: AccountRequested, cause: Cause = Cause.DETECTED) -> list[Record]:
        events = tuple(incoming(request, number, cause) for number, request in enumerate(requests))
        return list(await self.writer.handle(Batch(events, self.ownership)))

    async def handle(self, *requests: AccountRequested, cause: Cause = Cause.DETECTED) -> list[AccountSynced]:
        """The outcomes of a batch of these requests."""
        return outcomes(await self.records(*requests, cause=cause))

    async def entry(self, employee: str = "7") -> Account:
        found = await self.store.accounts.get(person(employee))
        assert found is not None
        return found

    def account(self, employee: str = "7") -> dict[str, Any]:
        """The one account of this employee."""
        (found,) = [
            entry for entry in self.declaree.directory.users.values() if entry.resource["externalId"] == employee
        ]
        return {"id": found.id, **found.resource}

    def manager(self, employee: str) -> str | None:
        held: dict[str, Any] = self.account(employee).get(ENTERPRISE, {}).get("manager", {})
        return held.get("value")

    def add_account(self, address: str, **more: Any) -> str:
        """By an administrator's hand; gives its id."""
        body = {
            "userName": address,
            "emails": [{"value": address, "type": "work", "primary": True}],
            "name": {"givenName": "A", "familyName": "B"},
        }
        return self.declaree.registry.create("User", body | more, self.declaree.behaviour).id

    async def calls(self) -> list[tuple[str, str]]:
        """Method and path of every request that reached Declaree."""
        return [(entry.method, entry.path) for entry in self.declaree.journal.since(0, 10_000)]

    async def close(self) -> None:
        await self.servers.stop()


def outcomes(records: Iterable[Record]) -> list[AccountSynced]:
    return [read_event(AccountSynced, record.value) for record in records if record.topic is Topic.ACCOUNT_OUTCOMES]
