"""The number of commands that an idle poll sends to MongoDB."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from services.clients.personio.v1_messages import PAGE_SIZE
from services.contracts.ids import ConnectionId
from services.store.database import Store
from tests.contract.store.conftest import make_key
from tests.support.builders import make_entry, make_outcome
from tests.support.fakes import FakePersonio
from tests.support.schedule_stage import ScheduleStage
from tests.support.servers import MongoServers

MAX_COMMANDS = 6
"""Maximum number of commands of one idle poll."""
PEOPLE = 100
"""Employees of the company."""


class Commands(CommandListener):
    """Records the names of the commands, with their collections."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def _record(self, event: CommandStartedEvent) -> None:
        """Records a command."""
        self.sent.append(f"{event.command_name} {event.command[event.command_name]}")

    def _ignore(self, event: Any) -> None:
        """Does nothing."""

    # the driver calls these names
    started = _record
    succeeded = _ignore
    failed = _ignore


@pytest.fixture
async def commands(mongo: MongoServers, prepared_database: str) -> AsyncIterator[tuple[Commands, ScheduleStage]]:
    """A poller with a company, all settled, and the commands that its store sends."""
    listener = Commands()
    client = AsyncIOMotorClient[dict[str, Any]](mongo.url, event_listeners=[listener], tz_aware=True)
    store = Store(client, prepared_database, [make_key()])
    async with AsyncExitStack() as pollers:
        stage = ScheduleStage(store, pollers)
        stage.personio = FakePersonio(
            {str(number): {"email": f"e{number}@x.example"} for number in range(PEOPLE)}, PAGE_SIZE
        )
        connection = await stage.connect()
        await stage.start_poller()
        await settle(store, connection)
        yield listener, stage
    store.close()


async def settle(store: Store, connection: ConnectionId) -> None:
    """Settles every change of the first poll."""
    identity: dict[str, Any] = {"connection_id": connection}
    snapshots = [snapshot async for page in store.snapshots.stream(connection) for snapshot in page]
    outcomes = {s.employee_id: make_outcome(s.employee_id, s.revision).model_copy(update=identity) for s in snapshots}
    await store.ledger.write(
        [make_entry(employee, decided=decided, **identity) for employee, decided in outcomes.items()]
    )


async def test_idle_poll_sends_few_commands(commands: tuple[Commands, ScheduleStage]) -> None:
    """The queries of the schedule itself are for all companies together, so those of a second without a poll are subtracted."""
    listener, stage = commands
    (connection,) = [summary.id for summary in await stage.store.connections.list_all()]
    runs = await stage.count_runs(connection)
    await stage.pass_time(1)
    listener.sent.clear()
    await stage.pass_time(1)
    of_the_schedule = list(listener.sent)
    listener.sent.clear()

    await stage.pass_time(timedelta(minutes=16).total_seconds())

    of_the_poll = list(listener.sent)
    assert await stage.count_runs(connection) == runs + 1
    assert len(of_the_poll) - len(of_the_schedule) <= MAX_COMMANDS, of_the_poll
    assert len(of_the_schedule) <= MAX_COMMANDS, of_the_schedule
