"""The commands ``dead-letters …``."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.admin import dead_letters as admin_dead_letters
from services.cli.context import CliSettings, Json, open_publisher, run
from services.cli.output import print_result
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="List, show and retry records that cannot be read.")

GONE = "the topic of the record no longer has it: `resync` its employee"
"""What happened to the content of a large record, and what to do."""
MAX_SHOWN = 5_000
"""Maximum number of characters of a record that are printed as text."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the open dead letters: records that a service could not read and that were not retried."""
    letters = run(admin_dead_letters.list_dead_letters)
    print_result("\n".join(map(_format_letter, letters)) or "No dead letter is open.", letters, as_json=as_json)


def _format_letter(listed: admin_dead_letters.ListedLetter) -> str:
    letter = listed.letter
    reason = f"{letter.reason} {letter.fields}".strip()
    return f"{listed.id}  {listed.person}  {letter.service}: {reason}: {letter.next_step}"


@app.command("show")
def show(
    letter: Annotated[str, typer.Argument(help="An id from `dead-letters list`.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter with the content of its record, which contains personal data.

    The content of a large record is not in its dead letter. It is read from the topic of the record, as long as Kafka keeps it.
    """
    shown = run(lambda settings, store: admin_dead_letters.show_dead_letter(settings, store, letter))
    print_result("\n".join(_format_shown(shown)), shown, as_json=as_json)


def _format_shown(shown: admin_dead_letters.ShownLetter) -> Iterator[str]:
    letter = shown.listed.letter
    yield _format_letter(shown.listed)
    yield f"record: {letter.topic}, partition {letter.partition}, offset {letter.offset}"
    if shown.is_gone:
        yield f"content: {GONE}"
        return
    value = shown.value or ""
    rest = f" … ({len(value)} characters, `--json` prints all)" if len(value) > MAX_SHOWN else ""
    yield f"content: {' '.join(value[:MAX_SHOWN].split())}{rest}"


@app.command("retry")
def retry(
    letter: Annotated[
        list[str] | None, typer.Argument(help="Ids from `dead-letters list`; without ids, all open dead letters.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish the original records to their topics again. Large records are read from their topics.

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
        f"{letter_id} cannot be published again (too large, without a key, or of a forgotten employee) and stays open"
        for letter_id in retried.not_sendable
    ]
    lines += [f"{letter_id} stays open: {GONE}" for letter_id in retried.gone]
    lines += [
        f"{letter_id} is not an open dead letter: `dead-letters list` prints the open ones"
        for letter_id in retried.unknown
    ]
    print_result("\n".join(lines), retried, as_json=as_json)
    if retried.not_sendable or retried.gone or retried.unknown:
        raise typer.Exit(1)
