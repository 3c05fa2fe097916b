"""What an administrator sees of held disablings on a real MongoDB, and what a release leaves."""

import asyncio
import json

import pytest

from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.component.cli.conftest import list_problems, read_numbers
from tests.component.cli.test_decision_texts import store_held
from tests.support.builders import OTHER, make_person
from tests.support.command_line import Cli

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P6")]


@pytest.fixture
async def held(store: Store, connection: ConnectionId) -> ConnectionId:
    """A connection with two held disablings."""
    await store_held(store, connection, "7", "8")
    return connection


def test_status_says_what_is_held_and_what_to_do(cli: Cli, held: ConnectionId) -> None:
    """Monitoring notices by the exit code."""
    result = cli("status")

    assert result.exit_code == 1
    assert "  PROBLEM  leavers: 2 accounts stay enabled" in result.output
    assert f"use `connections release-disabling {held}`" in result.output
    assert read_numbers(cli)["held_disablings"] == 2


@pytest.mark.promise("P9")
def test_held_leavers_are_listed(cli: Cli, held: ConnectionId) -> None:
    """Each of them, until an administrator has decided."""
    listed = json.loads(cli("people", "list", held, "--json").output)

    assert [(person["employee"], person["state"]) for person in listed] == [("7", "waiting"), ("8", "waiting")]
    assert {person["reason"] for person in listed} == {WaitingCause.DISABLING_HELD.text}


async def test_release_is_asked_for_and_ends_the_wait(cli: Cli, store: Store, held: ConnectionId) -> None:
    """Without a confirmation nothing changes. Afterwards, writers take the employees up."""
    refused = await asyncio.to_thread(cli, "connections", "release-disabling", held, stdin="n\n")
    still = await store.followups.has_held_disabling(held)

    released = await asyncio.to_thread(cli, "connections", "release-disabling", held, stdin="y\n")

    entry = await store.ledger.get(make_person("7", held))
    assert refused.exit_code == 1
    assert still
    assert "released 2" in released.output
    assert entry is not None
    assert entry.disabling_allowed_from == 1_000
    assert "leavers" not in await asyncio.to_thread(list_problems, cli)


def test_release_of_an_unknown_connection_fails(cli: Cli, held: ConnectionId) -> None:
    """The message names it."""
    result = cli("connections", "release-disabling", OTHER, "--yes")

    assert held != OTHER
    assert result.exit_code == 1
    assert OTHER in result.output
