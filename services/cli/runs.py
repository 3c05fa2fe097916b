"""The commands ``runs …``."""

from typing import Annotated

import typer

from services.admin import runs as admin_runs
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.inputs import confirm
from services.cli.output import format_columns, print_error, print_result
from services.cli.sync import Seconds, run_task
from services.contracts.ids import ConnectionId
from services.contracts.runs import Run, RunState
from services.contracts.tasks import DecideRun, Task
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Show the polls of a connection, and decide about those that are held.")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run, from `runs list`.")]
Yes = Annotated[bool, typer.Option("--yes", help="Decide at once, without showing the run and asking.")]


@app.command("list")
def list_(
    connection: Id,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of runs.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs, newest first: id, start, kind, state, and the number of new, changed and absent employees."""
    target = find_id(connection)
    runs = run(lambda _, store: admin_runs.list_runs(store, target, limit))
    lines = format_columns(_format_row(one) for one in runs) if runs else "No run yet."
    print_result(lines, runs, as_json=as_json)


@app.command()
def show(
    connection: Id,
    run_id: RunId,
    people: Annotated[bool, typer.Option("--people", help="List the held changes, by employee id.")] = False,
    names: Annotated[
        bool, typer.Option("--names", help="List the held changes with the employees' names, which are personal data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one run, with its counts, and why it failed, was incomplete or was held.

    If a later run has replaced it and holds the same changes, these are listed.
    """
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> tuple[Run, Run | None, list[admin_runs.HeldChange]]:
        found = await admin_runs.get_run(store, target, run_id)
        successor = await store.runs.find_successor(found)
        if not people and not names:
            return found, successor, []
        held = admin_runs.stream_held(store, (successor or found).id, with_names=names)
        return found, successor, [change async for change in held]

    found, successor, held = run(work)
    rows = [(change.employee, change.name or "-", ", ".join(change.what) or "other change") for change in held]
    changes = format_columns(rows) if rows else "This run holds no changes."
    is_listed = (people or names) and (held or found.state is not RunState.REPLACED)
    shown = [_describe(found), *_describe_successor(found, successor), *([changes] if is_listed else [])]
    result = {"run": found, "successor": successor.id if successor else None, "held": held}
    print_result("\n".join(shown), result, as_json=as_json)


@app.command()
def release(connection: Id, run_id: RunId, yes: Yes = False, seconds: Seconds = 300, as_json: Json = False) -> None:
    """Release a held run: its changes are published and transferred to Declaree.

    Exit code 1 if it is no longer held, 75 if no poller finished the release in time.
    """
    target = find_id(connection)
    _decide(target, run_id, "Transfer these changes to Declaree?", seconds, is_released=True, yes=yes, as_json=as_json)


@app.command()
def reject(connection: Id, run_id: RunId, yes: Yes = False, seconds: Seconds = 300, as_json: Json = False) -> None:
    """Drop the changes of a held run. The next poll sees and holds them again, unless they are corrected in Personio.

    Exit code 1 if it is no longer held, 75 if no poller dropped them in time.
    """
    target = find_id(connection)
    _decide(target, run_id, "Drop these changes?", seconds, is_released=False, yes=yes, as_json=as_json)


def _decide(
    connection: ConnectionId, run_id: str, question: str, seconds: float, *, is_released: bool, yes: bool, as_json: bool
) -> None:
    held = run(lambda _, store: admin_runs.get_decidable(store, connection, run_id, is_released=is_released))
    if not yes:
        if held.id != run_id:
            print_error(f"A later run has replaced the run {run_id}, and holds the same changes:")
        print_error(_describe(held))
        if not confirm(question):
            raise typer.Exit(1)
    action = DecideRun(run=held.id, is_released=is_released)
    run_task(connection, action, seconds, as_json=as_json, describe=_describe_decision)


def _format_row(one: Run) -> tuple[str, ...]:
    """Returns one row of the list. Counts of 0 are left out, so that a row fits a terminal of 80 columns."""
    numbers = {"new": one.counts.created, "changed": one.counts.changed, "absent": one.counts.absent}
    return (
        one.id,
        f"{one.started_at:%Y-%m-%d %H:%M} UTC",
        one.kind.value,
        one.state.value,
        ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "no change",
    )


def _describe_decision(task: Task) -> str:
    """Returns what a decision has done."""
    if not (isinstance(task.action, DecideRun) and task.action.is_released):
        return "rejected: the changes are dropped, and the next poll holds them again, unless they are corrected in Personio"
    published, superseded = task.counts.get("emitted", 0), task.counts.get("superseded", 0)
    oversized = task.counts.get("oversized", 0)
    return ", ".join(
        [
            f"released: {published} changes are published",
            *([f"{superseded} left out, because these employees have changed since"] if superseded else []),
            *([f"{oversized} oversized, see `people list {task.connection_id}`"] if oversized else []),
        ]
    )


def _describe_successor(one: Run, successor: Run | None) -> list[str]:
    """Returns what became of a run that a later one has replaced."""
    if one.state is not RunState.REPLACED:
        return []
    if successor is None:
        return [
            f"A later run has replaced this one, and no run holds the same changes: see `runs list {one.connection_id}`"
        ]
    return [f"A later run has replaced this one, and holds the same changes: {successor.id}"]


def _describe(one: Run) -> str:
    counts = one.counts
    listed = f"{counts.seen}" if counts.announced is None else f"{counts.seen} of {counts.announced}"
    changes = (
        f"new {counts.created}, changed {counts.changed}, absent {counts.absent}, removed {counts.removed}, "
        f"published {counts.emitted}"
    )
    lines = [
        f"run {one.id} ({one.kind.value}), {one.started_at:%Y-%m-%d %H:%M} UTC: {one.state.value}",
        f"listed {listed}, {changes}",
        *(
            [f"missed {counts.missed}: changes that earlier polls should have shown, see POLL_OVERLAP_SECONDS"]
            if counts.missed
            else []
        ),
    ]
    return "\n".join([*lines, *([one.error] if one.error else [])])
