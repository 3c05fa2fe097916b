"""``mapping …``"""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.admin import mappings
from services.cli import entered
from services.cli.context import CliSettings, Id, Json, run, say
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Personio attributes to Declaree fields.")


@app.command("export")
def export(connection: Id, as_json: Json = False) -> None:
    """Print the published mapping, a JSON document in any case; with --json on one line."""
    text = run(lambda _, store: mappings.export(store, ConnectionId(connection)))
    say(text, json.loads(text), as_json=as_json)


@app.command("import")
def import_(
    connection: Id, file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: Json = False
) -> None:
    """Publish a mapping from a file as the next version, and send everybody again."""
    document = entered.text(file, "file")

    async def work(_: CliSettings, store: Store) -> PublishedMapping:
        return await mappings.publish(store, SystemClock(), ConnectionId(connection), document)

    published = run(work)
    say(f"version {published.version} is published; everybody is sent again", published, as_json=as_json)
