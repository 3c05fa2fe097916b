"""The commands ``mapping …`` that show the draft and the published versions."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from services.admin.mapping import documents
from services.admin.mapping import versions as admin_mappings
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import format_columns, print_error, print_result
from services.contracts.mappings import MappingDraft, PublishedMapping
from services.mapping.differences import Difference, find_differences
from services.store.database import Store
from services.store.errors import StoreFailedError


def export(
    connection: Id,
    version: Annotated[int | None, typer.Option("--version", help="Default: the newest published version.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="The draft.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML instead of JSON.")] = False,
    as_json: Json = False,
) -> None:
    """Print the published mapping as a JSON document; with --yaml as YAML, with --json on one line.

    `mapping import` reads it again.
    """
    if draft and version is not None:
        raise typer.BadParameter("name a version or the draft", param_hint="'--draft'")
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> MappingDraft | PublishedMapping:
        if draft:
            return await admin_mappings.get_draft(store, target)
        if version is not None:
            return await admin_mappings.get_version(store, target, version)
        return await admin_mappings.get_published(store, target)

    found = run(work)
    if isinstance(found, MappingDraft) and not as_json:
        print_error(f"draft, revision {found.revision}: name it with --revision {found.revision} to save it again")
    text = documents.format_document(found.mapping, as_yaml=as_yaml).rstrip("\n")
    print_result(text, json.loads(documents.format_document(found.mapping)), as_json=as_json)


def show_history(connection: Id, as_json: Json = False) -> None:
    """List the published versions, newest first: number, time, name, note. The draft comes first."""
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> tuple[MappingDraft | None, tuple[PublishedMapping, ...]]:
        versions = await admin_mappings.list_versions(store, target)
        try:
            return await admin_mappings.find_draft(store, target), versions
        except StoreFailedError as error:
            print_error(f"the draft cannot be read, `mapping discard {target}` removes it: {error}")
            return None, versions

    draft, versions = run(work)
    rows = [
        (str(one.version), f"{one.published_at:%Y-%m-%d %H:%M} UTC", one.published_by or "-", one.note or "-")
        for one in versions
    ]
    if draft is not None:
        rows.insert(0, ("draft", f"{draft.saved_at:%Y-%m-%d %H:%M} UTC", draft.saved_by, f"revision {draft.revision}"))
    print_result(format_columns(rows), {"draft": draft, "versions": versions}, as_json=as_json)


def show_differences(
    connection: Id,
    before: Annotated[int | None, typer.Argument(help="A version. Default: the newest one.")] = None,
    after: Annotated[int | None, typer.Argument(help="Another version. Default: the draft.")] = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions, or between a version and the draft."""
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> tuple[Difference, ...]:
        earlier = (
            await admin_mappings.get_published(store, target)
            if before is None
            else await admin_mappings.get_version(store, target, before)
        )
        later: MappingDraft | PublishedMapping = (
            await admin_mappings.get_draft(store, target)
            if after is None
            else await admin_mappings.get_version(store, target, after)
        )
        return find_differences(earlier.mapping, later.mapping)

    differences = run(work)
    print_result("\n".join(format_differences(differences)), differences, as_json=as_json)


def discard(connection: Id, as_json: Json = False) -> None:
    """Discard the draft. Published versions stay."""
    target = find_id(connection)
    was_there = run(lambda _, store: admin_mappings.discard_draft(store, target))
    text = "the draft is discarded" if was_there else "there was no draft"
    print_result(text, {"discarded": was_there}, as_json=as_json)


def format_differences(differences: Sequence[Difference]) -> list[str]:
    """Returns lines as people know them of `diff`."""
    if not differences:
        return ["no difference"]
    lines = []
    for difference in differences:
        lines.append(f"{difference.place}:")
        lines += [f"  - {difference.before}"] if difference.before is not None else []
        lines += [f"  + {difference.after}"] if difference.after is not None else []
    return lines
