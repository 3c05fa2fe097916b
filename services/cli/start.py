"""The command ``connections start``: shows what a first import would do, and starts it after a confirmation."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from services.admin import start as admin_start
from services.cli.context import CliSettings, Id, Json, run
from services.cli.inputs import confirm
from services.cli.output import print_error, print_result
from services.cli.progress import show_progress
from services.contracts.ids import ConnectionId
from services.provisioning.preview import Prospect
from services.runtime.clock import SystemClock
from services.store.database import Store

NAMED = (Prospect.FITTING, Prospect.UNCLEAR, Prospect.REJECTED)
"""The prospects with employees that are listed one by one."""


class LinkChoice(StrEnum):
    """What happens with the accounts that exist and fit."""

    FITTING = "fitting"
    """They are linked."""
    NONE = "none"
    """They are not linked: an administrator decides about each."""


def start(
    connection: Id,
    links: Annotated[
        LinkChoice | None,
        typer.Option(help="Link the accounts that fit, or none of them. Without it, the command asks."),
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="Show the names of the employees that are listed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start without a question; needs --links.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen and start nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the first import would do, and start the connection after a confirmation.

    Accounts in Declaree that already exist are only touched as shown: those that fit can be linked now, and each of the
    others waits for a decision (`links list`).
    """
    if yes and links is None:
        raise typer.BadParameter(
            "the decision about links is missing: add --links fitting or --links none", param_hint="'--yes'"
        )
    preview = _preview(ConnectionId(connection), with_names=names)
    if dry_run:
        print_result("\n".join(_format(preview)), _summarize(preview), as_json=as_json)
        return
    if not yes:
        print_error("\n".join(_format(preview)))
        fitting = len(preview.list_by(Prospect.FITTING))
        if links is None and fitting:
            links = LinkChoice.FITTING if confirm(f"Link the accounts that fit ({fitting})?") else LinkChoice.NONE
        if not confirm("Start the connection?"):
            print_error("not started")
            raise typer.Exit(1)
    link = links is LinkChoice.FITTING

    async def work(_: CliSettings, store: Store) -> None:
        await admin_start.start(store, SystemClock(), ConnectionId(connection), preview, link=link)

    run(work)
    summary = {"id": connection, "state": "active", "links": (links or LinkChoice.NONE).value, **_summarize(preview)}
    print_result("started: the first poll begins within a minute, see `status`", summary, as_json=as_json)


def _preview(connection: ConnectionId, *, with_names: bool) -> admin_start.Preview:
    with show_progress("accounts in Declaree") as step:

        async def progress(name: str, done: int, total: int | None) -> None:
            step("employees in Personio" if name == "employees" else "accounts in Declaree", done, total)

        async def work(_: CliSettings, store: Store) -> admin_start.Preview:
            return await admin_start.preview_start(store, SystemClock(), connection, progress, with_names=with_names)

        return run(work)


def _format(preview: admin_start.Preview) -> Iterator[str]:
    yield f"{len(preview.predictions)} employees in Personio, {preview.accounts} accounts in Declaree. The first import:"
    for prospect, count in preview.counts.items():
        yield f"{count:>7}  {Prospect(prospect).text}"
    for prospect in NAMED:
        for prediction in preview.list_by(prospect):
            details = [prediction.name, prediction.account and f"account {prediction.account}", prediction.reason]
            yield f"  {prospect.value}  {prediction.employee}  {'  '.join(detail for detail in details if detail)}"


def _summarize(preview: admin_start.Preview) -> dict[str, object]:
    listed = [prediction for prospect in NAMED for prediction in preview.list_by(prospect)]
    return {
        "employees": len(preview.predictions),
        "accounts": preview.accounts,
        "counts": preview.counts,
        "people": listed,
    }
