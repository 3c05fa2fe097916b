"""The commands ``mapping …``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.admin import catalogues as admin_catalogues
from services.admin import mappings as admin_mappings
from services.admin.connections import get_summary
from services.cli import inputs, mapping_preview
from services.cli.context import CliSettings, Id, Json, run
from services.cli.output import format_columns, print_result
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.runtime.clock import SystemClock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Export and import the mapping of Personio attributes to Declaree fields.")


@app.command("attributes")
def attributes(connection: Id, as_json: Json = False) -> None:
    """List the attributes that the Personio credential can read: key, type, number of employees with a value, and name.

    A mapping names attributes by these keys. Attributes that it does not read have no number: their values stay in Personio.
    """

    async def work(settings: CliSettings, store: Store) -> SourceCatalogue:
        return await admin_catalogues.read_source_catalogue(
            store, SystemClock(), ConnectionId(connection), allow_private=settings.allow_private_addresses
        )

    catalogue = run(work)
    rows = [row for attribute in catalogue.attributes for row in _format_attribute(attribute, catalogue.employees)]
    print_result(format_columns(rows), catalogue, as_json=as_json)


def _format_attribute(attribute: SourceAttribute, employees: int) -> list[tuple[str, str, str, str]]:
    """Returns a row for the attribute, or one for each part of a nested attribute."""
    filled = "-" if attribute.filled is None else f"{attribute.filled} of {employees}"
    label = " ".join(attribute.label.split())
    return [(key, attribute.type, filled, label) for key in attribute.parts or (attribute.key,)]


@app.command("export")
def export(connection: Id, as_json: Json = False) -> None:
    """Print the published mapping as a JSON document; with --json, on one line."""
    document = run(lambda _, store: admin_mappings.export_document(store, ConnectionId(connection)))
    print_result(document, json.loads(document), as_json=as_json)


@app.command("import")
def import_(
    connection: Id,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON document with the mapping.")],
    as_json: Json = False,
) -> None:
    """Publish a mapping from a file as the next version, and resend all employees.

    If the mapping reads further attributes, all employees are polled before. While the connection is paused, the next poll
    reads them.
    """
    document = inputs.read_text(file, "file")

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        published = await admin_mappings.publish_document(store, SystemClock(), ConnectionId(connection), document)
        return published, await get_summary(store, ConnectionId(connection))

    published, summary = run(work)
    text = f"mapping version {published.version} is published: {_describe_effect(summary)}"
    print_result(text, published, as_json=as_json)


def _describe_effect(connection: ConnectionSummary) -> str:
    if not connection.is_started:
        return f"`connections check {connection.id}` compares it with Personio, `connections start {connection.id}` uses it"
    if connection.state is ConnectionState.PAUSED:
        return (
            f"all employees are resent; further attributes have no value until `poll {connection.id}` or the next poll"
        )
    return "all employees are resent"


app.command("preview")(mapping_preview.preview)
