"""`status` on a real MongoDB: its JSON, and the exit code for monitoring."""

import asyncio
import json
from typing import Any

import pytest

from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceCatalogue
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from services.store.database import Store
from tests.component.cli.conftest import store_run
from tests.support.builders import NOW
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


def read_status(cli: Cli) -> Any:
    """Returns the status of the only connection."""
    (status,) = json.loads(cli("status", "--json").output)
    return status


@pytest.fixture
async def failed_poll(store: Store, connection: ConnectionId) -> ConnectionId:
    """A connection with a failed last poll."""
    await store_run(store, connection, state=RunState.FAILED, error="the credential does not release status")
    return connection


@pytest.fixture
async def invisible(store: Store, connection: ConnectionId) -> ConnectionId:
    """A connection with a last poll in which two attributes were no longer visible."""
    attributes = ("office.id", "office.name")
    await store_run(store, connection, state=RunState.SUCCEEDED, invisible=attributes)
    return connection


def test_status_without_a_connection_succeeds(cli: Cli) -> None:
    """A new installation is not an error."""
    result = cli("status", "--json")

    assert result.exit_code == 0
    assert json.loads(result.output) == []


def test_status_of_a_new_connection_counts_nothing(cli: Cli, connection: ConnectionId) -> None:
    """All counts are zero, and the default mapping is published."""
    assert read_status(cli) == {
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
        "overdue_since": None,
        "unreadable": 0,
        "problems": [],
        "attributes": [],
    }


def test_status_counts_waiting_and_absent_employees(cli: Cli, attention: ConnectionId) -> None:
    """The counts lead the administrator to `people list`."""
    status = read_status(cli)

    assert status["waiting"] == 1
    assert status["absent"] == 2
    assert "absent 2: " in cli("status").output


def test_status_after_a_failed_poll_exits_with_1(cli: Cli, failed_poll: ConnectionId) -> None:
    """A monitor needs only the exit code."""
    result = cli("status")

    assert result.exit_code == 1
    assert "the credential does not release status" in result.output
    assert read_status(cli)["last_run"]["state"] == "failed"


def test_status_of_a_paused_connection_exits_with_0(cli: Cli, failed_poll: ConnectionId) -> None:
    """A paused connection is meant to be idle, so its last poll does not matter."""
    cli("connections", "pause", failed_poll)

    assert cli("status").exit_code == 0


def test_status_names_attributes_that_are_unreleased(cli: Cli, invisible: ConnectionId) -> None:
    """The administrator learns which attributes to release in Personio again."""
    result = cli("status")

    assert result.exit_code == 0
    assert "2026-03-09 08:30 UTC\n" in result.output
    assert "office.id, office.name\n" in result.output
    assert read_status(cli)["last_run"]["invisible"] == ["office.id", "office.name"]


async def test_status_names_a_connection_with_an_overdue_poll(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """A poll that is late by less than a tenth of POLL_INTERVAL_SECONDS is not overdue."""
    await store.schedule.set_next_poll(connection, NOW)

    overdue = await asyncio.to_thread(read_status, cli)
    text = (await asyncio.to_thread(cli, "status")).output
    tolerated = await asyncio.to_thread(read_status, cli.add_settings(POLL_INTERVAL_SECONDS="1e9"))

    assert overdue["overdue_since"] == "2026-03-09T08:30:00.123000Z"
    assert "  overdue: the poll that was due at 2026-03-09 08:30 UTC has not ended" in text
    assert tolerated["overdue_since"] is None


async def test_status_tells_news_of_personio_on_one_line_each(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The exit code stays 0: the polls succeed, and `doctor` says what to do."""
    change = AttributeChange(
        key="supervisor", label="Supervisor", kind=AttributeChangeKind.VANISHED, at=NOW, type="standard"
    )
    await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=(), changes=(change,)))
    notes = VendorNotes(ends=(EndpointEnd(path="/v1/company/employees", sunset_at=NOW),))
    await store_run(store, connection, state=RunState.SUCCEEDED, notes=notes)

    result = await asyncio.to_thread(cli, "status")

    assert result.exit_code == 0
    assert f"  released attributes have changed (vanished: supervisor): see `doctor {connection}`\n" in result.output
    assert (
        f"  Personio announces the end of /v1/company/employees for 2026-03-09: see `doctor {connection}`\n"
        in result.output
    )
