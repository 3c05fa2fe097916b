"""Tools of the tests of troubles: several companies, the logs of the services, and faults."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from aiokafka import AIOKafkaProducer
from pymongo.asynchronous.database import AsyncDatabase

from sandbox.installation import SCIM_PATH, SERVICES, Installation
from sandbox.stack.mongo import connect
from sandbox.supervisor import Supervisor
from services.admin import status
from services.admin.dead_letters import ListedLetter, list_dead_letters
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId
from services.contracts.tasks import Resend
from services.contracts.topics import Topic
from services.mapper.handler import SERVICE, Mapper
from services.runtime.clock import SystemClock
from services.runtime.kafka.batches import BatchWorker
from services.runtime.kafka.consumer import Consumer
from services.runtime.kafka.failures import Failures
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.results import ResultPublisher
from services.runtime.metrics import Metrics
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.support.http import open_http
from tests.support.world import list_accounts, open_store, wait_until, wait_until_exact


@dataclass(frozen=True, slots=True)
class Company:
    """A connection from the shared sandbox Personio to a sandbox Declaree of its own."""

    id: ConnectionId
    """The connection's id."""
    personio: str
    """Address of the sandbox Personio."""
    declaree: str
    """Address of the sandbox Declaree."""

    @property
    def scim(self) -> str:
        """Address of the SCIM server."""
        return self.declaree + SCIM_PATH


async def add_company(installation: Installation, name: str, *, key: str | None = None) -> Company:
    """Adds a company with a sandbox Declaree; ``key`` is the connection's key, None for the right one."""
    declaree = await installation.start_declaree(name)
    scim = declaree + SCIM_PATH
    if key is None:
        connection = await installation.connect(name, scim=scim)
    else:
        connection = await installation.connect(name, key=key, scim=scim, start=False)
        async with open_store(installation) as store:  # the command reads Declaree first, which this key cannot
            await store.connections.start(ConnectionId(connection), now=datetime.now(UTC))
    return Company(ConnectionId(connection), installation.personio, declaree)


# ------------------------------------------------------------ logs and status


class Logs:
    """The log lines of all services since this object was created."""

    def __init__(self, installation: Installation) -> None:
        self._files = {service: installation.processes[service].log for service in SERVICES}
        self._begin = {service: file.stat().st_size for service, file in self._files.items()}

    def read_text(self, service: str) -> str:
        """Returns the log of one service as it was written."""
        return self._files[service].read_bytes()[self._begin[service] :].decode()

    def read_messages(self, service: str) -> list[str]:
        """Returns the messages of one service; raises ``ValueError`` for a line that is not JSON."""
        lines = self.read_text(service).splitlines(keepends=True)
        return [str(json.loads(line)["event"]) for line in lines if line.endswith("\n")]

    def has_message(self, service: str, *words: str) -> bool:
        """Returns whether the service has logged a message that contains all of these words."""
        return any(all(word in message for word in words) for message in self.read_messages(service))

    async def wait_for(self, service: str, *words: str, seconds: float = 40) -> None:
        """Waits until the service has logged a message that contains all of these words."""

        async def is_logged() -> bool:
            return self.has_message(service, *words)

        await wait_until(f"the {service} logs {words}", is_logged, seconds)


async def get_health(installation: Installation, service: str) -> tuple[int, int]:
    """Returns the status codes of ``/health/live`` and ``/health/ready``."""
    port = installation.processes[service].environment["HTTP_PORT"]
    async with open_http(base_url=f"http://127.0.0.1:{port}/health") as client:
        return (await client.get("/live")).status_code, (await client.get("/ready")).status_code


async def count_published_outcomes(installation: Installation) -> float:
    """Returns how many outcomes the writer has published since its start."""
    port = installation.processes["writer"].environment["HTTP_PORT"]
    async with open_http() as client:
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    counter = re.search(
        rf'^sync_published_total{{topic="{Topic.ACCOUNT_OUTCOMES.value}"}} (\S+)', metrics, re.MULTILINE
    )
    return float(counter[1]) if counter else 0.0


async def list_letters(installation: Installation, employee: str) -> list[ListedLetter]:
    """Returns the open dead letters of one employee in all connections."""
    async with open_store(installation) as store:
        letters = await list_dead_letters(make_kafka_settings(installation), store)
    return [letter for letter in letters if letter.person.endswith(f"/{employee}")]


async def get_status(installation: Installation, company: Company) -> status.Status:
    """Returns the status of one company's connection."""
    async with open_store(installation) as store:
        return next(
            entry for entry in await status.get_status(store, now=SystemClock().now()) if entry.connection == company.id
        )


async def wait_for_account(company: Company, employee: str) -> None:
    """Waits until the employee has an account."""

    async def has_account() -> bool:
        return employee in {account.get("externalId") for account in await list_accounts(company)}

    await wait_until(f"employee {employee} has an account", has_account)


async def wait_until_synced(installation: Installation, *companies: Company) -> None:
    """Waits until all accounts of these companies are exact, and no change is open or waiting.

    The accounts come first: before a change is polled, none is open. They come last as well: what was open may have written.
    """
    for company in companies:
        await wait_until_exact(company)
    await wait_until_settled(installation, *companies)
    for company in companies:
        await wait_until_exact(company)


async def wait_until_settled(installation: Installation, *companies: Company) -> None:
    """Waits until no change of these companies that was polled is open or waiting."""
    ids = {company.id for company in companies}
    async with open_store(installation) as store:

        async def is_settled() -> bool:
            entries = [
                entry for entry in await status.get_status(store, now=SystemClock().now()) if entry.connection in ids
            ]
            return len(entries) == len(ids) and not any(entry.balance or entry.waiting for entry in entries)

        await wait_until("no change is open", is_settled)


# ------------------------------------------------------------ faults


def make_kafka_settings(installation: Installation) -> KafkaSettings:
    """Returns the Kafka settings of an installation."""
    values: dict[str, Any] = {name.lower(): value for name, value in installation.environment.items()}
    return KafkaSettings(**values)


async def produce(installation: Installation, topic: Topic, key: str, value: bytes) -> None:
    """Writes a record as another program would write it."""
    settings = make_kafka_settings(installation)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(settings.topic(topic), value, key=key.encode())


async def set_delay(company: Company, *, seconds: float) -> None:
    """Delays every answer of the company's Declaree by ``seconds``; 0 ends the delay."""
    async with open_http(base_url=company.declaree) as client:
        (await client.delete("/_control/faults")).raise_for_status()
        if seconds:
            fault = {"kind": "slow", "seconds": seconds, "count": None}
            (await client.post("/_control/faults", json=fault)).raise_for_status()


@asynccontextmanager
async def open_database(installation: Installation) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """Opens the installation's MongoDB database without the product's store."""
    async with connect(installation.environment["MONGODB_URL"]) as client:
        yield client[installation.environment.get("MONGODB_DATABASE", "personio_declaree")]


@asynccontextmanager
async def keep_services_publishing(installation: Installation, *companies: Company) -> AsyncIterator[None]:
    """Files resends until the block ends, so that poller, mapper and writer publish all the time."""

    async def file_resends(store: Store) -> None:
        action = Resend(scope="all", reason="a test keeps all services busy")
        while True:
            for company in companies:
                await store.tasks.file(company.id, action, now=SystemClock().now(), once="test")
            await asyncio.sleep(0.05)

    before = await count_published_outcomes(installation)

    async def has_new_outcomes() -> bool:
        return await count_published_outcomes(installation) > before + 100

    async with open_store(installation) as store:
        filing = asyncio.create_task(file_resends(store))
        await wait_until("the writer has published 100 outcomes", has_new_outcomes)
        try:
            yield
        finally:
            await _cancel(filing)


@asynccontextmanager
async def restart_ended_services(installation: Installation) -> AsyncIterator[None]:
    """Restarts every service that ends, as compose, ``up`` and the demo do."""
    supervisor = Supervisor({service: installation.processes[service] for service in SERVICES}, lambda _: None)
    supervision = asyncio.create_task(supervisor.run())
    try:
        yield
    finally:
        await _cancel(supervision)


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancels the task and waits for its end; raises the error of a task that had failed before."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class OlderEvent(EmployeeChanged):
    """``EmployeeChanged`` as an older version could have defined it: without the kind ``created``."""

    kind: Literal[ChangeKind.CHANGED, ChangeKind.REMOVED]
    """What happened to the employee."""


@asynccontextmanager
async def run_older_mapper(installation: Installation) -> AsyncIterator[None]:
    """Replaces the mapper by one that cannot read the event of a new employee; restarts the mapper afterwards."""
    settings, metrics, clock = make_kafka_settings(installation), Metrics(), SystemClock()
    older: type[EmployeeChanged] = OlderEvent
    fatal: list[str] = []
    async with open_store(installation) as store:
        publisher = Publisher(settings, "older-mapper", metrics)
        results = ResultPublisher(SERVICE, Topic.EMPLOYEES_CHANGED, publisher, clock, metrics)
        worker = BatchWorker(
            handler=Mapper(store.mappings, store.connections, clock).handle,
            results=results,
            failures=Failures(Topic.EMPLOYEES_CHANGED, metrics, fatal.append),
            clock=clock,
            fatal=fatal.append,
            handler_batch_records=500,
        )
        consumer = Consumer(
            service=SERVICE,
            name="older-mapper",
            source=Topic.EMPLOYEES_CHANGED,
            event=older,
            receiver=worker,
            results=results,
            settings=settings,
            clock=clock,
            metrics=metrics,
            fatal=fatal.append,
            max_records=500,
            graceful_timeout=10.0,
        )
        await installation.processes["mapper"].stop()
        try:
            await publisher.start()
            await worker.start()
            await consumer.start()
            yield
        finally:
            await consumer.stop()
            await worker.stop()
            await publisher.stop()
            await installation.processes["mapper"].start()
    assert fatal == []
