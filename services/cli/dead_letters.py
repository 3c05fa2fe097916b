"""``dead-letters …``"""

from typing import Annotated

import typer

from services.admin import recovery
from services.cli.context import CliSettings, Json, open_publisher, run, say
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Records that could not be read.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the records that could not be read and were not retried."""
    found = run(recovery.dead_letters)
    say("\n".join(map(_text, found)) or "There is none.", found, as_json=as_json)


def _text(each: recovery.Letter) -> str:
    what = " ".join(filter(None, (each.letter.reason, each.letter.fields)))
    return f"{each.id}  {each.person}  {each.letter.service}: {what}: {each.letter.what_to_do}"


@app.command("retry")
def retry(
    letter: Annotated[list[str] | None, typer.Argument(help="Ids from the list; all if none.")] = None,
    as_json: Json = False,
) -> None:
    """Send the original records again to where they came from. Exit code 1 if some are not there or cannot be sent."""

    async def work(given: CliSettings, store: Store) -> recovery.Retried:
        async with open_publisher(given) as publisher:
            return await recovery.retry_dead_letters(given, store, publisher, SystemClock(), frozenset(letter or ()))

    done = run(work)
    lines = [f"{done.sent} sent again"]
    lines += [
        f"{each} cannot be sent again (too large, or without content) and stays in the list"
        for each in done.not_sendable
    ]
    lines += [f"{each} is no open dead letter: `dead-letters list` shows those that are" for each in done.unknown]
    say("\n".join(lines), done, as_json=as_json)
    if done.not_sendable or done.unknown:
        raise typer.Exit(1)
