"""The command line: the commands without a group, and the groups."""

import asyncio
import sys
from typing import Annotated

import typer

from services.admin import install as admin_install
from services.cli import connections, dead_letters, links, people, runs, sync, users, verify
from services.cli.context import CliSettings, Json, run
from services.cli.doctor import doctor
from services.cli.mapping import app as mapping
from services.cli.output import print_result
from services.cli.status import status
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


app.command()(status)
app.command()(doctor)

app.add_typer(connections.app, name="connections")
app.add_typer(links.app, name="links")
app.add_typer(mapping.app, name="mapping")
app.add_typer(people.app, name="people")
app.add_typer(runs.app, name="runs")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(users.app, name="users")
