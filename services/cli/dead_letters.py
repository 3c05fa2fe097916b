"""The commands ``dead-letters …``."""

from typing import Annotated

import typer

from services.admin import dead_letters as admin_dead_letters
from services.cli.context import CliSettings, Json, open_publisher, run
from services.cli.output import print_result
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="List and retry records that cannot be read.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the open dead letters: records that a service could not read and that were not retried."""
    letters = run(admin_dead_letters.list_dead_letters)
    print_result("\n".join(map(_format_letter, letters)) or "No dead letter is open.", letters, as_json=as_json)


def _format_letter(listed: admin_dead_letters.ListedLetter) -> str:
    letter = listed.letter
    reason = f"{letter.reason} {letter.fields}".strip()
    return f"{listed.id}  {listed.person}  {letter.service}: {reason}: {letter.next_step}"


@app.command("retry")
def retry(
    letter: Annotated[
        list[str] | None, typer.Argument(help="Ids from `dead-letters list`; without ids, all open dead letters.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish the original records to their topics again.

    Exit code 1 if an id is unknown or a record cannot be published.
    """

    async def work(settings: CliSettings, store: Store) -> admin_dead_letters.Retried:
        async with open_publisher(settings) as publisher:
            return await admin_dead_letters.retry_dead_letters(
                settings, store, publisher, SystemClock(), frozenset(letter or ())
            )

    retried = run(work)
    lines = [f"records published again: {retried.sent}"]
    lines += [
        f"{letter_id} cannot be published again (too large, without content, or of a forgotten employee) and stays open"
        for letter_id in retried.not_sendable
    ]
    lines += [
        f"{letter_id} is not an open dead letter: `dead-letters list` prints the open ones"
        for letter_id in retried.unknown
    ]
    print_result("\n".join(lines), retried, as_json=as_json)
    if retried.not_sendable or retried.unknown:
        raise typer.Exit(1)
