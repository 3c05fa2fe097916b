"""The command ``status``: the numbers of every connection, and what needs a person."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live

from services.admin.connection_names import find_connection
from services.admin.findings import Level, get_level
from services.admin.overview import ConnectionOverview, Overview, read_overview
from services.cli.context import CliSettings, Json, run
from services.cli.output import MINUTES, Line, format_finding, format_time, print_lines, print_result, style_line
from services.contracts.runs import Run, RunState
from services.runtime.clock import SystemClock
from services.store.database import Store

MAX_WELL = 20
"""Number of connections up to which those without a finding are listed, too."""
MAX_LISTED = 100
"""Number of connections that are listed at most, without --all."""
WATCH_SECONDS = 5.0
"""Seconds between two readings of --watch."""
SERVICES = frozenset({"poller", "mapper", "writer"})
"""Findings that are shown even if nothing is wrong: what runs."""
LAST_POLL = {
    RunState.INCOMPLETE: "was incomplete",
    RunState.FAILED: "failed",
    RunState.HELD: "is held",
    RunState.RELEASING: "was held, and its changes are being released",
    RunState.RELEASED: "was held, and its changes were released",
    RunState.REJECTED: "was held, and its changes were rejected",
}
"""What the line of the last poll says, unless it has succeeded."""


def status(
    connection: Annotated[
        str | None, typer.Argument(help="Only this connection: its name, its id, or the beginning of either.")
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--all", help=f"List all connections; without it, at most {MAX_LISTED} with a finding.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Read it again every 5 s, until Ctrl-C. At a terminal only.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what runs, the numbers of every connection, and what needs a person: the most urgent first.

    PROBLEM: something does not work, or an account keeps its access. hint: it works, and something waits for a person. Exit code 1 if
    there is a problem; hints alone give 0. Asks neither Personio nor Declaree: `doctor` does.
    """
    if watch:
        _watch(connection, list_all=list_all, as_json=as_json)
    overview = _read(connection)
    if as_json:
        print_result("", overview, as_json=True)
    else:
        print_lines(_format(overview, list_all=list_all or connection is not None))
    if overview.level is Level.PROBLEM:
        raise typer.Exit(1)


def _read(named: str | None) -> Overview:
    async def read(settings: CliSettings, store: Store) -> Overview:
        only = None if named is None else await find_connection(store, named)
        return await read_overview(store, SystemClock(), kafka=settings, polling=settings, only=only)

    return run(read)


def _watch(named: str | None, *, list_all: bool, as_json: bool) -> None:
    """Shows the status again and again. Ends the command with 0 on Ctrl-C, and with 2 without a terminal."""
    console = Console()
    if as_json or not console.is_terminal:
        raise typer.BadParameter("it is for a terminal: leave it out", param_hint="'--watch'")
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            lines = [style_line(line, console.width) for line in _format(_read(named), list_all=list_all)]
            live.update(Group(*lines), refresh=True)
            time.sleep(WATCH_SECONDS)
    raise typer.Exit


def _format(overview: Overview, *, list_all: bool) -> Iterator[Line]:
    for finding in overview.deployment:
        if finding.subject in SERVICES or get_level(finding) is not Level.WELL:
            yield format_finding(finding)
    shown = _select(overview, list_all=list_all)
    for one in shown:
        yield Line("")
        yield from _format_connection(one)
    yield Line("")
    if not overview.connections:
        yield Line("No connection exists: add one with `connections add`.")
    more = len(overview.connections) - len(shown)
    if more:
        urgent = sum(one.level is not Level.WELL for one in overview.connections) - len(shown)
        rest = f"{urgent:,} of them with a finding" if urgent > 0 else "nothing is to be done for them"
        yield Line(f"{more:,} further connections, {rest}: see them with --all")
    yield _summarise(overview)


def _select(overview: Overview, *, list_all: bool) -> tuple[ConnectionOverview, ...]:
    connections = overview.connections
    if list_all or len(connections) <= MAX_WELL:
        return connections
    return tuple(one for one in connections if one.level is not Level.WELL)[:MAX_LISTED]


def _summarise(overview: Overview) -> Line:
    findings = [*overview.deployment, *(finding for one in overview.connections for finding in one.findings)]
    levels = [get_level(finding) for finding in findings]
    if overview.level is Level.WELL:
        return Line("All is well.", Level.WELL)
    counts = f"problems: {levels.count(Level.PROBLEM):,}, hints: {levels.count(Level.HINT):,}"
    if overview.level is Level.HINT:
        return Line(f"Everything works. {counts}", Level.HINT)
    return Line(f"{counts}. `doctor ID` also asks the systems of a connection", Level.PROBLEM)


def _format_connection(overview: ConnectionOverview) -> Iterator[Line]:
    found = overview.status
    yield Line(f"{found.connection}  {found.name}  {found.state.value}", is_title=True)
    accounts = f"{found.accounts:,} of {found.active:,} active employees have an account"
    outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(found.outcomes.items()))
    yield Line(f"  {accounts}; balance {found.balance:,}, waiting {found.waiting:,}")
    yield Line(f"  mapping version {found.mapping_version}; outcomes: {outcomes or 'none yet'}")
    yield from _format_last_poll(found.last_run)
    for finding in overview.findings:
        if get_level(finding) is not Level.WELL:
            yield format_finding(finding, indent="  ")


def _format_last_poll(last: Run | None) -> Iterator[Line]:
    if last is None:
        yield Line("  not polled yet")
        return
    at = format_time(last.finished_at or last.started_at, MINUTES)
    state = LAST_POLL.get(last.state)
    yield Line(f"  the last poll {state} ({at})" if state else f"  last polled {at}")
    if last.invisible:
        yield Line(f"  attributes not released, their fields stay as they are: {', '.join(last.invisible)}")
