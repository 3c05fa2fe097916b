"""``poll``, ``resync`` and ``replay``: what makes changes be sent."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from services.admin import recovery, requests
from services.cli import entered
from services.cli.context import CliSettings, Id, Json, open_publisher, run, say, say_wrong
from services.cli.progress import shown
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.requests import Request, RequestState, Task
from services.runtime.clock import SystemClock
from services.store.database import Store

Seconds = Annotated[float, typer.Option(help="How long to wait for a poller.")]

SAID = {RequestState.OPEN: "waiting for a poller", RequestState.RUNNING: "a poller is at work"}


def _ask(connection: ConnectionId, task: Task, seconds: float, *, as_json: bool) -> None:
    with shown(SAID[RequestState.OPEN]) as step:

        def progress(request: Request) -> None:
            done = request.counts.get("seen", request.counts.get("sent"))
            step(SAID.get(request.state, request.state.value), done, request.counts.get("total"))

        async def work(_: CliSettings, store: Store) -> Request:
            return await requests.ask(store, SystemClock(), connection, task, seconds=seconds, progress=progress)

        request = run(work)
    text = request.error or ", ".join(f"{name} {count}" for name, count in request.counts.items())
    say(text, request, as_json=as_json)
    if request.state is RequestState.FAILED:
        raise typer.Exit(1)


def poll(
    connection: Id,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the changes; store and send nothing.")] = False,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Poll Personio now, and say what was found. Exit code 1 if the poll failed, 75 if no poller answers in time."""
    _ask(ConnectionId(connection), requests.poll(dry_run=dry_run), seconds, as_json=as_json)


def resync(
    connection: Id,
    employee: Annotated[list[str] | None, typer.Option(help="Only these employees (Personio ids).")] = None,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Send the current snapshots again, without asking Personio. Exit code 75 if no poller answers in time."""
    people = tuple(EmployeeId(each) for each in employee or ())
    _ask(ConnectionId(connection), requests.resync(people), seconds, as_json=as_json)


def replay(
    connection: Annotated[str | None, typer.Option(callback=entered.named, help="Only this connection.")] = None,
    employee: Annotated[
        str | None, typer.Option(callback=entered.named, help="Only this employee, of the connection.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every recorded change, not the newest per person.")
    ] = False,
    since: Annotated[datetime | None, typer.Option(help="Only what was recorded since then (UTC).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: Json = False,
) -> None:
    """Publish recorded changes again, up to the end of the topic as it is now.

    Exit code 1 if there is none of the employee that was named.
    """
    if employee is not None and connection is None:
        raise typer.BadParameter("each company counts its own: give --connection, too", param_hint="--employee")
    with shown("reading") as step:

        async def work(given: CliSettings, store: Store) -> recovery.Replayed:
            async with open_publisher(given) as publisher:
                return await recovery.replay(
                    given,
                    store,
                    publisher,
                    connection=None if connection is None else ConnectionId(connection),
                    employee=None if employee is None else EmployeeId(employee),
                    everything=everything,
                    since_ms=None if since is None else _milliseconds(since),
                    dry_run=dry_run,
                    progress=lambda what, read: step(what, read, None),
                )

        done = run(work)
    verb = "would be published" if dry_run else "published"
    say(f"{done.read} read, {done.published} {verb}", done, as_json=as_json)
    if employee is not None and not done.published:
        say_wrong(f"nothing is recorded of employee {employee}; `resync` sends what was last seen")
        raise typer.Exit(1)


def _milliseconds(since: datetime) -> int:
    """Without a time zone it is UTC, wherever the command runs."""
    return int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1000)
