"""The command ``doctor``."""

from collections.abc import Iterable
from typing import Annotated

import typer

from services.admin import doctor as admin_doctor
from services.admin.checks import Finding
from services.cli.context import CliSettings, Json, run
from services.cli.output import print_result
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
    lines = list(_format(report.deployment))
    for one in report.connections:
        lines += ["", f"{one.connection}  {one.name}", *_format(one.findings)]
    print_result("\n".join([*lines, "", f"problems: {problems}, hints: {hints}"]), report, as_json=as_json)
    if problems:
        raise typer.Exit(1)


def _format(findings: Iterable[Finding]) -> Iterable[str]:
    for finding in findings:
        if finding.problem is not None:
            yield f"PROBLEM  {finding.subject}: {finding.problem}"
        elif finding.hint is not None:
            yield f"hint     {finding.subject}: {finding.hint}"
        else:
            yield f"ok       {finding.subject}" + (f": {finding.note}" if finding.note else "")
