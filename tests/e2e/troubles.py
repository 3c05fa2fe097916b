"""What the tests of troubles need besides the world: several companies, what the services say, and a broken piece."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from aiokafka import AIOKafkaProducer
from pymongo.asynchronous.database import AsyncDatabase

from sandbox.installation import SCIM_PATH, SERVICES, Installation
from sandbox.keeper import Keeper
from sandbox.stack.mongo import connect
from services.admin import overview, recovery
from services.admin.recovery import Letter
from services.contracts.events import EmployeeChanged, Kind
from services.contracts.ids import ConnectionId
from services.contracts.requests import Resend
from services.contracts.topics import Topic
from services.mapper.handler import SERVICE, Mapper
from services.runtime.clock import SystemClock
from services.runtime.consumer import Consumption
from services.runtime.consuming import Consuming
from services.runtime.metrics import Metrics
from services.runtime.producer import Publisher
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.e2e.world import accounts, exact, store_of, until


@dataclass(frozen=True, slots=True)
class Company:
    """A connection: the sandbox Personio that all of them share, and a sandbox Declaree of its own."""

    id: ConnectionId
    personio: str
    declaree: str

    @property
    def scim(self) -> str:
        return self.declaree + SCIM_PATH


async def founded(installation: Installation, name: str, *, key: str | None = None) -> Company:
    """One more company; with ``key``, its Declaree is asked with that one in place of the right one."""
    declaree = await installation.start_declaree(name)
    more = {} if key is None else {"key": key}
    connection = await installation.connect(name, scim=declaree + SCIM_PATH, **more)
    return Company(ConnectionId(connection), installation.personio, declaree)


# ------------------------------------------------------------ what is said


class Logs:
    """What the services have logged since this was made."""

    def __init__(self, installation: Installation) -> None:
        self._files = {service: installation.processes[service].log for service in SERVICES}
        self._begin = {service: file.stat().st_size for service, file in self._files.items()}

    def text(self, service: str) -> str:
        return self._files[service].read_bytes()[self._begin[service] :].decode()

    def events(self, service: str) -> list[str]:
        """The messages of one service. A line that is not JSON is no log line, and fails the test."""
        lines = self.text(service).splitlines(keepends=True)
        return [str(json.loads(line)["event"]) for line in lines if line.endswith("\n")]

    def says(self, service: str, *words: str) -> bool:
        """Whether the service has logged a message that holds all of these words."""
        return any(all(word in event for word in words) for event in self.events(service))

    async def said(self, service: str, *words: str, seconds: float = 40) -> None:
        async def there() -> bool:
            return self.says(service, *words)

        await until(f"the {service} says {words}", there, seconds)


async def health(installation: Installation, service: str) -> tuple[int, int]:
    """The answers of ``/health/live`` and ``/health/ready``."""
    port = installation.processes[service].environment["HTTP_PORT"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/health") as client:
        return (await client.get("/live")).status_code, (await client.get("/ready")).status_code


async def outcomes_published(installation: Installation) -> float:
    """By the writer since it was started."""
    port = installation.processes["writer"].environment["HTTP_PORT"]
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    counter = re.search(
        rf'^sync_published_total{{topic="{Topic.ACCOUNT_OUTCOMES.value}"}} (\S+)', metrics, re.MULTILINE
    )
    return float(counter[1]) if counter else 0.0


async def letters(installation: Installation, employee: str) -> list[Letter]:
    """The open dead letters of one person, of whatever connection."""
    async with store_of(installation) as store:
        found = await recovery.dead_letters(kafka_settings(installation), store)
    return [letter for letter in found if letter.person.endswith(f"/{employee}")]


async def status_of(installation: Installation, company: Company) -> overview.Status:
    async with store_of(installation) as store:
        return next(each for each in await overview.status(store) if each.connection == company.id)


async def arrived(company: Company, employee: str) -> None:
    """Returns once the person has an account."""

    async def there() -> bool:
        return employee in {account.get("externalId") for account in await accounts(company)}

    await until(f"employee {employee} has an account", there)


async def well(installation: Installation, *companies: Company) -> None:
    """Returns once nothing is open in these companies, and both of their sides agree in everything."""
    ids = {company.id for company in companies}
    async with store_of(installation) as store:

        async def settled() -> bool:
            found = [each for each in await overview.status(store) if each.connection in ids]
            return len(found) == len(ids) and not any(each.balance or each.waiting for each in found)

        await until("nothing is open", settled)
    for company in companies:
        await exact(company)


# ------------------------------------------------------------ what is done


def kafka_settings(installation: Installation) -> KafkaSettings:
    given: dict[str, Any] = {name.lower(): value for name, value in installation.environment.items()}
    return KafkaSettings(**given)


async def produce(installation: Installation, topic: Topic, key: str, value: bytes) -> None:
    """A record as somebody else would write it."""
    settings = kafka_settings(installation)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(settings.topic(topic), value, key=key.encode())


async def delayed(company: Company, *, seconds: float) -> None:
    """From now on the company's Declaree takes so much longer for each answer; 0 for no longer."""
    async with httpx.AsyncClient(base_url=company.declaree) as client:
        (await client.delete("/_control/faults")).raise_for_status()
        if seconds:
            order = {"kind": "slow", "seconds": seconds, "count": None}
            (await client.post("/_control/faults", json=order)).raise_for_status()


@asynccontextmanager
async def database_of(installation: Installation) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """The database itself, past the product."""
    async with connect(installation.environment["MONGODB_URL"]) as client:
        yield client["personio_declaree"]


@asynccontextmanager
async def everybody_publishes(installation: Installation, *companies: Company) -> AsyncIterator[None]:
    """Within it, poller, mapper and writer have something to publish at any time."""

    async def ask(store: Store) -> None:
        task = Resend(scope="all", why="a test keeps everybody busy")
        while True:
            for company in companies:
                await store.requests.file(company.id, task, now=SystemClock().now(), once="test")
            await asyncio.sleep(0.05)

    before = await outcomes_published(installation)

    async def flowing() -> bool:
        return await outcomes_published(installation) > before + 100

    async with store_of(installation) as store:
        asking = asyncio.create_task(ask(store))
        await until("outcomes flow", flowing)
        try:
            yield
        finally:
            await _cancelled(asking)


@asynccontextmanager
async def restarted_when_they_end(installation: Installation) -> AsyncIterator[None]:
    """As compose, `up` and the demo do it."""
    keeper = Keeper({service: installation.processes[service] for service in SERVICES}, lambda _: None)
    keeping = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        await _cancelled(keeping)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Raises what the task has raised before."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class OlderEvent(EmployeeChanged):
    """What an older version took an `EmployeeChanged` to be: it did not know that people are hired."""

    kind: Literal[Kind.CHANGED, Kind.REMOVED]


@asynccontextmanager
async def older_mapper(installation: Installation) -> AsyncIterator[None]:
    """A mapper that cannot read what today's poller writes of somebody new, in place of the mapper."""
    settings, metrics, clock = kafka_settings(installation), Metrics(), SystemClock()
    older: type[EmployeeChanged] = OlderEvent
    fatal: list[str] = []
    async with store_of(installation) as store:
        publisher = Publisher(settings, "older-mapper", metrics)
        consumption = Consumption(
            service=SERVICE,
            source=Topic.EMPLOYEES_CHANGED,
            event=older,
            handler=Mapper(store.mappings, store.connections, clock).handle,
            publisher=publisher,
            settings=settings,
            clock=clock,
            metrics=metrics,
            fatal=fatal.append,
            max_records=500,
        )
        part = Consuming(settings, "older-mapper", consumption, 10.0)
        await installation.processes["mapper"].stop()
        try:
            await publisher.start()
            await part.start()
            yield
        finally:
            await part.stop()
            await publisher.stop()
            await installation.processes["mapper"].start()
    assert fatal == []
