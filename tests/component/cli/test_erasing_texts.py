"""The texts of `people forget` and `connections remove`, compared with ``tests/golden/cli``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.cli.context import CliSettings
from services.contracts.cloudevents import Record, SendReason, to_record
from services.contracts.dead_letters import DeadLetter
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.ledger import ManagerLink
from services.contracts.outcomes import Outcome
from services.contracts.topics import Topic
from services.runtime.kafka.publisher import Publisher
from services.store.database import Store
from tests.component.cli.conftest import add_connection
from tests.support.builders import NOW, make_change, make_entry, make_outcome, make_snapshot
from tests.support.command_line import Cli, Transcript
from tests.support.fakes import open_store
from tests.support.servers import MongoServers

pytestmark = [pytest.mark.mongo, pytest.mark.kafka]

CONSUMERS = {"mapper": Topic.EMPLOYEES_CHANGED, "writer": Topic.ACCOUNTS_REQUESTED}


@pytest.fixture
async def store(mongo: MongoServers, database: str) -> AsyncIterator[Store]:
    """The store that the commands use."""
    async with open_store(mongo, database) as store:
        yield store


def read_settings(cli: Cli) -> CliSettings:
    """Returns the settings of the commands."""
    return CliSettings.model_validate({name.lower(): value for name, value in cli.environment.items()})


async def store_people(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """Stores a leaver 7 with a disabled account, and an active employee 8 that reports to 7. Both are in Kafka."""
    disabled, created = make_outcome("7", how=Outcome.DISABLED), make_outcome("8", how=Outcome.CREATED)
    snapshots = [make_snapshot(employee, connection_id=connection) for employee in ("7", "8")]
    await store.snapshots.save([(snapshot, None) for snapshot in snapshots])
    await store.snapshots.mark_absent(connection, [EmployeeId("7")], NOW)
    boss = ManagerLink(employee_id=EmployeeId("7"))
    leaver = make_entry("7", account_id="a-7", enabled=False, decided=disabled)
    colleague = make_entry("8", account_id="a-8", enabled=True, decided=created, manager=boss)
    await store.ledger.write([entry.model_copy(update={"connection_id": connection}) for entry in (leaver, colleague)])
    change = make_change(employee="7").model_copy(update={"connection_id": connection})
    letter = DeadLetter(
        service="mapper",
        reason="wrong-schema",
        topic=Topic.EMPLOYEES_CHANGED,
        partition=0,
        offset=0,
        timestamp_ms=0,
        failed_at=NOW,
    )
    await publish(
        cli, to_record(change, SendReason.DETECTED), letter.to_record(f"{connection}/7".encode(), b'{"old": 1}')
    )


async def publish(cli: Cli, *records: Record) -> None:
    """Publishes records to the topics that the commands use."""
    publisher = Publisher(read_settings(cli), "test")
    await publisher.start()
    try:
        assert await publisher.publish(records) == ()
    finally:
        await publisher.stop()


@asynccontextmanager
async def run_services(cli: Cli) -> AsyncIterator[None]:
    """Commits each record of the topics for mapper and writer, as these services do."""
    settings = read_settings(cli)

    async def commit(service: str, topic: Topic) -> None:
        partition = TopicPartition(settings.topic(topic), 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id=settings.group(service),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        consumer.assign([partition])
        await consumer.start()
        try:
            while True:
                await consumer.getone()
                await consumer.commit()
        finally:
            await consumer.stop()

    tasks = [asyncio.create_task(commit(service, topic)) for service, topic in CONSUMERS.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_texts_of_people_forget(kafka_cli: Cli, store: Store) -> None:
    """What is stored is shown before the question, with ids only."""
    connection = await asyncio.to_thread(add_connection, kafka_cli)
    await store_people(kafka_cli, store, connection)
    forget = Transcript(kafka_cli)
    command = ("people", "forget", connection)

    await asyncio.to_thread(forget.record, "A dry run.", *command, "7", "--dry-run")
    await asyncio.to_thread(forget.record, "No.", *command, "7", stdin="n\n")
    await asyncio.to_thread(forget.record, "An employee with an enabled account.", *command, "8", "--yes")
    await asyncio.to_thread(forget.record, "No mapper.", *command, "7", "--yes", "--seconds", "0.1")
    async with run_services(kafka_cli):
        await asyncio.to_thread(forget.record, "Yes.", *command, "7", stdin="y\n")
        await asyncio.to_thread(forget.record, "Accepted consequences.", *command, "8", "--yes", "--force")
    await asyncio.to_thread(forget.record, "A forgotten employee.", *command, "7", "--yes")
    await asyncio.to_thread(forget.record, "An unknown connection.", "people", "forget", "c-unknown", "7")

    forget.compare("people-forget")
    assert set((await store.erasure.count_person(make_snapshot("7", connection_id=connection).person)).values()) == {0}


async def test_texts_of_connections_remove(kafka_cli: Cli, store: Store) -> None:
    """The name or the id has to be entered. What is stored is shown before."""
    connection = await asyncio.to_thread(add_connection, kafka_cli)
    await store_people(kafka_cli, store, connection)
    remove = Transcript(kafka_cli)
    command = ("connections", "remove", connection)

    await asyncio.to_thread(remove.record, "A dry run.", *command, "--dry-run")
    await asyncio.to_thread(remove.record, "Another name.", *command, stdin="Sonne\n")
    await asyncio.to_thread(remove.record, "No mapper.", *command, "--yes", "--seconds", "0.1")
    async with run_services(kafka_cli):
        await asyncio.to_thread(remove.record, "The name.", *command, stdin="Nordlicht\n")
    await asyncio.to_thread(remove.record, "A removed connection.", *command, "--yes")

    remove.compare("connections-remove")
    assert set((await store.erasure.count_connection(connection)).values()) == {0}
