"""`verify` on a real MongoDB. The test plays the poller and the writer."""

import asyncio
import json

import pytest

from services.cli.context import EX_TEMPFAIL
from services.contracts.drift import DriftKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.outcomes import Outcome
from services.contracts.tasks import Verify
from services.store.database import Store
from tests.component.cli.conftest import add_connection, store_report, take_task
from tests.support.builders import NOW, make_entry, make_outcome, make_person, make_snapshot
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
async def active(store: Store, connection: ConnectionId) -> ConnectionId:
    """A started connection."""
    await store.connections.start(connection, now=NOW)
    return connection


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ([], 0),
        ([DriftKind.LEAVER_ENABLED, DriftKind.MISSING], 0),
        ([DriftKind.DIFFERENT], 1),
        ([DriftKind.DUPLICATE], 1),
    ],
)
@pytest.mark.parametrize("repair", [False, True])
async def test_exit_code_tells_whether_a_person_is_needed(
    cli: Cli, store: Store, active: ConnectionId, kinds: list[DriftKind], code: int, repair: bool
) -> None:
    """The command files the task, and prints the report that the poller has stored."""
    options = ("--repair",) if repair else ()
    command = asyncio.create_task(asyncio.to_thread(cli, "verify", *options, "--json"))
    task = await take_task(store, active)
    await store_report(store, active, {"listed": 3}, kinds)
    await store.tasks.finish(task.id, {"listed": 3}, now=NOW)
    result = await command

    (printed,) = json.loads(result.output)
    assert task.action == Verify(repair=repair, is_patient=not repair)
    assert result.exit_code == code
    assert printed["connection"] == active
    assert printed["report"]["counts"]["listed"] == 3
    assert {finding["kind"] for finding in printed["findings"]} == {kind.value for kind in kinds}


async def test_each_active_connection_is_verified(cli: Cli, store: Store, active: ConnectionId) -> None:
    """One after the other; a failure of the first one does not keep the second one out, and a paused one is left out."""
    url = "https://declaree.example/"
    second = await asyncio.to_thread(add_connection, cli, "--declaree-url", f"{url}2")
    await asyncio.to_thread(add_connection, cli, "--declaree-url", f"{url}3")
    await store.connections.start(second, now=NOW)
    command = asyncio.create_task(asyncio.to_thread(cli, "verify", "--json"))
    task = await take_task(store, active)
    await store.tasks.fail(task.id, "the stored key cannot be decrypted", now=NOW)
    other = await take_task(store, second)
    await store_report(store, second, {"listed": 3}, [])
    await store.tasks.finish(other.id, {}, now=NOW)
    result = await command

    printed = json.loads(result.output)
    assert result.exit_code == 1
    assert [(one["connection"], one["error"]) for one in printed] == [
        (active, "the stored key cannot be decrypted"),
        (second, None),
    ]


async def test_verification_without_a_poller_goes_on_later(cli: Cli, active: ConnectionId) -> None:
    """The exit code says that the command may succeed later."""
    result = await asyncio.to_thread(cli, "verify", active, "--seconds", "0.1")

    assert result.exit_code == EX_TEMPFAIL
    assert "stays filed" in result.output


async def test_employee_needs_a_connection(cli: Cli) -> None:
    """An employee id is unique only within its connection."""
    result = await asyncio.to_thread(cli, "verify", "--employee", "7")

    assert result.exit_code == 2
    assert "unique only within its connection" in result.output


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.UNCHANGED, 0), (Outcome.UPDATED, 0), (Outcome.REJECTED, 1), (Outcome.INCOMPLETE, 1)]
)
async def test_one_employee_is_marked_and_resent(
    cli: Cli, store: Store, connection: ConnectionId, outcome: Outcome, code: int
) -> None:
    """The command shows what the writer decided after its lookup of the account."""
    await store.snapshots.save([(make_snapshot("7", connection_id=connection), None)])
    old = make_outcome("7", how=Outcome.CREATED)
    await store.ledger.write([make_entry("7", connection_id=connection, decided=old)])
    command = asyncio.create_task(asyncio.to_thread(cli, "verify", connection, "--employee", "7", "--json"))
    task = await take_task(store, connection)
    marked = await store.ledger.get(make_person("7", connection))
    await store.tasks.finish(task.id, {"sent": 1}, now=NOW)
    assert marked is not None
    decided = make_outcome("7", how=outcome)
    await store.ledger.write([marked.model_copy(update={"verify": False, "seq": marked.seq + 1, "decided": decided})])
    result = await command

    assert marked.verify
    assert getattr(task.action, "people", ()) == (EmployeeId("7"),)
    assert json.loads(result.output)["outcome"] == outcome.value
    assert result.exit_code == code
