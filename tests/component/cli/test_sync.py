"""`poll`, `resync` and `replay` on real servers."""

import asyncio
import json

import pytest

from services.cli.context import EX_TEMPFAIL
from services.contracts.ids import ConnectionId
from services.contracts.tasks import TaskState
from services.store.database import Store
from tests.component.cli.conftest import add_connection, take_task
from tests.support.builders import NOW
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


@pytest.mark.parametrize("command", [("poll", "--dry-run"), ("poll",), ("resync",), ("resync", "--employee", "3")])
def test_task_without_a_poller_stays_filed(cli: Cli, attention: ConnectionId, command: tuple[str, ...]) -> None:
    """The command ends with code 75 and names the task, which the next poller takes."""
    result = cli(command[0], attention, *command[1:], "--seconds", "0.1")

    assert result.exit_code == EX_TEMPFAIL
    assert "stays filed" in result.output


async def test_poll_prints_the_finished_task(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The JSON is the task with its action, its state and the counts of the run."""
    command = asyncio.create_task(asyncio.to_thread(cli, "poll", connection, "--dry-run", "--json"))
    task = await take_task(store, connection)
    await store.tasks.finish(task.id, {"seen": 3, "created": 1}, now=NOW)
    result = await command

    assert result.exit_code == 0
    printed = json.loads(result.output)
    assert printed["id"] == task.id
    assert printed["action"] == {"kind": "poll", "dry_run": True, "people": []}
    assert printed["state"] == TaskState.DONE
    assert printed["counts"] == {"seen": 3, "created": 1}


async def test_failed_poll_exits_with_1(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The command prints the error of the run."""
    command = asyncio.create_task(asyncio.to_thread(cli, "poll", connection))
    task = await take_task(store, connection)
    await store.tasks.fail(task.id, "Personio does not answer", now=NOW)
    result = await command

    assert result.exit_code == 1
    assert result.output == "Personio does not answer\n"


async def test_resync_of_an_unknown_employee_files_no_task(cli: Cli, store: Store, attention: ConnectionId) -> None:
    """The message names the unknown ids only."""
    employees = ("--employee", "3", "--employee", "98", "--employee", "7")

    result = await asyncio.to_thread(cli, "resync", attention, *employees)

    assert result.exit_code == 1
    assert "(7, 98)" in result.output
    assert await store.tasks.list_open(attention) == ()


@pytest.mark.kafka
def test_replay_of_an_unknown_connection_is_an_error(kafka_cli: Cli) -> None:
    """A typing error must not look like an empty topic."""
    result = kafka_cli("replay", "--connection", "c-unknown")

    assert result.exit_code == 1
    assert "c-unknown" in result.output


@pytest.mark.kafka
def test_replay_of_an_employee_without_records_is_an_error(kafka_cli: Cli) -> None:
    """The counts are printed, and the message names the employee."""
    result = kafka_cli("replay", "--connection", add_connection(kafka_cli), "--employee", "7")

    assert result.exit_code == 1
    assert "employee 7 " in result.output
