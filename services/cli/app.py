"""The command line: the commands without a group, and the groups."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from services.admin import install as admin_install
from services.admin import status as admin_status
from services.admin.attribute_news import summarise_keys
from services.admin.vendor_findings import describe_end
from services.cli import connections, dead_letters, links, people, runs, sync, users, verify
from services.cli.context import CliSettings, Json, run
from services.cli.doctor import doctor
from services.cli.mapping import app as mapping
from services.cli.output import print_result
from services.contracts.connections import ConnectionState
from services.contracts.outcomes import Outcome
from services.contracts.runs import UNSUCCESSFUL, Run, RunState
from services.mapper.settings import MapperSettings
from services.poller.settings import PollerSettings
from services.runtime.clock import SystemClock
from services.runtime.environment import load
from services.runtime.settings import ProcessSettings
from services.runtime.supervisor import Supervisor
from services.runtime.version import VERSION
from services.store.database import Store
from services.writer.settings import WriterSettings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

SERVICES = ("poller", "mapper", "writer")
"""The services that `up` runs, in the order of their ports."""
SERVICE_SETTINGS: tuple[type[ProcessSettings], ...] = (PollerSettings, MapperSettings, WriterSettings)
"""The settings of these services."""
NEED_ATTENTION = (Outcome.REJECTED, Outcome.INCOMPLETE)
"""The outcomes that `people list` explains."""
LAST_POLL = {
    RunState.INCOMPLETE: "was incomplete",
    RunState.FAILED: "failed",
    RunState.HELD: "is held",
    RunState.RELEASING: "was held, and its changes are being released",
    RunState.RELEASED: "was held, and its changes were released",
    RunState.REJECTED: "was held, and its changes were rejected",
}
"""What `status` says about the last poll. Other states have a shorter text."""
KILL_MARGIN_SECONDS = 15
"""Seconds that `up` waits for a stopping process beyond GRACEFUL_TIMEOUT_SECONDS, before it kills the process."""


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_result(f"personio-declaree {VERSION}", {}, as_json=False)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep Declaree accounts in step with the employees in Personio."""


@app.command()
def init(
    wait: Annotated[int, typer.Option("--wait", help="Seconds to wait until Kafka and MongoDB answer.")] = 0,
    as_json: Json = False,
) -> None:
    """Create missing topics and indexes, and correct the settings of topics. The command can be repeated at any time.

    If MONGODB_URL names one server and a replica set that does not exist yet, the command initiates it.
    """

    async def install(settings: CliSettings, store: Store) -> admin_install.Installed:
        return await admin_install.install_when_available(settings, store, SystemClock(), seconds=wait)

    installed = run(install)
    lines = [f"created {name}" for name in (*installed.topics, *installed.database)]
    lines += [f"corrected the settings of {name}" for name in installed.corrected]
    print_result("\n".join(lines) or "Nothing to create: all topics and indexes exist.", installed, as_json=as_json)


@app.command()
def up() -> None:
    """Run poller, mapper and writer as one process group. A process that ends is restarted.

    Exit code 78 if a setting of a service is missing or invalid.

    The command runs `init` as soon as Kafka and MongoDB answer. The poller serves health and metrics at HTTP_PORT, the mapper at
    the next port, and the writer at the port after that.
    """
    # a service with an invalid setting would be restarted again and again
    process, *_ = [load(settings) for settings in SERVICE_SETTINGS]

    async def prepare(settings: CliSettings, store: Store) -> None:
        await admin_install.install_when_available(settings, store, SystemClock())

    run(prepare, service="up", log_level=process.log_level)
    commands = {name: (sys.executable, "-m", f"services.{name}") for name in SERVICES}
    ports = {name: {"HTTP_PORT": _format_port(process.http_port, index)} for index, name in enumerate(SERVICES)}
    grace = process.graceful_timeout_seconds + KILL_MARGIN_SECONDS

    async def supervise() -> None:
        await Supervisor(commands, SystemClock(), grace_seconds=grace, environments=ports).main()

    asyncio.run(supervise())


def _format_port(first: int, index: int) -> str:
    """Returns the port of a service. A first port of 0 stays 0: each service then takes a free port."""
    return str(first and first + index)


app.command()(sync.poll)
app.command()(sync.resync)
app.command()(sync.replay)
app.command()(verify.verify)


@app.command()
def status(as_json: Json = False) -> None:
    """Print the status of every connection.

    Exit code 1 if the last poll of an active connection failed, was incomplete or is held, if accounts of leavers
    stay enabled until you decide, or if something of a connection cannot be read.
    """

    async def read(settings: CliSettings, store: Store) -> tuple[admin_status.Status, ...]:
        now = SystemClock().now()
        return await admin_status.get_status(store, now=now, overdue_before=now - settings.poll_tolerance)

    connections = run(read)
    text = "\n".join(map(_format_status, connections))
    print_result(text or "No connection exists: add one with `connections add`.", connections, as_json=as_json)
    if any(_has_failed(connection) for connection in connections):
        raise typer.Exit(1)


def _has_failed(connection: admin_status.Status) -> bool:
    run = connection.last_run
    has_failed = connection.state is ConnectionState.ACTIVE and run is not None and run.state in UNSUCCESSFUL
    return has_failed or bool(connection.held_disablings) or bool(connection.problems)


def _format_status(connection: admin_status.Status) -> str:
    accounts = f"{connection.accounts} of {connection.active} active employees have an account"
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(connection.outcomes.items()))
    lines = [
        f"{connection.connection}  {connection.name}  {connection.state.value}",
        f"  {accounts}; balance {connection.balance}, waiting {connection.waiting}",
        f"  mapping version {connection.mapping_version}; outcomes: {outcomes or 'none yet'}",
        *_format_last_poll(connection.last_run),
    ]
    if connection.overdue_since is not None:
        lines.append(
            f"  overdue: the poll that was due at {connection.overdue_since:%Y-%m-%d %H:%M} UTC has not ended: "
            f"look at Personio with `connections check {connection.connection}`, and at the log of the poller"
        )
    lines += _format_brake(connection)
    if connection.attributes:
        lines.append(
            f"  released attributes have changed ({summarise_keys(connection.attributes)}): see `doctor {connection.connection}`"
        )
    lines += [f"  unreadable: {problem}" for problem in connection.problems]
    people = f"see `people list {connection.connection}`"
    if any([connection.waiting, *(connection.outcomes.get(outcome) for outcome in NEED_ATTENTION)]):
        lines.append(f"  employees need attention: {people}")
    if connection.unreadable:
        lines.append(f"  unreadable {connection.unreadable}: documents of these employees, {people}")
    if connection.absent:
        lines.append(f"  absent {connection.absent}: Personio no longer lists these employees, {people}")
    if connection.decisions:
        lines.append(f"  decisions {connection.decisions}: see `links list {connection.connection} --names`")
    if connection.findings:
        lines.append(
            f"  verification: {connection.findings} findings need a person, see `verify {connection.connection} --last`"
        )
    return "\n".join(lines)


def _format_brake(connection: admin_status.Status) -> Iterator[str]:
    if connection.held_disablings:
        held, name = connection.held_disablings, connection.connection
        yield f"  held {held}: these accounts stay enabled, because unusually many were to be disabled within an hour;"
        yield f"  if the employees have left, use `connections release-disabling {name}`,"
        yield "  else correct the mapping and import it, or correct the data in Personio"


def _format_last_poll(run: Run | None) -> Iterator[str]:
    if run is None:
        yield "  not polled yet"
        return
    time = f"{run.finished_at or run.started_at:%Y-%m-%d %H:%M} UTC"
    state = LAST_POLL.get(run.state)
    reason = f": {run.error}" if run.error and run.state in UNSUCCESSFUL else ""
    yield f"  the last poll {state} ({time}){reason}" if state else f"  last polled {time}"
    if run.state is RunState.HELD:
        yield f"  see the changes with `runs show {run.connection_id} {run.id} --people`,"
        yield f"  decide with `runs release {run.connection_id} {run.id}` or `runs reject {run.connection_id} {run.id}`"
    if run.invisible:
        yield f"  attributes not released, their fields stay as they are: {', '.join(run.invisible)}"
    if run.notes.ends:
        ends = "; ".join(describe_end(end) for end in run.notes.ends)
        yield f"  Personio {ends}: see `doctor {run.connection_id}`"


app.command()(doctor)

app.add_typer(connections.app, name="connections")
app.add_typer(links.app, name="links")
app.add_typer(mapping.app, name="mapping")
app.add_typer(people.app, name="people")
app.add_typer(runs.app, name="runs")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(users.app, name="users")
