"""The commands ``mapping …``."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from services.admin import catalogues as admin_catalogues
from services.admin import fields as admin_fields
from services.admin.shortening import join_first
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.mapping.examples import list_examples, unpin
from services.cli.mapping.explain import explain
from services.cli.mapping.files import check_examples, lint, show_schema
from services.cli.mapping.preview import preview
from services.cli.mapping.publishing import import_, publish, roll_back
from services.cli.mapping.suggest import suggest
from services.cli.mapping.versions import discard, export, show_differences, show_history
from services.cli.output import format_columns, print_result
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.fields import FieldCatalogue, TargetField
from services.mapping.target_fields import describe_type
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(
    no_args_is_help=True,
    help="Draft, check, publish and roll back the mapping of Personio attributes to Declaree fields.",
)


@app.command("attributes")
def attributes(connection: Id, as_json: Json = False) -> None:
    """List the attributes that the Personio credential can read: key, type, number of employees with a value, and name.

    A mapping names attributes by these keys. Attributes that it does not read have no number: their values stay in Personio.
    """
    target = find_id(connection)

    async def work(settings: CliSettings, store: Store) -> SourceCatalogue:
        return await admin_catalogues.read_source_catalogue(
            store, SystemClock(), target, allow_private=settings.allow_private_addresses
        )

    catalogue = run(work)
    rows = [row for attribute in catalogue.attributes for row in _format_attribute(attribute, catalogue.employees)]
    print_result(format_columns(rows), catalogue, as_json=as_json)


def _format_attribute(attribute: SourceAttribute, employees: int) -> list[tuple[str, str, str, str]]:
    """Returns a row for the attribute, or one for each part of a nested attribute."""
    filled = "-" if attribute.filled is None else f"{attribute.filled} of {employees}"
    label = " ".join(attribute.label.split())
    return [(key, attribute.type, filled, label) for key in attribute.parts or (attribute.key,)]


MAX_SHOWN_VALUES = 10
"""Maximum number of allowed values of a field that a line shows."""


class Language(StrEnum):
    """A language of labels."""

    ENGLISH = "en"
    """English."""
    GERMAN = "de"
    """German."""


@app.command("fields")
def fields(
    connection: Id,
    lang: Annotated[Language, typer.Option(help="Language of the labels of documented fields.")] = Language.ENGLISH,
    as_json: Json = False,
) -> None:
    """List the fields of Declaree that a mapping can write: path, label, type, remark, and allowed values.

    A rule names a field by its path. The server is asked for its fields. If it lists none, only the documented ones are known, and a
    rule may write others.
    """
    target = find_id(connection)

    async def work(settings: CliSettings, store: Store) -> FieldCatalogue:
        return await admin_fields.read_field_catalogue(
            store, SystemClock(), target, allow_private=settings.allow_private_addresses
        )

    catalogue = run(work)
    rows = [_format_field(field, lang, is_listed=catalogue.is_listed) for field in catalogue.fields]
    print_result(format_columns(rows), catalogue, as_json=as_json)


def _format_field(field: TargetField, lang: Language, *, is_listed: bool) -> tuple[str, ...]:
    """Returns the row of a field. ``is_listed`` says whether the server lists any fields."""
    label = field.label_de if lang is Language.GERMAN else field.label_en
    remarks = {
        "required": field.is_required,
        "read-only": not field.is_writable,
        "not listed": is_listed and not field.is_listed,
    }
    remark = ", ".join(text for text, applies in remarks.items() if applies)
    return field.path, label, describe_type(field), remark or "-", _format_values(field.values)


def _format_values(values: Sequence[str]) -> str:
    return join_first(values, MAX_SHOWN_VALUES) or "-"


app.command("export")(export)
app.command("import")(import_)
app.command("publish")(publish)
app.command("rollback")(roll_back)
app.command("history")(show_history)
app.command("diff")(show_differences)
app.command("discard")(discard)
app.command("lint")(lint)
app.command("test")(check_examples)
app.command("examples")(list_examples)
app.command("unpin")(unpin)
app.command("schema")(show_schema)
app.command("suggest")(suggest)
app.command("preview")(preview)
app.command("explain")(explain)
