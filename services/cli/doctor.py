"""The command ``doctor``."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.admin import doctor as admin_doctor
from services.cli.context import CliSettings, Json, run
from services.cli.output import Line, format_finding, print_lines, print_result
from services.runtime.clock import SystemClock
from services.store.database import Store


def doctor(
    connection: Annotated[
        str | None, typer.Argument(help="Examine only this connection: its name, its id, or the beginning of either.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine the installation and its connections, and say what to do. Changes nothing.

    Exit code 1 if there is a problem; hints alone give 0. Each check is limited in time, and works while other parts are down.
    Without CONNECTION, the systems of the connections are only asked if there are at most 10 connections.
    """

    async def work(settings: CliSettings, store: Store) -> admin_doctor.Report:
        return await admin_doctor.examine(
            store,
            SystemClock(),
            connection,
            kafka=settings,
            polling=settings,
            allow_private=settings.allow_private_addresses,
        )

    report = run(work)
    findings = [*report.deployment, *(finding for one in report.connections for finding in one.findings)]
    problems = sum(finding.problem is not None for finding in findings)
    hints = sum(finding.hint is not None for finding in findings)
    if as_json:
        print_result("", report, as_json=True)
    else:
        print_lines([*_format(report), Line(""), Line(f"problems: {problems}, hints: {hints}")])
    if problems:
        raise typer.Exit(1)


def _format(report: admin_doctor.Report) -> Iterator[Line]:
    yield from map(format_finding, report.deployment)
    for one in report.connections:
        yield Line("")
        yield Line(f"{one.connection}  {one.name}", is_title=True)
        yield from map(format_finding, one.findings)
