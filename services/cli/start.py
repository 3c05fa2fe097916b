"""The command ``connections start``: shows what a first import would do, and starts it after a confirmation."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from services.admin import start as admin_start
from services.admin.connections import ensure_new
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.inputs import confirm
from services.cli.output import print_error, print_result
from services.cli.progress import show_progress
from services.contracts.ids import ConnectionId
from services.provisioning.preview import Prospect
from services.runtime.clock import SystemClock
from services.store.database import Store

MAX_LINES = 50
"""Maximum number of employees of one prospect that are listed before a question. A dry run lists all."""
WITHOUT_QUESTIONS = "--yes and --links fitting or --links none"
"""The options with which the command asks nothing."""
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
    names: Annotated[
        bool, typer.Option("--names", help="Show the names of the listed employees and accounts.")
    ] = False,
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
    target = find_id(connection)
    if not dry_run:
        run(lambda _, store: ensure_new(store, target))
    preview = _preview(target, with_names=names)
    if dry_run:
        print_result("\n".join(_format(preview)), _summarize(preview), as_json=as_json)
        return
    if not yes:
        print_error("\n".join(_format(preview, MAX_LINES)))
        fitting = len(preview.list_by(Prospect.FITTING))
        if preview.links_by_email:
            links = LinkChoice.FITTING
            print_error("The accounts that fit are linked: the link policy of the connection is by_email.")
        elif links is None and fitting:
            question = f"Link the accounts that fit ({fitting})?"
            links = LinkChoice.FITTING if confirm(question, WITHOUT_QUESTIONS) else LinkChoice.NONE
        if not confirm("Start the connection?", WITHOUT_QUESTIONS):
            print_error("not started")
            raise typer.Exit(1)
    links = LinkChoice.FITTING if preview.links_by_email else links or LinkChoice.NONE

    async def work(_: CliSettings, store: Store) -> None:
        await admin_start.start(store, SystemClock(), target, preview, link=links is LinkChoice.FITTING)

    run(work)
    summary = {"id": target, "state": "active", "links": links.value, **_summarize(preview)}
    lines = ["started: the first poll begins within a minute, see `status`"]
    if preview.list_by(Prospect.UNCLEAR) or (links is LinkChoice.NONE and preview.list_by(Prospect.FITTING)):
        lines.append(f"After it, decide about the accounts that are not linked: links list {target} --names")
    print_result("\n".join(lines), summary, as_json=as_json)


def _preview(connection: ConnectionId, *, with_names: bool) -> admin_start.Preview:
    with show_progress("accounts in Declaree") as step:

        async def progress(name: str, done: int, total: int | None) -> None:
            step("employees in Personio" if name == "employees" else "accounts in Declaree", done, total)

        async def work(settings: CliSettings, store: Store) -> admin_start.Preview:
            return await admin_start.preview_start(
                store,
                SystemClock(),
                connection,
                progress,
                with_names=with_names,
                allow_private=settings.allow_private_addresses,
            )

        return run(work)


def _format(preview: admin_start.Preview, limit: int | None = None) -> Iterator[str]:
    """Yields the employees of interest, at most ``limit`` of each prospect, and then the counts."""
    for prospect in NAMED:
        predictions = preview.list_by(prospect)
        yield from (f"  {prospect.value:8}  {_format_prediction(prediction)}" for prediction in predictions[:limit])
        if limit is not None and len(predictions) > limit:
            yield f"  {prospect.value:8}  and {len(predictions) - limit} more: --dry-run lists all"
    accounts = "unlisted" if preview.accounts is None else preview.accounts
    yield f"{len(preview.predictions)} employees in Personio, {accounts} accounts in Declaree. The first import:"
    for name, count in preview.counts.items():
        yield f"{count:>7}  {Prospect(name).text}"


def _format_prediction(prediction: admin_start.Prediction) -> str:
    account = prediction.account and f"account {prediction.account}"
    if account and prediction.account_name:
        account += f" ({prediction.account_name})"
    details = [prediction.employee, prediction.name, account, prediction.reason]
    return "  ".join(detail for detail in details if detail)


def _summarize(preview: admin_start.Preview) -> dict[str, object]:
    listed = [prediction for prospect in NAMED for prediction in preview.list_by(prospect)]
    return {
        "employees": len(preview.predictions),
        "accounts": preview.accounts,
        "counts": preview.counts,
        "people": listed,
    }
