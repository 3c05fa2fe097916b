"""The commands ``mapping …`` for drafts and versions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from services.admin import mapping_documents as documents
from services.admin import mappings as admin_mappings
from services.admin.connections import get_summary
from services.admin.mapping_problems import MappingReview, review_mapping
from services.admin.publication import Publication, prepare_publication
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, run
from services.cli.mapping_examples import list_examples, show_examples, unpin
from services.cli.mapping_files import File, check_examples, ensure_examples, lint, show_schema
from services.cli.mapping_preview import show_preview
from services.cli.output import format_columns, print_error, print_result
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, MappingDraft, PublishedMapping
from services.mapping.differences import Difference, find_differences
from services.runtime.clock import SystemClock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store
from services.store.errors import StoreFailedError

Note = Annotated[
    str | None,
    typer.Option("--note", help="Why, in a sentence: it stays with the version.", callback=inputs.parse_optional_note),
]
By = Annotated[str | None, typer.Option("--by", help="Name to record. Default: your user name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Publish without a question, differences and preview.")]
Dropped = Annotated[
    Literal["leave", "clear"] | None,
    typer.Option("--dropped", help="What happens with values of fields that the new version no longer mentions."),
]
AcceptProblems = Annotated[bool, typer.Option("--accept-problems", help="Publish with --yes in spite of problems.")]
Shown = Annotated[
    bool, typer.Option("--preview/--no-preview", help="Whether the preview is shown before the question.")
]
Examples = Annotated[
    Path | None,
    typer.Option(
        "--examples", exists=True, dir_okay=False, help="Further examples that must hold, as in `mapping test`."
    ),
]


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

    async def work(_: CliSettings, store: Store) -> MappingDraft | PublishedMapping:
        if draft:
            return await admin_mappings.get_draft(store, ConnectionId(connection))
        if version is not None:
            return await admin_mappings.get_version(store, ConnectionId(connection), version)
        return await admin_mappings.get_published(store, ConnectionId(connection))

    found = run(work)
    if isinstance(found, MappingDraft) and not as_json:
        print_error(f"draft, revision {found.revision}: name it with --revision {found.revision} to save it again")
    text = documents.format_document(found.mapping, as_yaml=as_yaml).rstrip("\n")
    print_result(text, json.loads(documents.format_document(found.mapping)), as_json=as_json)


def import_(
    connection: Id,
    file: File,
    draft: Annotated[bool, typer.Option("--draft", help="Save it as the draft, and publish nothing.")] = False,
    revision: Annotated[
        int | None, typer.Option("--revision", help="With --draft: revision of the draft that it replaces.")
    ] = None,
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    preview: Shown = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish a mapping from a file as the next version, and resend all employees. With --draft, only save it.

    Shows problems, differences and the preview, and asks. If the mapping reads further attributes, all employees are polled before.
    While the connection is paused, nothing is written.
    """
    for_publishing = {"--dropped": dropped, "--note": note, "--yes": yes, "--examples": examples}
    useless = [name for name, value in for_publishing.items() if value] if draft else []
    if useless:
        raise typer.BadParameter("this is for publishing: leave it out with --draft", param_hint=f"'{useless[0]}'")
    if revision is not None and not draft:
        raise typer.BadParameter("only a draft has a revision: add --draft", param_hint="'--revision'")
    mapping = inputs.read_mapping(file)
    target = ConnectionId(connection)
    if draft:
        saved, review = run(lambda _, store: _save(store, target, mapping, by, revision or 0))
        _print_review(review)
        text = f"draft saved, revision {saved.revision}: see `mapping diff {target}`, then `mapping publish {target}`"
        print_result(text, saved, as_json=as_json)
        return
    ensure_examples(mapping, examples)
    publication = _prepare(target, mapping)
    chosen = _confirm(publication, dropped, yes=yes, accepts_problems=accept_problems, with_preview=preview)
    _publish(publication, chosen, by, note, as_json=as_json)


async def _save(
    store: Store, connection: ConnectionId, mapping: MappingDocument, by: str | None, revision: int
) -> tuple[MappingDraft, MappingReview]:
    draft = await admin_mappings.save_draft(
        store, SystemClock(), connection, mapping, by=inputs.get_author(by), revision=revision
    )
    return draft, await review_mapping(store, connection, mapping)


def publish(
    connection: Id,
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    preview: Shown = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish the draft as the next version, and resend all employees.

    Shows problems, differences and the preview, and asks.
    """
    target = ConnectionId(connection)
    draft = run(lambda _, store: admin_mappings.get_current_draft(store, target))
    ensure_examples(draft.mapping, examples)
    publication = _prepare(target, draft.mapping)
    chosen = _confirm(publication, dropped, yes=yes, accepts_problems=accept_problems, with_preview=preview)
    _publish(publication, chosen, by, note, draft=draft, as_json=as_json)


def roll_back(
    connection: Id,
    version: Annotated[int, typer.Argument(help="Version with the content to publish again.")],
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    preview: Shown = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish the content of an earlier version again, as the next version, and resend all employees.

    Shows problems, differences and the preview, and asks.
    """
    target = ConnectionId(connection)
    earlier = run(lambda _, store: admin_mappings.get_version(store, target, version))
    ensure_examples(earlier.mapping, examples)
    publication = _prepare(target, earlier.mapping)
    chosen = _confirm(publication, dropped, yes=yes, accepts_problems=accept_problems, with_preview=preview)
    _publish(publication, chosen, by, note or f"as version {version}", as_json=as_json)


def show_history(connection: Id, as_json: Json = False) -> None:
    """List the published versions, newest first: number, time, name, note. The draft comes first."""

    async def work(_: CliSettings, store: Store) -> tuple[MappingDraft | None, tuple[PublishedMapping, ...]]:
        versions = await admin_mappings.list_versions(store, ConnectionId(connection))
        try:
            return await admin_mappings.find_draft(store, ConnectionId(connection)), versions
        except StoreFailedError as error:
            print_error(f"the draft cannot be read, `mapping discard {connection}` removes it: {error}")
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
    target = ConnectionId(connection)

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
    print_result("\n".join(_format_differences(differences)), differences, as_json=as_json)


def discard(connection: Id, as_json: Json = False) -> None:
    """Discard the draft. Published versions stay."""
    was_there = run(lambda _, store: admin_mappings.discard_draft(store, ConnectionId(connection)))
    text = "the draft is discarded" if was_there else "there was no draft"
    print_result(text, {"discarded": was_there}, as_json=as_json)


def _prepare(connection: ConnectionId, mapping: MappingDocument) -> Publication:
    return run(lambda _, store: prepare_publication(store, connection, mapping))


def _confirm(
    publication: Publication,
    dropped: Literal["leave", "clear"] | None,
    *,
    yes: bool,
    accepts_problems: bool,
    with_preview: bool,
) -> Literal["leave", "clear"] | None:
    """Shows what is to be published, and asks. Returns what happens with the values of dropped fields; None without such fields."""
    _print_review(publication.review)
    if yes and publication.review.problems and not accepts_problems:
        print_error("nothing was published: correct the problems, or add --accept-problems")
        raise typer.Exit(1)
    show_examples(publication.examples, with_values=not yes)
    if yes:
        return dropped
    for line in _format_differences(publication.differences):
        print_error(line)
    if publication.dropped and dropped is None:
        print_error(f"The new version no longer mentions: {', '.join(rule.target for rule in publication.dropped)}.")
        dropped = "clear" if inputs.confirm("Clear the values that came from Personio?", "--dropped") else "leave"
    if with_preview:
        mapping = admin_mappings.withdraw_dropped(publication.before, publication.mapping, dropped)
        show_preview(publication.connection, mapping)
    if not inputs.confirm("Publish it, and resend all employees?"):
        raise typer.Exit(1)
    return dropped


def _publish(
    publication: Publication,
    dropped: Literal["leave", "clear"] | None,
    by: str | None,
    note: str | None,
    *,
    draft: MappingDraft | None = None,
    as_json: bool,
) -> None:
    """Publishes what was confirmed, and prints its version. ``draft`` is what the mapping was saved as; None for any other one."""

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        clock, author = SystemClock(), inputs.get_author(by)
        if draft is not None:
            published = await admin_mappings.publish_draft(store, clock, draft, by=author, note=note, dropped=dropped)
        else:
            published = await admin_mappings.publish(
                store,
                clock,
                publication.connection,
                publication.mapping,
                by=author,
                note=note,
                dropped=dropped,
                expected_version=publication.version,
            )
        return published, await get_summary(store, publication.connection)

    _print_published(*run(work), as_json=as_json)


def _print_review(review: MappingReview) -> None:
    for problem in review.problems:
        print_error(f"problem: {problem}")
    for hint in review.hints:
        print_error(f"hint: {hint}")


def _format_differences(differences: Sequence[Difference]) -> list[str]:
    """Returns lines as people know them of `diff`."""
    if not differences:
        return ["no difference"]
    lines = []
    for difference in differences:
        lines.append(f"{difference.place}:")
        lines += [f"  - {difference.before}"] if difference.before is not None else []
        lines += [f"  + {difference.after}"] if difference.after is not None else []
    return lines


def _print_published(published: PublishedMapping, summary: ConnectionSummary, *, as_json: bool) -> None:
    text = f"mapping version {published.version} is published: {_describe_effect(summary)}"
    print_result(text, published, as_json=as_json)


def _describe_effect(connection: ConnectionSummary) -> str:
    if not connection.is_started:
        return f"`connections check {connection.id}` compares it with Personio, `connections start {connection.id}` uses it"
    if connection.state is ConnectionState.PAUSED:
        return f"the connection is paused, and nothing is written before `connections resume {connection.id}`"
    return "all employees are resent"


COMMANDS: dict[str, Any] = {
    "export": export,
    "import": import_,
    "publish": publish,
    "rollback": roll_back,
    "history": show_history,
    "diff": show_differences,
    "discard": discard,
    "lint": lint,
    "test": check_examples,
    "examples": list_examples,
    "unpin": unpin,
    "schema": show_schema,
}
"""The commands by their names."""
