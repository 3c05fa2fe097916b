"""The whole product in one process: both sandboxes, a real MongoDB, topics in memory, the product's own code between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from pydantic import SecretStr

from sandbox.declaree.app import create_app as declaree_app
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as personio_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.clock import Clock as PersonioClock
from sandbox.personio.credentials import Credential
from sandbox.personio.hiring import newcomer
from sandbox.personio.state import State as Personio
from services.admin import connections as admin
from services.clients.declaree.client import DeclareeClient
from services.clients.personio.client import PersonioClient
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.envelope import read_event
from services.contracts.events import AccountRequested, AccountSynced, EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import ENTERPRISE
from services.contracts.runs import Run
from services.contracts.topics import Topic
from services.mapper.handler import Mapper
from services.poller.outbox import Outbox
from services.poller.work import Work
from services.runtime.consumer import Consumption
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.writer.handler import Writer
from services.writer.resends import Resends
from services.writer.servers import Servers
from services.writer.waiting import WaitingPeople
from tests.fakes import Crashes, FakeClock, WatchedServer
from tests.system.topics import SETTINGS, Member, MemoryPublisher, Topics

SECRET, KEY = "demo-secret", "demo-key"
LEDGER_EFFECTS = ("write", "mark_verify")
SNAPSHOT_EFFECTS = ("save", "mark_emitted")
REQUEST_EFFECTS = ("file", "start", "done")


class Whole:
    """``crashes`` sees every effect of the product on Kafka, MongoDB and Declaree, and may end it there.

    ``batch`` is how many records a consumer takes at once.
    """

    def __init__(self, store: Store, personio: Personio, declaree: Declaree, batch: int = 500) -> None:
        self.store = store
        self.personio = personio
        self.declaree = declaree
        self.clock = FakeClock()
        self.topics = Topics()
        self.connection = ConnectionId("")
        self.batch = batch
        self.restart(Crashes())

    # ------------------------------------------------------------ the product

    def restart(self, crashes: Crashes) -> None:
        """Every service anew, remembering nothing; the effects of the new ones are counted by ``crashes``."""
        self.crashes = crashes
        self.topics.effect = crashes.effect
        publisher = MemoryPublisher(self.topics)
        ledger = crashes.around(self.store.accounts, LEDGER_EFFECTS)
        requests = crashes.around(self.store.requests, REQUEST_EFFECTS)
        watched: Any = _Parts(
            snapshots=crashes.around(self.store.snapshots, SNAPSHOT_EFFECTS),
            runs=self.store.runs,
            accounts=self.store.accounts,
            requests=requests,
        )
        outbox = Outbox(watched.snapshots, publisher, lambda: None)
        self.work = Work(watched, self._source, self.clock, Metrics(), outbox)
        self.servers = Servers(self._declaree_client, self.clock)
        mapper = Mapper(self.store.mappings, self.store.connections, self.clock)
        writer = Writer(
            ledger=ledger,
            connections=self.store.connections,
            resends=Resends(ledger, requests, self.clock),
            servers=self.servers,
            clock=self.clock,
            metrics=Metrics(),
            batch_seconds=600,
            at_once=32,
        )
        self.waiting = WaitingPeople(
            ledger=ledger, connections=self.store.connections, requests=requests, servers=self.servers,
            clock=self.clock, every_seconds=2, fatal=_ends,
        )  # fmt: skip
        self.mapper = self._member("mapper", Topic.EMPLOYEES_CHANGED, EmployeeChanged, mapper.handle, publisher)
        self.writer = self._member("writer", Topic.ACCOUNTS_REQUESTED, AccountRequested, writer.handle, publisher)

    def _member(self, group: str, source: Topic, event: Any, handler: Any, publisher: MemoryPublisher) -> Member:
        consumption = Consumption(
            service=group, source=source, event=event, handler=handler, publisher=publisher, settings=SETTINGS,
            clock=self.clock, metrics=Metrics(), fatal=_ends, max_records=self.batch,
        )  # fmt: skip
        return Member(self.topics, group, source, consumption, self.batch)

    @asynccontextmanager
    async def _source(self, connection: ConnectionId) -> AsyncIterator[PersonioClient]:
        found = await self.store.connections.get(connection)
        transport = httpx.ASGITransport(app=personio_app(self.personio))
        async with PersonioClient(found.personio, clock=self.clock, transport=transport) as client:
            yield client

    def _declaree_client(self, access: DeclareeAccess) -> WatchedServer:
        transport = httpx.ASGITransport(app=declaree_app(self.declaree))
        server = WatchedServer(DeclareeClient(access, clock=self.clock, transport=transport))

        async def effect(call: Any) -> None:
            self.crashes.effect(type(call).__name__)

        server.before = effect
        return server

    # ------------------------------------------------------------ what people do

    async def connect(self, address: str = "http://declaree.test") -> ConnectionId:
        personio = PersonioAccess(url="http://personio.test", client_id="demo-client", client_secret=SecretStr(SECRET))
        declaree = DeclareeAccess(url=f"{address}/SCIM/v2", key=SecretStr(KEY))
        self.connection = (await admin.add(self.store, self.clock, "Nordlicht", personio, declaree)).id
        return self.connection

    async def sync(self) -> Run:
        """A poll as the schedule makes it, and everything that follows from it, until nothing more follows."""
        self.clock.seconds += 900
        run = await self.work.poll(self.connection)
        await self.work.resend_unsettled(self.connection)
        await self.settle()
        return run

    async def settle(self) -> None:
        while await self.mapper.drain() + await self.writer.drain() + await self._requests():
            pass

    async def _requests(self) -> int:
        unfinished = len(await self.store.requests.open(self.connection))
        await self.work.requests(self.connection)
        return unfinished

    async def look_after_the_waiting(self, seconds: float = 600) -> None:
        """As the writer's background task, after a while."""
        self.clock.seconds += seconds
        await self.waiting.look()
        await self.settle()

    async def lose_the_ledger(self) -> None:
        await self.store.accounts._collection.motor.delete_many({})

    def hire(self, **values: Any) -> int:
        """Gives the id of the new employee; everything that is not said is made up."""
        made = newcomer(self.personio.company, values, self.personio.clock.today())
        return self.personio.company.hire(made, self.personio.now()).id

    def change(self, employee: int, **values: Any) -> None:
        self.personio.company.change(employee, values, self.personio.now())

    # ------------------------------------------------------------ what can be seen

    def accounts_of(self, employee: int | str) -> list[dict[str, Any]]:
        found = self.declaree.directory.users.values()
        return [{"id": e.id, **e.resource} for e in found if e.resource.get("externalId") == str(employee)]

    def account(self, employee: int | str) -> dict[str, Any]:
        (found,) = self.accounts_of(employee)
        return found

    def manager(self, employee: int | str) -> str | None:
        held: dict[str, Any] = self.account(employee).get(ENTERPRISE, {}).get("manager", {})
        return held.get("value")

    def outcomes(self, employee: int | str) -> list[AccountSynced]:
        """In the order in which they were published."""
        found = [read_event(AccountSynced, record.value) for record in self.topics.of(Topic.ACCOUNT_OUTCOMES)]
        return [outcome for outcome in found if outcome.employee_id == str(employee)]

    def requests_to_declaree(self) -> list[tuple[str, str]]:
        return [(entry.method, entry.path) for entry in self.declaree.journal.since(0, 100_000)]

    def forget_requests(self) -> None:
        self.declaree.journal.clear()

    async def balance(self) -> int:
        return await self.store.accounts.behind(self.connection)

    def differences(self) -> list[str]:
        """What is not as it has to be: of everybody names, address, manager, enabled; strangers and doubles."""
        people = {str(person.id): person for person in self.personio.company.listed()}
        ids = [str(entry.resource.get("externalId")) for entry in self.declaree.directory.users.values()]
        wrong = [f"account of nobody: {each}" for each in ids if each not in people]
        wrong += [f"{ids.count(each)} accounts of {each}" for each in set(ids) if ids.count(each) > 1]
        for key, person in people.items():
            accounts = self.accounts_of(key)
            if person.status == "active":
                wrong += self._wrong(key, accounts, person)
            elif person.status == "inactive" and any(account["active"] for account in accounts):
                wrong.append(f"{key} has left and is enabled")
        return wrong

    def _wrong(self, key: str, accounts: list[dict[str, Any]], person: Any) -> list[str]:
        if not accounts:
            return [f"{key} has no account"]
        account = accounts[0]
        chief = self.accounts_of(person.supervisor) if person.supervisor else []
        wanted = {
            "givenName": person.values["first_name"].strip(),
            "familyName": person.values["last_name"].strip(),
            "userName": person.email,
            "email": person.email,
            "active": True,
        }
        shown = {**account["name"], **account, "email": account["emails"][0]["value"]}
        wrong = [f"{key}: {name}" for name, value in wanted.items() if shown.get(name) != value]
        if chief and self.manager(key) != chief[0]["id"]:
            wrong.append(f"{key}: manager")
        if not person.supervisor and self.manager(key):
            wrong.append(f"{key}: a manager of nobody's choice")
        return wrong

    async def close(self) -> None:
        await self.servers.stop()


class _Parts:
    """The parts of a store that the poller's work touches."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


def _ends(reason: str) -> None:
    raise AssertionError(f"the process would end: {reason}")


def new_personio(employees: int, seed: int = 7) -> Personio:
    credential = Credential("demo-client", SECRET, ALL_KEYS)
    state = Personio.generated(
        seed=seed, employees=employees, credential=credential, clock=PersonioClock(), behaviour=Behaviour()
    )
    state.behaviour = state.behaviour.changed({"rate_limits": False})
    return state


def released(personio: Personio, keys: frozenset[str]) -> None:
    """What the credential may see from now on."""
    personio.credentials.keep(replace(personio.credentials.get(), whitelist=keys))
