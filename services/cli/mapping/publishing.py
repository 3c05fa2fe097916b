"""The commands ``mapping …`` that save a draft or publish a version: what is shown, and what is asked."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.admin.connections import get_summary
from services.admin.mapping import versions as admin_mappings
from services.admin.mapping.publication import Publication, prepare_publication
from services.admin.mapping.review import MappingReview, review_mapping
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.mapping.examples import show_examples
from services.cli.mapping.files import File, ensure_examples
from services.cli.mapping.preview import show_preview
from services.cli.mapping.versions import format_differences
from services.cli.output import print_error, print_result
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, MappingDraft, PublishedMapping
from services.runtime.clock import SystemClock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store

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
    target = find_id(connection)
    if draft:
        saved, review = run(lambda _, store: _save(store, target, mapping, by, revision or 0))
        _print_review(review)
        text = f"draft saved, revision {saved.revision}: see `mapping diff {target}`, then `mapping publish {target}`"
        print_result(text, saved, as_json=as_json)
        return
    choices = _Choices(dropped, note, by, yes, accept_problems, preview, examples)
    _publish_confirmed(target, mapping, choices, as_json=as_json)


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
    target = find_id(connection)
    draft = run(lambda _, store: admin_mappings.get_current_draft(store, target))
    choices = _Choices(dropped, note, by, yes, accept_problems, preview, examples)
    _publish_confirmed(target, draft.mapping, choices, draft=draft, as_json=as_json)


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
    target = find_id(connection)
    earlier = run(lambda _, store: admin_mappings.get_version(store, target, version))
    choices = _Choices(dropped, note or f"as version {version}", by, yes, accept_problems, preview, examples)
    _publish_confirmed(target, earlier.mapping, choices, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Choices:
    """What the options of every command that publishes say."""

    dropped: Literal["leave", "clear"] | None
    """What happens with values of fields that the new version no longer mentions; None if it is asked."""
    note: str | None
    """Why, in a sentence."""
    by: str | None
    """Name to record; None for the user name."""
    yes: bool
    """Whether nothing is asked."""
    accepts_problems: bool
    """Whether ``yes`` publishes in spite of problems."""
    with_preview: bool
    """Whether the preview is shown before the question."""
    examples: Path | None
    """File with further examples that must hold."""


def _publish_confirmed(
    connection: ConnectionId,
    mapping: MappingDocument,
    choices: _Choices,
    *,
    draft: MappingDraft | None = None,
    as_json: bool,
) -> None:
    """Shows a mapping, asks, publishes it and prints its version. ``draft`` is what it was saved as; None for any other one."""
    ensure_examples(mapping, choices.examples)
    publication = run(lambda _, store: prepare_publication(store, connection, mapping))
    dropped = _confirm(publication, choices)
    _publish(publication, replace(choices, dropped=dropped), draft, as_json=as_json)


def _confirm(publication: Publication, choices: _Choices) -> Literal["leave", "clear"] | None:
    """Shows what is to be published, and asks. Returns what happens with the values of dropped fields; None without such fields."""
    dropped, yes = choices.dropped, choices.yes
    _print_review(publication.review)
    if yes and publication.review.problems and not choices.accepts_problems:
        print_error("nothing was published: correct the problems, or add --accept-problems")
        raise typer.Exit(1)
    show_examples(publication.examples, with_values=not yes)
    if yes:
        return dropped
    for line in format_differences(publication.differences):
        print_error(line)
    if publication.dropped and dropped is None:
        print_error(f"The new version no longer mentions: {', '.join(rule.target for rule in publication.dropped)}.")
        dropped = "clear" if inputs.confirm("Clear the values that came from Personio?", "--dropped") else "leave"
    if choices.with_preview:
        mapping = admin_mappings.withdraw_dropped(publication.before, publication.mapping, dropped)
        show_preview(publication.connection, mapping)
    if not inputs.confirm("Publish it, and resend all employees?"):
        raise typer.Exit(1)
    return dropped


def _publish(publication: Publication, choices: _Choices, draft: MappingDraft | None, *, as_json: bool) -> None:
    """Publishes what was confirmed, and prints its version. ``draft`` is as in ``_publish_confirmed``."""

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        clock, author = SystemClock(), inputs.get_author(choices.by)
        if draft is not None:
            published = await admin_mappings.publish_draft(
                store, clock, draft, by=author, note=choices.note, dropped=choices.dropped
            )
        else:
            published = await admin_mappings.publish(
                store,
                clock,
                publication.connection,
                publication.mapping,
                by=author,
                note=choices.note,
                dropped=choices.dropped,
                expected_version=publication.version,
            )
        return published, await get_summary(store, publication.connection)

    _print_published(*run(work), as_json=as_json)


def _print_review(review: MappingReview) -> None:
    for problem in review.problems:
        print_error(f"problem: {problem}")
    for hint in review.hints:
        print_error(f"hint: {hint}")


def _print_published(published: PublishedMapping, summary: ConnectionSummary, *, as_json: bool) -> None:
    text = f"mapping version {published.version} is published: {_describe_effect(summary)}"
    print_result(text, published, as_json=as_json)


def _describe_effect(connection: ConnectionSummary) -> str:
    if not connection.is_started:
        return f"`connections check {connection.id}` compares it with Personio, `connections start {connection.id}` uses it"
    if connection.state is ConnectionState.PAUSED:
        return f"the connection is paused, and nothing is written before `connections resume {connection.id}`"
    return "all employees are resent"
