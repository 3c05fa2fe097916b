"""`runs` and `connections guard` on a real MongoDB. What a poller does with a decision: tests/unit/poller/test_held_runs.py."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.ids import ConnectionId
from services.contracts.observations import Group, GroupCount, GroupKind
from services.contracts.runs import Run, RunCounts, RunState
from services.contracts.tasks import DecideRun
from services.poller.guard import explain
from services.store.database import Store
from tests.component.cli.conftest import list_problems, store_run, take_task
from tests.support.builders import NOW, OTHER, make_observation
from tests.support.command_line import Cli

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P6")]

UNUSUAL = (GroupCount(group=Group(kind=GroupKind.EMPTIED, attribute="office.name"), people=30, of=120),)


@pytest.fixture
async def held(store: Store, connection: ConnectionId) -> Run:
    """A held run, after one that has succeeded."""
    await store_run(store, connection, state=RunState.SUCCEEDED, counts=RunCounts(seen=120, announced=120))
    counts, error = RunCounts(seen=120, changed=30, announced=120), explain(UNUSUAL)
    later: dict[str, Any] = {"now": NOW + timedelta(minutes=15), "state": RunState.HELD, "counts": counts}
    run = await store_run(store, connection, unusual=UNUSUAL, error=error, **later)
    groups = (UNUSUAL[0].group,)
    seen = make_observation("7", run.id, connection_id=connection, replaces=1, groups=groups)
    absent = make_observation(
        "8", run.id, connection_id=connection, snapshot=None, groups=(Group(kind=GroupKind.ABSENT),)
    )
    await store.observations.save([seen, absent], now=NOW)
    return run


def test_list_shows_the_newest_runs(cli: Cli, connection: ConnectionId, held: Run) -> None:
    """The ids are what `runs release` needs."""
    lines = cli("runs", "list", connection).output.splitlines()

    assert len(lines) == 2
    assert [line for line in lines if line.startswith(held.id) and "held" in line]
    assert cli("runs", "list", connection, "--limit", "1").output.count("\n") == 1


def test_list_of_a_new_connection_is_empty(cli: Cli, connection: ConnectionId) -> None:
    """Nothing was polled yet."""
    assert cli("runs", "list", connection).output == "No run yet.\n"


def test_show_tells_what_has_happened_to_how_many(cli: Cli, connection: ConnectionId, held: Run) -> None:
    """Names are shown on request only."""
    text = cli("runs", "show", connection, held.id, "--people").output

    assert "listed 120 of 120, new 0, changed 30, absent 0, removed 0, published 0" in text
    assert "30 of 120 employees no longer have a value for office.name" in text
    assert "7  -  office.name emptied" in text
    assert "8  -  absent" in text
    assert "Zoë" not in text
    assert "7  Zoë" in cli("runs", "show", connection, held.id, "--names").output


async def test_show_of_a_replaced_run_lists_the_same_changes(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """An administrator has the id from the command `status`, and the next poll replaces that run."""
    replaced = await store_run(store, connection, state=RunState.REPLACED, digest="equal")
    later = NOW + timedelta(minutes=15)
    held = await store_run(store, connection, now=later, state=RunState.HELD, digest="equal", unusual=UNUSUAL)
    seen = make_observation("7", held.id, connection_id=connection, replaces=1, groups=(UNUSUAL[0].group,))
    usual = make_observation("8", held.id, connection_id=connection, replaces=1, groups=())
    await store.observations.save([seen, usual], now=NOW)

    shown = (await asyncio.to_thread(cli, "runs", "show", connection, replaced.id, "--people")).output
    asked = (await asyncio.to_thread(cli, "runs", "reject", connection, replaced.id)).output

    assert f"A later run has replaced this one, and holds the same changes: {held.id}\n7  -  office.name" in shown
    assert "8  -  other change\n" in shown
    assert f"A later run has replaced the run {replaced.id}, and holds the same changes:\nrun {held.id}" in asked


async def test_show_of_a_replaced_run_without_the_same_leads_on(
    cli: Cli, store: Store, connection: ConnectionId
) -> None:
    """The changes of a replaced run are removed."""
    run = await store_run(store, connection, state=RunState.REPLACED)

    result = await asyncio.to_thread(cli, "runs", "show", connection, run.id, "--people")

    assert f"replaced this one, and no run holds the same changes: see `runs list {connection}`" in result.output


@pytest.mark.parametrize(
    ("command", "counts", "text"),
    [
        ("release", {"emitted": 15, "oversized": 0, "superseded": 0}, "released: 15 changes are published\n"),
        (
            "release",
            {"emitted": 13, "oversized": 0, "superseded": 2},
            "released: 13 changes are published, 2 left out, because these employees have changed since\n",
        ),
        ("reject", {"emitted": 0}, "rejected: the changes are dropped, and the next poll holds them again"),
    ],
)
async def test_decision_says_what_it_has_done(
    cli: Cli, store: Store, connection: ConnectionId, held: Run, command: str, counts: dict[str, int], text: str
) -> None:
    """An administrator does not know the names of the counts."""
    waiting = asyncio.create_task(asyncio.to_thread(cli, "runs", command, connection, held.id, "--yes"))
    task = await take_task(store, connection)
    await store.tasks.finish(task.id, counts, now=NOW)

    result = await waiting

    assert result.exit_code == 0
    assert text in result.output


@pytest.mark.parametrize("state", [RunState.RELEASING, RunState.RELEASED, RunState.REJECTED])
async def test_decided_run_does_not_count_as_failed_poll(
    cli: Cli, store: Store, connection: ConnectionId, held: Run, state: RunState
) -> None:
    """The reason why it was held is history."""
    await store.runs.decide(held.id, RunState.HELD, state)

    result = await asyncio.to_thread(cli, "status")

    assert "the last poll was held" in result.output
    assert await asyncio.to_thread(list_problems, cli) == []


def test_status_says_that_a_run_is_held(cli: Cli, connection: ConnectionId, held: Run) -> None:
    """It names the two commands, and monitoring notices by the exit code."""
    result = cli("status")

    assert result.exit_code == 1
    assert "PROBLEM  last poll: it is held" in result.output
    assert f"decide with `runs release {connection} {held.id}` or `runs reject {connection} {held.id}`" in result.output


@pytest.mark.parametrize(("state", "text"), [(RunState.RELEASED, "released"), (RunState.REJECTED, "rejected")])
async def test_status_after_a_decision_asks_for_nothing(
    cli: Cli, store: Store, connection: ConnectionId, held: Run, state: RunState, text: str
) -> None:
    """The reason is stored with the run, and the run has not failed."""
    await store.runs.decide(held.id, RunState.HELD, state)

    result = await asyncio.to_thread(cli, "status")

    assert await asyncio.to_thread(list_problems, cli) == []
    assert f"the last poll was held, and its changes were {text}" in result.output
    assert "unusual changes" not in result.output


@pytest.mark.parametrize("command", ["release", "reject"])
async def test_decision_is_filed_for_a_poller(
    cli: Cli, store: Store, connection: ConnectionId, held: Run, command: str
) -> None:
    """Without a poller, it stays filed, and the exit code says so."""
    result = await asyncio.to_thread(cli, "runs", command, connection, held.id, "--yes", "--seconds", "0.1")
    (task,) = await store.tasks.list_open(connection)

    assert result.exit_code == 75
    assert task.action == DecideRun(run=held.id, is_released=command == "release")


async def test_decision_asks_first(cli: Cli, store: Store, connection: ConnectionId, held: Run) -> None:
    """Without an answer, nothing is filed."""
    result = await asyncio.to_thread(cli, "runs", "release", connection, held.id)

    assert result.exit_code == 2
    assert "30 of 120 employees" in result.output
    assert await store.tasks.list_open(connection) == ()


@pytest.mark.parametrize("command", ["show", "release"])
async def test_run_of_another_connection_is_unknown(
    cli: Cli, store: Store, connection: ConnectionId, command: str
) -> None:
    """A mistake in one of both ids shows and changes nothing."""
    foreign = await store_run(store, OTHER, state=RunState.HELD)

    result = await asyncio.to_thread(cli, "runs", command, connection, foreign.id)

    assert result.exit_code == 1
    assert f"unknown run {foreign.id} of connection {connection}" in result.output


@pytest.mark.parametrize(("command", "code"), [("release", 75), ("reject", 1)])
async def test_interrupted_release_can_be_repeated(
    cli: Cli, store: Store, connection: ConnectionId, held: Run, command: str, code: int
) -> None:
    """A part of the changes is published, so that a rejection would come too late."""
    await store.runs.decide(held.id, RunState.HELD, RunState.RELEASING)

    result = await asyncio.to_thread(cli, "runs", command, connection, held.id, "--yes", "--seconds", "0.1")

    assert result.exit_code == code


async def test_run_that_is_not_held_is_not_decided(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The message leads to the present run."""
    run = await store_run(store, connection, state=RunState.REPLACED)

    result = await asyncio.to_thread(cli, "runs", "release", connection, run.id, "--yes")

    assert result.exit_code == 1
    assert f"a later run has replaced {run.id}, and no run holds the same changes: see `runs list" in result.output


async def test_guard_is_shown_and_changed(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """What is not named stays as it is."""
    before = (await asyncio.to_thread(cli, "connections", "guard", connection)).output

    await asyncio.to_thread(cli, "connections", "guard", connection, "--share", "35", "--people", "50")
    result = await asyncio.to_thread(cli, "connections", "guard", connection, "--off", "--json")

    assert before == (
        "the guard is on: a poll is held if one kind of change concerns "
        "more than 10 employees and more than 20 % of them; "
        "accounts stay enabled if more were to be disabled within an hour\n"
    )
    assert json.loads(result.output) == {"is_on": False, "share": 0.35, "people": 50}
    assert (await store.polls.plan(connection)).guard.people == 50
