"""The pipeline product in one process: both sandboxes, a real MongoDB, topics in memory, the product's own code between."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
from pydantic import SecretStr

from sandbox.declaree.app import create_app as declaree_app
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as personio_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.clock import Clock as PersonioClock
from sandbox.personio.credentials import Credential
from sandbox.personio.hiring import generate_newcomer
from sandbox.personio.state import State as Personio
from services.admin import connections as admin
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.listing import ListedAccounts
from services.clients.personio.v1 import PersonioClient
from services.contracts.cloudevents import Record, read_event
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.events import AccountRequested, AccountSynced, EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.mappings import ENTERPRISE
from services.contracts.runs import Run
from services.contracts.topics import Topic
from services.mapper.handler import Mapper
from services.poller.decisions import Decider
from services.poller.departures import Departures
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.resend import Resender
from services.poller.run import Runner
from services.poller.tasks import TaskRunner
from services.poller.verify import Verifier
from services.runtime.kafka.decoding import Batch, Decoder, Incoming
from services.runtime.metrics import Metrics
from services.store.database import Store
from services.writer.endpoints import Endpoints
from services.writer.followups import ResendFiler
from services.writer.freshness import Freshness
from services.writer.handler import Writer
from services.writer.takeover import Takeover
from services.writer.wakeup import Wakeup
from tests.support.builders import NOW
from tests.support.fakes import Crashes, FakeClock, OwnedPartitions, PlentyOfRoom, WatchedServer
from tests.support.run_stage import CURSOR, make_limits
from tests.support.writer_stage import LATE_WRITE_SECONDS
from tests.system.topics import Member, MemoryPublisher, Topics

SECRET, KEY = "demo-secret", "demo-key"
LEDGER_EFFECTS = ("write", "mark_verify")
SNAPSHOT_EFFECTS = ("save", "mark_emitted")
TASK_EFFECTS = ("file", "start", "finish")


class Pipeline:
    """Runs poller, mapper and writer between the two sandboxes.

    ``crashes`` counts every effect of the services on Kafka, MongoDB and Declaree, and may raise in its place. ``batch``
    is the number of records that a consumer takes at once.
    """

    def __init__(self, store: Store, personio: Personio, declaree: Declaree, batch: int = 500) -> None:
        self.store = store
        self.personio = personio
        self.declaree = declaree
        self.clock = FakeClock()
        personio.clock = PersonioClock(self.clock.now)
        self.topics = Topics()
        self.connection = ConnectionId("")
        self.batch = batch
        self.restart(Crashes())

    # ------------------------------------------------------------ the product

    def restart(self, crashes: Crashes) -> None:
        """Replaces every service by a new one without memory; ``crashes`` counts the effects of the new services."""
        self.crashes = crashes
        self.topics.effect = crashes.record
        publisher = MemoryPublisher(self.topics)
        ledger = crashes.wrap(self.store.ledger, LEDGER_EFFECTS)
        tasks = crashes.wrap(self.store.tasks, TASK_EFFECTS)
        repositories: Any = SimpleNamespace(
            snapshots=crashes.wrap(self.store.snapshots, SNAPSHOT_EFFECTS),
            catalogues=self.store.catalogues,
            mappings=self.store.mappings,
            runs=self.store.runs,
            followups=self.store.followups,
            tasks=tasks,
            polls=self.store.polls,
            observations=self.store.observations,
            schedule=self.store.schedule,
        )
        outbox = Outbox(repositories.snapshots, publisher, lambda: None)
        limits = make_limits(self.clock)
        self.runner = Runner(
            repositories, self._open_personio, outbox, limits, CURSOR, self.clock, Metrics(), departure_seconds=600
        )
        self.resender = Resender(repositories, outbox, limits.places)
        verifier = Verifier(
            cast("Any", self.store), self._open_declaree, self.resender, self.clock, lambda: None, timedelta(hours=1)
        )
        departures = Departures(repositories.snapshots, self.store.ledger, outbox, self.clock)
        decider = Decider(
            self.store.polls, self.store.runs, self.store.observations, self.store.ledger, self.runner.build_releaser
        )
        self.tasks = TaskRunner(tasks, self.runner, self.resender, verifier, departures, decider, self.clock)
        self.endpoints = Endpoints(self._make_declaree_client, self.clock)
        mapper = Mapper(self.store.mappings, self.store.connections, self.clock)
        freshness = Freshness(Metrics(), self.clock)
        writer = Writer(
            repositories=SimpleNamespace(
                ledger=ledger,
                claims=self.store.claims,
                links=self.store.links,
                brakes=self.store.brakes,
                counters=self.store.counters,
                followups=self.store.followups,
                mappings=self.store.mappings,
                runs=self.store.runs,
                snapshots=self.store.snapshots,
                connections=self.store.connections,
            ),
            resends=ResendFiler(ledger, self.store.followups, tasks, self.clock),
            endpoints=self.endpoints,
            clock=self.clock,
            metrics=Metrics(),
            freshness=freshness,
            settle_seconds=600,
            concurrency=32,
            late_write_seconds=LATE_WRITE_SECONDS,
        )
        self.wakeup = Wakeup(
            room=PlentyOfRoom(self.clock),
            followups=self.store.followups,
            connections=self.store.connections,
            tasks=tasks,
            endpoints=self.endpoints,
            freshness=freshness,
            clock=self.clock,
            interval=2,
            fatal=_fail,
        )

        async def map_changes(records: Sequence[Incoming[EmployeeChanged]]) -> Sequence[Record]:
            return await mapper.handle(Batch(tuple(records), OwnedPartitions()))

        async def write_accounts(records: Sequence[Incoming[AccountRequested]]) -> Sequence[Record]:
            takeover, results = Takeover(), list[Record]()
            await takeover.begin(self.store.work_ranges, records, {})
            for connection in sorted({record.event.connection_id for record in records}):
                own = tuple(record for record in records if record.event.connection_id == connection)
                results += (await writer.handle(Batch(own, OwnedPartitions()), takeover)).records
            return results

        self.mapper = self._make_member("mapper", Topic.EMPLOYEES_CHANGED, EmployeeChanged, map_changes, publisher)
        self.writer = self._make_member("writer", Topic.ACCOUNTS_REQUESTED, AccountRequested, write_accounts, publisher)

    def _make_member(self, group: str, source: Topic, event: Any, handle: Any, publisher: MemoryPublisher) -> Member:
        decoder = Decoder(group, source, event, self.clock)
        return Member(self.topics, group, source, decoder, handle, publisher, self.batch)

    @asynccontextmanager
    async def _open_personio(self, plan: PollPlan) -> AsyncIterator[PersonioClient]:
        found = plan.open_connection()
        transport = httpx.ASGITransport(app=personio_app(self.personio))
        async with PersonioClient(found.personio, clock=self.clock, transport=transport, allow_private=False) as client:
            yield client

    @asynccontextmanager
    async def _open_declaree(self, connection: ConnectionId) -> AsyncIterator[ListedAccounts]:
        found = await self.store.connections.get(connection)
        transport = httpx.ASGITransport(app=declaree_app(self.declaree))
        client = DeclareeClient(found.declaree, clock=self.clock, transport=transport, allow_private=False)
        yield ListedAccounts(found.declaree, client)
        await client.close()

    def _make_declaree_client(self, access: DeclareeAccess) -> WatchedServer:
        transport = httpx.ASGITransport(app=declaree_app(self.declaree))
        server = WatchedServer(DeclareeClient(access, clock=self.clock, transport=transport, allow_private=False))

        async def effect(call: Any) -> None:
            self.crashes.record(call.code)

        server.before = effect
        return server

    # ------------------------------------------------------------ actions

    async def connect(self, address: str = "https://declaree.test") -> ConnectionId:
        secret = SecretStr(SECRET)
        personio = PersonioAccess(url="https://personio.test", client_id="demo-client", client_secret=secret)
        declaree = DeclareeAccess(url=f"{address}/SCIM/v2", key=SecretStr(KEY))
        self.connection = (
            await admin.add(self.store, self.clock, "Nordlicht", personio, declaree, allow_private=False)
        ).id
        await self.store.connections.start(self.connection, now=self.clock.now())
        return self.connection

    async def sync(self) -> Run:
        """Polls as the schedule does, and settles every change that follows."""
        self.clock.seconds += 900
        run = await self.runner.poll(self.connection)
        await self.resender.resend_unblocked(await self.store.polls.plan(self.connection))
        await self.wakeup.check_waiting()
        await self.settle()
        return run

    async def sync_after_crash(self) -> None:
        """Polls, and looks up again the accounts for which an earlier writer may have sent a request."""
        await self.sync()
        for _ in range(2):  # the first look may find an answer that is not final
            await self.wake_up_waiting(2 * LATE_WRITE_SECONDS)

    async def settle(self) -> None:
        while await self.mapper.drain() + await self.writer.drain() + await self._run_tasks():
            pass

    async def _run_tasks(self) -> int:
        unfinished = len(await self.store.tasks.list_open(self.connection))
        await self.tasks.run_open(self.connection)
        return unfinished

    async def wake_up_waiting(self, seconds: float = 600) -> None:
        """Runs the writer's check of waiting employees ``seconds`` later, until it finds none."""
        self.clock.seconds += seconds
        await self.wakeup.check_waiting()
        await self.wakeup.check_looks()
        while await self.store.tasks.list_open(self.connection):
            await self.settle()
            await self.wakeup.check_waiting()

    async def delete_ledger(self) -> None:
        await self.store.ledger._collection.motor.delete_many({})

    def hire(self, **values: Any) -> int:
        """Hires an employee and returns the id; values that are not named are generated."""
        made = generate_newcomer(self.personio.company, values, self.personio.today())
        return self.personio.company.hire(made, self.personio.now()).id

    def change(self, employee: int, **values: Any) -> None:
        self.personio.company.change(employee, values, self.personio.now())

    # ------------------------------------------------------------ observations

    def find_accounts(self, employee: int | str) -> list[dict[str, Any]]:
        found = self.declaree.directory.users.values()
        return [{"id": e.id, **e.resource} for e in found if e.resource.get("externalId") == str(employee)]

    def get_account(self, employee: int | str) -> dict[str, Any]:
        (found,) = self.find_accounts(employee)
        return found

    def get_manager(self, employee: int | str) -> str | None:
        held: dict[str, Any] = self.get_account(employee).get(ENTERPRISE, {}).get("manager", {})
        return held.get("value")

    def list_outcomes(self, employee: int | str) -> list[AccountSynced]:
        """Returns the outcomes of one employee in the order in which they were published."""
        found = [read_event(AccountSynced, record.value) for record in self.topics.list_records(Topic.ACCOUNT_OUTCOMES)]
        return [outcome for outcome in found if outcome.employee_id == str(employee)]

    def list_requests(self) -> list[tuple[str, str]]:
        return [(entry.method, entry.path) for entry in self.declaree.journal.read_since(0, 100_000)]

    def clear_journal(self) -> None:
        self.declaree.journal.clear()

    async def count_balance(self) -> int:
        return await self.store.counters.count_behind(self.connection)

    def find_differences(self) -> list[str]:
        """Compares names, address, manager and state of every account; also finds unknown and double accounts."""
        people = {str(person.id): person for person in self.personio.company.list_employees()}
        ids = [str(entry.resource.get("externalId")) for entry in self.declaree.directory.users.values()]
        differences = [f"account without an employee: {key}" for key in ids if key not in people]
        differences += [f"{ids.count(key)} accounts of {key}" for key in set(ids) if ids.count(key) > 1]
        for key, person in people.items():
            accounts = self.find_accounts(key)
            if person.status == "active":
                differences += self._compare(key, accounts, person)
            elif person.status == "inactive" and any(account["active"] for account in accounts):
                differences.append(f"{key} has left and is enabled")
        return differences

    def _compare(self, key: str, accounts: list[dict[str, Any]], person: Any) -> list[str]:
        if not accounts:
            return [f"{key} has no account"]
        account = accounts[0]
        managers = self.find_accounts(person.supervisor) if person.supervisor else []
        expected = {
            "givenName": person.values["first_name"].strip(),
            "familyName": person.values["last_name"].strip(),
            "userName": person.email,
            "email": person.email,
            "active": True,
        }
        actual = {**account["name"], **account, "email": account["emails"][0]["value"]}
        differences = [f"{key}: {name}" for name, value in expected.items() if actual.get(name) != value]
        if managers and self.get_manager(key) != managers[0]["id"]:
            differences.append(f"{key}: manager")
        if not person.supervisor and self.get_manager(key):
            differences.append(f"{key}: a manager although the employee has no supervisor")
        return differences

    async def close(self) -> None:
        await self.endpoints.stop()


def _fail(reason: str) -> None:
    raise AssertionError(f"the process would end: {reason}")


def make_personio(employees: int, seed: int = 7) -> Personio:
    credential = Credential("demo-client", SECRET, ALL_KEYS)
    state = Personio.generate(
        seed=seed, employees=employees, credential=credential, clock=PersonioClock(lambda: NOW), behaviour=Behaviour()
    )
    state.behaviour = state.behaviour.copy_with({"rate_limits": False})
    return state


def set_visible_attributes(personio: Personio, keys: frozenset[str]) -> None:
    """Sets the attributes that the credential may read."""
    personio.credentials.put(replace(personio.credentials.get(), whitelist=keys))
