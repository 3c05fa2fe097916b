"""``personio-declaree``, or ``python -m services.cli``."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from services.admin import mappings, overview, recovery, requests, setup
from services.admin.causes import in_words
from services.cli import connections
from services.cli.connections import Id, Json
from services.cli.context import CliSettings, err, open_publisher, run, say
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import PublishedMapping
from services.contracts.requests import Request, RequestState, Task
from services.runtime.clock import SystemClock
from services.runtime.settings import ProcessSettings, load, read_secret_files
from services.runtime.supervisor import Supervisor
from services.store.database import Store

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Keeps Declaree's accounts true to Personio."
)
mapping_app = typer.Typer(no_args_is_help=True, help="Personio attributes to Declaree fields.")
people_app = typer.Typer(no_args_is_help=True, help="Single employees.")
letters_app = typer.Typer(no_args_is_help=True, help="Records that could not be read.")
app.add_typer(connections.app, name="connections")
app.add_typer(mapping_app, name="mapping")
app.add_typer(people_app, name="people")
app.add_typer(letters_app, name="dead-letters")

Seconds = Annotated[float, typer.Option(help="How long to wait for a poller.")]
SERVICES = ("poller", "mapper", "writer")


@app.command()
def init(as_json: Json = False) -> None:
    """Create the topics and indexes that are missing. May be repeated."""
    prepared = run(setup.prepare)
    done = [*prepared.topics, *prepared.database]
    say("\n".join(f"created {name}" for name in done) or "Everything was there already.", prepared, as_json=as_json)


@app.command()
def up() -> None:
    """Run poller, mapper and writer as one group, starting again what dies. Runs `init` as soon as the servers answer.

    Health and metrics of the poller are at HTTP_PORT, of the mapper and the writer at the two ports after it.
    """
    read_secret_files()
    process = load(ProcessSettings)

    async def prepare(given: CliSettings, store: Store) -> None:
        await setup.prepare_once_they_answer(given, store, SystemClock())

    run(prepare, service="up", log_level=process.log_level)
    commands = {name: (sys.executable, "-m", f"services.{name}") for name in SERVICES}
    ports = {name: {"HTTP_PORT": _port_of(process.http_port, place)} for place, name in enumerate(SERVICES)}

    async def supervise() -> None:
        supervisor = Supervisor(commands, SystemClock(), grace_seconds=_grace(process), environments=ports)
        await supervisor.main()

    asyncio.run(supervise())


def _port_of(first: int, place: int) -> str:
    return str(first and first + place)


def _grace(process: ProcessSettings) -> float:
    """Whoever stops in order within the time that it is given is not killed."""
    return process.graceful_timeout_seconds + 15


def _ask(connection: str, task: Task, seconds: float) -> Request:
    with Progress(console=err, transient=True) as bar:
        line = bar.add_task("waiting for a poller", total=None)

        def progress(request: Request) -> None:
            bar.update(line, description=request.state.value)

        async def work(_: CliSettings, store: Store) -> Request:
            return await requests.ask(
                store, SystemClock(), ConnectionId(connection), task, seconds=seconds, progress=progress
            )

        return run(work)


def _answer(request: Request, *, as_json: bool) -> None:
    text = request.error or ", ".join(f"{name} {count}" for name, count in request.counts.items())
    say(text, request, as_json=as_json)
    if request.state is RequestState.FAILED:
        raise typer.Exit(1)


@app.command()
def poll(
    connection: Id,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the changes; store and send nothing.")] = False,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Poll Personio now, and say what was found."""
    _answer(_ask(connection, requests.poll(dry_run=dry_run), seconds), as_json=as_json)


@app.command()
def resync(
    connection: Id,
    employee: Annotated[list[str] | None, typer.Option(help="Only these employees (Personio ids).")] = None,
    seconds: Seconds = 300,
    as_json: Json = False,
) -> None:
    """Send the current snapshots again, without asking Personio."""
    people = tuple(EmployeeId(each) for each in employee or ())
    _answer(_ask(connection, requests.resync(people), seconds), as_json=as_json)


@app.command()
def replay(
    connection: Annotated[str | None, typer.Option(help="Only this connection.")] = None,
    employee: Annotated[str | None, typer.Option(help="Only this employee.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every recorded change, not the newest per person.")
    ] = False,
    since: Annotated[datetime | None, typer.Option(help="Only what was recorded since then (UTC).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: Json = False,
) -> None:
    """Publish recorded changes again, up to the end of the topic as it is now."""
    since_ms = int(since.timestamp() * 1000) if since else None
    with Progress(console=err, transient=True) as bar:
        line = bar.add_task("records read", total=None)

        async def work(given: CliSettings, _: Store) -> recovery.Replayed:
            async with open_publisher(given) as publisher:
                return await recovery.replay(
                    given,
                    publisher,
                    connection=ConnectionId(connection) if connection else None,
                    employee=EmployeeId(employee) if employee else None,
                    everything=everything,
                    since_ms=since_ms,
                    dry_run=dry_run,
                    progress=lambda read: bar.update(line, completed=read),
                )

        done = run(work)
    verb = "would be published" if dry_run else "published"
    say(f"{done.read} read, {done.published} {verb}", done, as_json=as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """How things stand. Exit code 1 while a connection's last poll failed."""
    found = run(lambda _, store: overview.status(store))
    say("\n".join(map(_status_text, found)) or "There is no connection yet: `connections add`.", found, as_json=as_json)
    if any(each.last_run and each.last_run.error for each in found):
        raise typer.Exit(1)


def _status_text(each: overview.Status) -> str:
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(each.outcomes.items()))
    lines = [
        f"{each.connection}  {each.name}  {each.state.value}",
        f"  {each.accounts} of {each.active} active employees have an account; balance {each.balance}, waiting {each.waiting}",
        f"  mapping version {each.mapping_version}; outcomes: {outcomes or 'none yet'}",
    ]
    if each.last_run and each.last_run.error:
        lines.append(f"  the last poll failed: {each.last_run.error}")
    return "\n".join(lines)


@mapping_app.command("export")
def export_mapping(connection: Id, as_json: Json = False) -> None:
    """Print the published mapping, a JSON document in any case; with --json on one line."""
    text = run(lambda _, store: mappings.export(store, ConnectionId(connection)))
    say(text, json.loads(text), as_json=as_json)


@mapping_app.command("import")
def import_mapping(
    connection: Id, file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: Json = False
) -> None:
    """Publish a mapping from a file as the next version, and send everybody again."""

    async def work(_: CliSettings, store: Store) -> PublishedMapping:
        return await mappings.publish(store, SystemClock(), ConnectionId(connection), file.read_text(encoding="utf-8"))

    published = run(work)
    say(f"version {published.version} is published; everybody is sent again", published, as_json=as_json)


@people_app.command("show")
def show_person(connection: Id, employee: str, as_json: Json = False) -> None:
    """What is known of one employee: the last snapshot and the account."""
    found = run(lambda _, store: overview.person(store, ConnectionId(connection), EmployeeId(employee)))
    if found.snapshot is None:
        say(f"employee {employee} is not known in connection {connection}", None, as_json=as_json)
        raise typer.Exit(1)
    say(_person_text(found), {"snapshot": found.snapshot, "account": found.account}, as_json=as_json)


def _person_text(found: overview.Person) -> str:
    lines = (
        [f"{key}: {attribute.value}" for key, attribute in sorted(found.snapshot.attributes.items())]
        if found.snapshot
        else []
    )
    account = found.account
    if account is None:
        return "\n".join([*lines, "no decision yet"])
    if account.waiting:
        lines.append(f"waiting since {account.waiting.since:%Y-%m-%d %H:%M} UTC: {in_words(account.waiting.cause)}")
    if account.decided:
        reason = f": {account.decided.reason}" if account.decided.reason else ""
        lines.append(f"account {account.account_id or '-'}, {account.decided.outcome.value}{reason}")
    return "\n".join(lines)


@people_app.command("list")
def list_people(connection: Id, as_json: Json = False) -> None:
    """List who waits and who is rejected, with the reason. Ids alone: `people show` has the data."""

    async def work(_: CliSettings, store: Store) -> list[overview.Unsettled]:
        return [each async for each in overview.unsettled(store, ConnectionId(connection))]

    found = run(work)
    text = "\n".join(f"{each.employee}  {each.state}  {each.reason}" for each in found)
    say(text or "Nobody waits or is rejected.", found, as_json=as_json)


@letters_app.command("list")
def list_letters(as_json: Json = False) -> None:
    """List the records that could not be read and were not retried."""
    found = run(recovery.dead_letters)
    say("\n".join(map(_letter_text, found)) or "There is none.", found, as_json=as_json)


def _letter_text(each: recovery.Letter) -> str:
    what = " ".join(filter(None, (each.letter.reason, each.letter.fields)))
    return f"{each.id}  {each.person}  {each.letter.service}: {what}: {each.letter.what_to_do}"


@letters_app.command("retry")
def retry_letters(
    letter: Annotated[list[str] | None, typer.Argument(help="Ids from the list; all if none.")] = None,
    as_json: Json = False,
) -> None:
    """Send the original records again to where they came from."""

    async def work(given: CliSettings, store: Store) -> recovery.Retried:
        async with open_publisher(given) as publisher:
            return await recovery.retry_dead_letters(given, store, publisher, SystemClock(), frozenset(letter or ()))

    done = run(work)
    lines = [f"{done.sent} sent again"]
    lines += [f"{each} is too large to be sent again and stays in the list" for each in done.not_sendable]
    lines += [f"{each} is no open dead letter: `dead-letters list` shows those that are" for each in done.unknown]
    say("\n".join(lines), done, as_json=as_json)
    if done.not_sendable or done.unknown:
        raise typer.Exit(1)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
