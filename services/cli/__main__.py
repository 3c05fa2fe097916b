"""``personio-declaree``, or ``python -m services.cli``."""

import asyncio
import sys
from collections.abc import Iterator

import typer

from services.admin import overview, setup
from services.cli import connections, dead_letters, mapping, people, sending
from services.cli.context import CliSettings, Json, run, say
from services.contracts.connections import ConnectionState
from services.contracts.runs import Run
from services.runtime.clock import SystemClock
from services.runtime.settings import ProcessSettings, load, read_secret_files
from services.runtime.supervisor import Supervisor
from services.store.database import Store

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Keeps Declaree's accounts true to Personio."
)

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


app.command()(sending.poll)
app.command()(sending.resync)
app.command()(sending.replay)


@app.command()
def status(as_json: Json = False) -> None:
    """How things stand. Exit code 1 while the last poll of an active connection has failed."""
    found = run(lambda _, store: overview.status(store))
    say("\n".join(map(_status_text, found)) or "There is no connection yet: `connections add`.", found, as_json=as_json)
    if any(each.state is ConnectionState.ACTIVE and each.last_run and each.last_run.error for each in found):
        raise typer.Exit(1)


def _status_text(each: overview.Status) -> str:
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(each.outcomes.items()))
    lines = [
        f"{each.connection}  {each.name}  {each.state.value}",
        f"  {each.accounts} of {each.active} active employees have an account; balance {each.balance}, waiting {each.waiting}",
        f"  mapping version {each.mapping_version}; outcomes: {outcomes or 'none yet'}",
        *_last_poll(each.last_run),
    ]
    if each.missing:
        lines.append(f"  missing {each.missing}: Personio lists them no more, `people list` says whom")
    return "\n".join(lines)


def _last_poll(run: Run | None) -> Iterator[str]:
    if run is None:
        yield "  not polled yet"
        return
    when = f"{run.finished_at or run.started_at:%Y-%m-%d %H:%M} UTC"
    yield f"  the last poll failed: {run.error} ({when})" if run.error else f"  last polled {when}"
    if run.unreleased:
        yield f"  released no more, so kept as they were: {', '.join(run.unreleased)}"


app.add_typer(connections.app, name="connections")
app.add_typer(mapping.app, name="mapping")
app.add_typer(people.app, name="people")
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
