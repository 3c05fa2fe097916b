"""Commands on a real MongoDB, and on a real Kafka where a test needs it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from starlette.types import ASGIApp
from typer.testing import Result

from sandbox.declaree.state import Declaree
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.drift import Drift, DriftKind
from services.contracts.events import AccountSynced, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.leases import POLLER_PREFIX, ProcessIdentity
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import Run
from services.contracts.tasks import Task
from services.contracts.topics import Topic
from services.contracts.verifications import VerificationStep
from services.runtime.version import VERSION, name_process
from services.store.database import Store
from tests.support.builders import NOW, make_entry, make_outcome, make_snapshot
from tests.support.command_line import ADD_CONNECTION, SECRETS, Cli, Transcript, build_settings, restore_logging
from tests.support.fakes import open_store
from tests.support.servers import KafkaServers, MongoServers
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until

Serve = Callable[[ASGIApp], str]
CONSUMERS = {"mapper": Topic.EMPLOYEES_CHANGED, "writer": Topic.ACCOUNTS_REQUESTED}
"""The services with a consumer group, and what they read."""


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with restore_logging():
        yield


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of servers that do not answer."""
    return build_settings(monkeypatch)


@pytest.fixture
def cli(settings: dict[str, str], mongo: MongoServers, prepared_database: str) -> Cli:
    """Commands with a real MongoDB."""
    return Cli(settings).add_settings(
        MONGODB_URL=mongo.url, MONGODB_DATABASE=prepared_database, MONGODB_TIMEOUT_MS="10000"
    )


@pytest.fixture
def kafka_cli(cli: Cli, kafka: KafkaServers, topic_prefix: str, database: str) -> Cli:
    """Commands with a real MongoDB and a real Kafka, after `init`. Each topic has one partition.

    The database is not the prepared one, which has no indexes that delete expired documents: `init` would create them.
    """
    commands = cli.add_settings(
        KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
        KAFKA_TOPIC_PREFIX=topic_prefix,
        KAFKA_PARTITIONS="1",
        MONGODB_DATABASE=database,
    )
    assert commands("init").exit_code == 0
    return commands


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """The store that the commands use, with another encryption key."""
    async with open_store(mongo, prepared_database) as store:
        yield store


@pytest.fixture
async def kafka_store(mongo: MongoServers, database: str) -> AsyncIterator[Store]:
    """The store that commands with Kafka use, with another encryption key."""
    async with open_store(mongo, database) as store:
        yield store


@pytest.fixture
async def services(kafka_cli: Cli, kafka_store: Store) -> AsyncIterator[None]:
    """What poller, mapper and writer show of themselves while they run."""
    await kafka_store.leases.acquire(f"{POLLER_PREFIX}h/1", ProcessIdentity("h", 1, "t", VERSION), seconds=600)
    settings = kafka_cli.environment
    async with AsyncExitStack() as stack:
        for service, topic in CONSUMERS.items():
            consumer = AIOKafkaConsumer(
                f"{settings['KAFKA_TOPIC_PREFIX']}{topic.value}",
                bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
                group_id=f"{settings['KAFKA_TOPIC_PREFIX']}{service}",
                enable_auto_commit=False,
                client_id=name_process(service),
            )
            await stack.enter_async_context(consumer)
            await wait_until(consumer.assignment)
        yield


@pytest.fixture
async def connection(cli: Cli, store: Store) -> ConnectionId:
    """A connection that was started."""
    connection = await asyncio.to_thread(add_connection, cli)
    await store.connections.start(connection, now=NOW)
    return connection


@pytest.fixture
async def attention(store: Store, connection: ConnectionId) -> ConnectionId:
    """The connection with employees that need attention.

    Employee 1 waits and was rejected before, 2 and 12 are rejected, 3 is oversized, and 4 needs no attention. 2 and 5
    have an enabled account and are absent.
    """
    await store_attention(store, connection)
    return connection


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves ASGI apps in threads until the end of the test, and returns the address of each."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serve_in_thread(app))


def read_numbers(cli: Cli) -> Any:
    """Returns the numbers of the only connection, as `status` prints them."""
    (found,) = json.loads(cli("status", "--json").output)["connections"]
    return found["status"]


def list_problems(cli: Cli) -> list[str]:
    """Returns the subjects of the problems of the only connection, as `status` judges it."""
    (found,) = json.loads(cli("status", "--json").output)["connections"]
    return [finding["subject"] for finding in found["findings"] if finding["problem"]]


def add_connection(cli: Cli, *options: str) -> ConnectionId:
    """Adds a connection with `connections add` and returns its id. It is paused."""
    result = cli(*ADD_CONNECTION, "--json", "--insecure-http", *options, **SECRETS)
    assert result.exit_code == 0, result.output
    return ConnectionId(json.loads(result.output)["id"])


def add_account(server: Declaree, address: str, given_name: str, family_name: str, **more: Any) -> AccountId:
    """Adds an account as an administrator does, and returns its id."""
    body = {
        "userName": address,
        "emails": [{"value": address, "type": "work"}],
        "name": {"givenName": given_name, "familyName": family_name},
    }
    return AccountId(server.registry.create("User", body | more, server.behaviour).id)


async def store_attention(store: Store, connection: ConnectionId) -> None:
    """Stores the employees that the fixture ``attention`` describes."""

    def reject(employee: str, **changes: str) -> AccountSynced:
        content = {"connection_id": connection, **changes}
        return make_outcome(employee, how=Outcome.REJECTED).model_copy(update=content)

    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
    entries = [
        make_entry("1", waiting=waiting, decided=reject("1")),
        make_entry("2", account_id="a-2", enabled=True, decided=reject("2", reason="taken", field="userName")),
        make_entry("5", account_id="a-5", enabled=True, decided=make_outcome("5")),
        make_entry("12", decided=reject("12")),
        make_entry("4", decided=make_outcome("4")),
    ]
    snapshots = [make_snapshot(employee, connection_id=connection) for employee in ("1", "2", "3", "5")]
    await store.snapshots.save([(stored, None) for stored in snapshots])
    await store.snapshots.mark_absent(connection, [EmployeeId("2"), EmployeeId("5")], NOW)
    await store.snapshots.mark_oversized(connection, [(EmployeeId("3"), 1_000)])
    await store.ledger.write([stored.model_copy(update={"connection_id": connection}) for stored in entries])


async def store_odd_employee(store: Store, connection: ConnectionId) -> None:
    """Stores employee 7, with values that contain terminal commands, or lines that imitate lines of the program."""
    values = {"first_name": "\x1b[2JAda\x07", "dynamic_7": ("a", "b\n account a-1, created"), "office.name": None}
    attributes = {**values, "x": 7.5}
    labelled = tuple(SourceAttribute(key=key, label="Own\x9bfield", type="standard") for key in values)
    await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=labelled))
    await store.snapshots.save([(make_snapshot("7", connection_id=connection, attributes=attributes), None)])


async def store_run(store: Store, connection: ConnectionId, *, now: datetime = NOW, **changes: object) -> Run:
    """Stores a finished run of the connection, which begins and ends at ``now``."""
    run = await store.runs.begin(connection, now=now)
    finished = run.model_copy(update={"finished_at": now, **changes})
    await store.runs.save(finished)
    return finished


async def store_report(
    store: Store,
    connection: ConnectionId,
    counts: Mapping[str, int] = MappingProxyType({"listed": 1003, "read": 2, "unreadable": 1}),
    kinds: Sequence[DriftKind] = tuple(DriftKind),
) -> None:
    """Stores the report of a verification with a finding of each of these kinds."""
    drifts = tuple(
        Drift(
            connection_id=connection,
            kind=kind,
            employee_id=None if kind is DriftKind.UNKNOWN_EMPLOYEE else EmployeeId(str(number)),
            account_id=None if kind is DriftKind.UNSETTLED else AccountId(f"a-{number}"),
            fields=("name.givenName", "title") if kind is DriftKind.DIFFERENT else (),
            is_repaired=kind.is_repaired_always,
        )
        for number, kind in enumerate(kinds, 9)
    )
    found = Counter(drift.kind.value for drift in drifts)
    repaired = {"repaired": sum(drift.is_repaired for drift in drifts)}
    step = VerificationStep(number=0, kind="page", taken_at=NOW, drifts=drifts)
    await store.verifications.restart(connection, "r1")
    await store.verifications.save_step(connection, "r1", step)
    await store.verifications.finish(connection, "r1", {**counts, **found, **repaired}, now=NOW)


async def take_task(store: Store, connection: ConnectionId) -> Task:
    """Returns the next open task of the connection after its start, as a poller does."""
    async with asyncio.timeout(30):
        while not (tasks := await store.tasks.list_open(connection)):  # noqa: ASYNC110 - a command files it
            await asyncio.sleep(0.05)
    assert await store.tasks.start(tasks[0].id)
    return tasks[0]


async def record_task(
    transcript: Transcript,
    store: Store,
    connection: ConnectionId,
    situation: str,
    *command: str,
    counts: Mapping[str, int] | None = None,
) -> Result:
    """Records a command, and finishes its task with these counts; None lets the task fail."""
    running = asyncio.create_task(asyncio.to_thread(transcript.record, situation, *command))
    task = await take_task(store, connection)
    if counts is None:
        await store.tasks.fail(task.id, "Personio does not answer", now=NOW)
    else:
        await store.tasks.finish(task.id, counts, now=NOW)
    return await running
