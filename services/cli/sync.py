"""The commands ``poll``, ``resync`` and ``replay``, which detect changes or publish them again."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from services.admin import replay as admin_replay
from services.admin import tasks as admin_tasks
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, find_id, open_publisher, run
from services.cli.output import print_error, print_result
from services.cli.progress import show_progress
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tasks import Action, Poll, Task, TaskState
from services.runtime.clock import SystemClock
from services.store.database import Store

Seconds = Annotated[float, typer.Option(help="Seconds to wait for a poller.")]

STATE_TEXTS = {TaskState.OPEN: "waiting for a poller", TaskState.RUNNING: "a poller is working"}
"""What the terminal shows while a task is unfinished."""


def _describe_counts(task: Task) -> str:
    return ", ".join(f"{name} {count}" for name, count in task.counts.items())


def run_task(
    connection: ConnectionId,
    action: Action,
    seconds: float,
    *,
    as_json: bool,
    describe: Callable[[Task], str] = _describe_counts,
) -> None:
    """Files a task, waits for it with its progress, and prints its result.

    ``seconds`` is the maximum wait. ``describe`` returns the text for a task that succeeded.
    Ends the command with exit code 1 if the task failed, 75 if it is not finished in time.
    """
    with show_progress(STATE_TEXTS[TaskState.OPEN]) as step:

        def progress(task: Task) -> None:
            done = task.counts.get("seen", task.counts.get("sent"))
            step(STATE_TEXTS.get(task.state, task.state.value), done, task.counts.get("total"))

        async def work(_: CliSettings, store: Store) -> Task:
            return await admin_tasks.file_and_wait(
                store, SystemClock(), connection, action, seconds=seconds, progress=progress
            )

        task = run(work)
    print_result(task.error or describe(task), task, as_json=as_json)
    if task.state is TaskState.FAILED:
        raise typer.Exit(1)


def poll(
    connection: Id,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the changes without storing or publishing them.")
    ] = False,
    employee: Annotated[
        list[str] | None,
        typer.Option(help="Look up only this employee (Personio id), without the guard. Repeat the option for more."),
    ] = None,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Poll all employees in Personio now and print the number of new, changed and unchanged ones.

    Exit code 1 if the poll failed, was incomplete or is held, 75 if no poller finished it in time.
    """
    if dry_run and employee:
        raise typer.BadParameter(
            "--dry-run polls all employees: leave one of both options out", param_hint="'--employee'"
        )
    target = find_id(connection)
    people = tuple(EmployeeId(employee_id) for employee_id in employee or ())
    run_task(target, Poll(dry_run=dry_run, people=people), seconds, as_json=as_json)


def resync(
    connection: Id,
    employee: Annotated[
        list[str] | None, typer.Option(help="Resend only this employee (Personio id). Repeat the option for more.")
    ] = None,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Resend the current snapshots of all employees, without polling Personio.

    Exit code 1 if the task failed, 75 if no poller finished it in time.
    """
    target = find_id(connection)
    people = tuple(EmployeeId(employee_id) for employee_id in employee or ())
    run_task(target, admin_tasks.build_resync(people), seconds, as_json=as_json)


def replay(
    connection: Annotated[
        str | None, typer.Option(callback=inputs.parse_optional_id, help="Replay only this connection.")
    ] = None,
    employee: Annotated[
        str | None,
        typer.Option(
            callback=inputs.parse_optional_id, help="Replay only this employee (Personio id); needs --connection."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Publish every recorded change, not only the newest one of each employee.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Replay only changes recorded at this time (UTC) or later, such as 2026-03-01 or 2026-03-01T08:30."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the changes without publishing them.")] = False,
    as_json: Json = False,
) -> None:
    """Publish recorded changes again: the newest one of each employee.

    Exit code 1 if no change of the named employee is recorded.
    """
    if employee is not None and connection is None:
        raise typer.BadParameter(
            "an employee id is unique only within its connection: add --connection", param_hint="'--employee'"
        )
    target = None if connection is None else find_id(connection)
    with show_progress("reading") as step:

        async def work(settings: CliSettings, store: Store) -> admin_replay.Replayed:
            async with open_publisher(settings) as publisher:
                return await admin_replay.replay(
                    settings,
                    store,
                    publisher,
                    SystemClock(),
                    connection=target,
                    employee=None if employee is None else EmployeeId(employee),
                    everything=everything,
                    since_ms=None if since is None else inputs.to_milliseconds(since),
                    dry_run=dry_run,
                    progress=lambda name, read: step(name, read, None),
                )

        replayed = run(work)
    verb = "would be published" if dry_run else "published"
    print_result(f"{replayed.read} read, {replayed.published} {verb}", replayed, as_json=as_json)
    if employee is not None and not replayed.published:
        print_error(f"no change of employee {employee} is recorded: `resync` publishes the current snapshot")
        raise typer.Exit(1)
