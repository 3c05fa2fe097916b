"""`status` on a real MongoDB: its JSON, and the exit code for monitoring."""

import asyncio
from datetime import timedelta

import pytest

from services.cli.status import MAX_WELL
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.runtime.clock import SystemClock
from services.store.database import Store
from tests.component.cli.conftest import add_connection, read_numbers, store_attention, store_report, store_run
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.command_line import Cli, Transcript

pytestmark = pytest.mark.mongo


@pytest.fixture
async def invisible(store: Store, connection: ConnectionId) -> ConnectionId:
    """A connection with a last poll in which two attributes were no longer visible."""
    attributes = ("office.id", "office.name")
    await store_run(store, connection, state=RunState.SUCCEEDED, invisible=attributes)
    return connection


def test_status_of_a_new_connection_counts_nothing(cli: Cli, connection: ConnectionId) -> None:
    """All counts are zero, and the default mapping is published."""
    assert read_numbers(cli) == {
        "connection": connection,
        "name": "Nordlicht",
        "state": "active",
        "employees": 0,
        "active": 0,
        "accounts": 0,
        "balance": 0,
        "waiting": 0,
        "held_disablings": 0,
        "absent": 0,
        "decisions": 0,
        "findings": 0,
        "outcomes": {},
        "mapping_version": 1,
        "last_run": None,
        "undone": [],
        "released_until": None,
        "overdue_since": None,
        "unreadable": 0,
        "problems": [],
        "attributes": [],
    }


def test_status_counts_waiting_and_absent_employees(cli: Cli, attention: ConnectionId) -> None:
    """The counts lead the administrator to `people list`."""
    status = read_numbers(cli)

    assert status["waiting"] == 1
    assert status["absent"] == 2
    assert status["undone"][0]["cause"] == "server-unavailable"


def test_status_names_attributes_that_are_unreleased(cli: Cli, invisible: ConnectionId) -> None:
    """The administrator learns which attributes to release in Personio again."""
    output = cli("status").output

    assert "2026-03-09 08:30 UTC\n" in output
    assert "office.id, office.name\n" in output
    assert read_numbers(cli)["last_run"]["invisible"] == ["office.id", "office.name"]


async def test_status_names_a_connection_with_an_overdue_poll(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """A poll that is late by less than a tenth of POLL_INTERVAL_SECONDS is not overdue."""
    await store.schedule.set_next_poll(connection, NOW)

    overdue = await asyncio.to_thread(read_numbers, cli)
    tolerated = await asyncio.to_thread(read_numbers, cli.add_settings(POLL_INTERVAL_SECONDS="1e9"))

    assert overdue["overdue_since"] == "2026-03-09T08:30:00.123000Z"
    assert tolerated["overdue_since"] is None


async def test_status_without_kafka_tells_the_numbers(cli: Cli, connection: ConnectionId) -> None:
    """With the problem, and without an answer to wait for long."""
    result = await asyncio.to_thread(cli, "status")

    assert result.exit_code == 1
    assert "PROBLEM  Kafka: Kafka does not answer" in result.output
    assert f"{connection}  Nordlicht  active" in result.output


async def test_status_of_one_connection_leaves_the_others_out(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """It is named as in each command."""
    declaree = DeclareeAccess(url="https://app.declaree.com/SCIM/2", key=DECLAREE.key)
    await store.connections.add("Südwind", PERSONIO, declaree, now=NOW)

    result = await asyncio.to_thread(cli, "status", "süd")
    unknown = await asyncio.to_thread(cli, "status", "ost")

    assert "Südwind" in result.output
    assert "Nordlicht" not in result.output
    assert "connection ost does not exist" in unknown.output


async def test_status_of_many_connections_lists_those_with_a_finding(
    cli: Cli, store: Store, connection: ConnectionId
) -> None:
    """The others are counted, and --all lists them."""
    for number in range(MAX_WELL):
        added = await asyncio.to_thread(add_connection, cli, f"--declaree-url=https://declaree.example/{number}")
        await store.connections.start(added, now=NOW)
        await store_run(store, added, state=RunState.SUCCEEDED)
    await store_run(store, connection, state=RunState.FAILED, error="no answer")

    first = (await asyncio.to_thread(cli, "status")).output
    every = (await asyncio.to_thread(cli, "status", "--all")).output

    assert first.count("Nordlicht") == 1
    assert f"{connection}  Nordlicht" in first
    assert "20 further connections, nothing is to be done for them: see them with --all" in first
    assert every.count("Nordlicht") == MAX_WELL + 1


def test_watching_needs_a_terminal(cli: Cli) -> None:
    """A script would never end."""
    result = cli("status", "--watch")

    assert result.exit_code == 2
    assert "it is for a terminal" in result.output


@pytest.mark.kafka
async def test_texts_of_status(kafka_cli: Cli, kafka_store: Store, services: None) -> None:
    """What is to be done comes first, and the exit code tells whether something is."""
    status, store = Transcript(kafka_cli, {r"\bversion \d+\.\d+\.\d+\b": "version VERSION"}), kafka_store

    async def record(situation: str) -> None:
        await asyncio.to_thread(status.record, situation, "status")

    await record("No connection.")
    connection = await asyncio.to_thread(add_connection, kafka_cli)
    await record("A new connection.")
    now = SystemClock().now()
    await store.connections.start(connection, now=NOW)
    await store.schedule.set_next_poll(connection, now + timedelta(hours=1))
    await store_run(store, connection, state=RunState.SUCCEEDED)
    await record("All is well.")
    await store_attention(store, connection)
    second = NOW + timedelta(minutes=1)
    await store_run(store, connection, now=second, state=RunState.SUCCEEDED, invisible=("office.id", "office.name"))
    await store_report(store, connection)
    await record("Employees that wait for long, and others that need attention.")
    later = NOW + timedelta(minutes=5)
    await store_run(store, connection, now=later, state=RunState.FAILED, error="Personio does not answer")
    await store.schedule.set_next_poll(connection, NOW + timedelta(minutes=15))
    await record("A failed poll, and an overdue one.")
    await asyncio.to_thread(kafka_cli, "connections", "pause", connection)
    await record("A paused connection.")

    status.compare("status")
