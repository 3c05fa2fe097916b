"""The commands ``mapping …`` for drafts and versions."""

import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from services.admin import mapping_documents as documents
from services.admin import mappings as admin_mappings
from services.admin.connections import get_summary
from services.admin.mapping_problems import find_problems
from services.admin.pin import pin_employee
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, run
from services.cli.mapping_preview import show_effect
from services.cli.output import format_columns, print_error, print_result
from services.contracts.connections import ConnectionState
from services.contracts.examples import ExampleDocument
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MappingDocument, MappingDraft, PublishedMapping
from services.mapping.differences import Difference, find_differences, find_dropped_rules
from services.mapping.examples import ExampleFailure, find_failures
from services.runtime.clock import SystemClock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store
from services.store.errors import StoreFailedError

MAX_NAME_LENGTH = 100
"""Largest number of characters of a name."""
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON or YAML document with the mapping.")]
Note = Annotated[
    str | None,
    typer.Option("--note", help="Why, in a sentence: it stays with the version.", callback=inputs.parse_optional_note),
]
By = Annotated[
    str | None, typer.Option("--by", help="Your name, as it stays with the version; the name of your account without.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Publish without a question.")]
Dropped = Annotated[
    Literal["leave", "clear"] | None,
    typer.Option("--dropped", help="What happens with values of fields that the new version no longer mentions."),
]
AcceptProblems = Annotated[bool, typer.Option("--accept-problems", help="Publish with --yes in spite of problems.")]
Effect = Annotated[
    bool, typer.Option("--effect/--no-effect", help="Whether the effect on all employees is shown before the question.")
]
Examples = Annotated[
    Path | None,
    typer.Option(
        "--examples", exists=True, dir_okay=False, help="Pinned examples that must hold, as in `mapping test`."
    ),
]
AsYaml = Annotated[bool, typer.Option("--yaml", help="Print YAML instead of JSON.")]


def export(
    connection: Id,
    version: Annotated[int | None, typer.Option("--version", help="A published version; the newest without.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="The draft.")] = False,
    as_yaml: AsYaml = False,
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
        int, typer.Option("--revision", help="With --draft: revision of the draft that it replaces.")
    ] = 0,
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    effect: Effect = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish a mapping from a file as the next version, and resend all employees. With --draft, only save it.

    Shows problems, differences and the effect on all employees, and asks. If the mapping reads further attributes, all employees are
    polled before. While the connection is paused, the next poll reads them.
    """
    mapping = inputs.read_mapping(file)
    target = ConnectionId(connection)
    if draft:
        saved, problems = run(lambda _, store: _save(store, target, mapping, _find_name(by), revision))
        _print_problems(problems)
        print_result(
            f"draft saved, revision {saved.revision}: `mapping diff {target}` compares it, `mapping publish {target}` publishes it",
            saved,
            as_json=as_json,
        )
        return
    _ensure_examples(mapping, examples)
    chosen = _ask(target, mapping, dropped, yes=yes, accepts_problems=accept_problems, with_effect=effect)

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        published = await admin_mappings.publish(
            store, SystemClock(), target, mapping, by=_find_name(by), note=note, dropped=chosen
        )
        return published, await get_summary(store, target)

    _print_published(*run(work), as_json=as_json)


async def _save(
    store: Store, connection: ConnectionId, mapping: MappingDocument, by: str, revision: int
) -> tuple[MappingDraft, tuple[str, ...]]:
    clock = SystemClock()
    draft = await admin_mappings.save_draft(store, clock, connection, mapping, by=by, revision=revision)
    return draft, await find_problems(store, clock, connection, mapping)


def publish(
    connection: Id,
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    effect: Effect = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish the draft as the next version, and resend all employees. Shows problems, differences and the effect, and asks."""
    target = ConnectionId(connection)
    draft = run(lambda _, store: admin_mappings.get_draft(store, target))
    _ensure_examples(draft.mapping, examples)
    chosen = _ask(target, draft.mapping, dropped, yes=yes, accepts_problems=accept_problems, with_effect=effect)

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        published = await admin_mappings.publish_draft(
            store, SystemClock(), draft, by=_find_name(by), note=note, dropped=chosen
        )
        return published, await get_summary(store, target)

    _print_published(*run(work), as_json=as_json)


def roll_back(
    connection: Id,
    version: Annotated[int, typer.Argument(help="Version with the content to publish again.")],
    dropped: Dropped = None,
    note: Note = None,
    by: By = None,
    yes: Yes = False,
    accept_problems: AcceptProblems = False,
    effect: Effect = True,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Publish the content of an earlier version again, as the next version. Shows problems, differences and the effect, and asks."""
    target = ConnectionId(connection)
    earlier = run(lambda _, store: admin_mappings.get_version(store, target, version))
    _ensure_examples(earlier.mapping, examples)
    chosen = _ask(target, earlier.mapping, dropped, yes=yes, accepts_problems=accept_problems, with_effect=effect)

    async def work(_: CliSettings, store: Store) -> tuple[PublishedMapping, ConnectionSummary]:
        published = await admin_mappings.publish(
            store,
            SystemClock(),
            target,
            earlier.mapping,
            by=_find_name(by),
            note=note or f"as version {version}",
            dropped=chosen,
        )
        return published, await get_summary(store, target)

    _print_published(*run(work), as_json=as_json)


def show_history(connection: Id, as_json: Json = False) -> None:
    """List the published versions, newest first: number, time, name, note. The draft comes first."""

    async def work(_: CliSettings, store: Store) -> tuple[MappingDraft | None, tuple[PublishedMapping, ...]]:
        versions = await admin_mappings.list_versions(store, ConnectionId(connection))
        return await store.drafts.get(ConnectionId(connection)), versions

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
    before: Annotated[int | None, typer.Argument(help="A version; the newest without.")] = None,
    after: Annotated[int | None, typer.Argument(help="Another version; the draft without.")] = None,
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
    print_result(
        "the draft is discarded" if was_there else "there was no draft", {"discarded": was_there}, as_json=as_json
    )


def lint(file: File, as_json: Json = False) -> None:
    """Check a mapping in a file, without a connection and without a server."""
    mapping = inputs.read_mapping(file)
    print_result(
        f"the mapping can be used: rules {len(mapping.rules)}, withdrawn rules {len(mapping.withdrawn)}",
        {"rules": len(mapping.rules), "withdrawn": len(mapping.withdrawn)},
        as_json=as_json,
    )


def check_examples(
    file: File,
    examples: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON or YAML document with examples.")],
    as_json: Json = False,
) -> None:
    """Check pinned examples of a mapping, without a connection and without a server.

    An example has the attributes of an employee and what the mapping must give. The exit code is 1 if one does not hold.
    """
    document = inputs.read_examples(examples)
    failures = find_failures(inputs.read_mapping(file), document)
    text = _format_failures(failures) or f"examples that hold: {len(document.examples)}"
    print_result(text, {"examples": len(document.examples), "failures": failures}, as_json=as_json)
    if failures:
        raise typer.Exit(1)


def pin(
    connection: Id,
    employee: Annotated[str, typer.Argument(help="The employee's Personio id.")],
    examples: Annotated[
        Path, typer.Argument(dir_okay=False, help="YAML file that gets the example; it is made if needed.")
    ],
    name: Annotated[str, typer.Option("--name", help="What the example shows.")] = "",
    made_up: Annotated[bool, typer.Option("--made-up", help="Put made-up values in place of personal ones.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Pin what the draft makes of the employee.")] = False,
    as_json: Json = False,
) -> None:
    """Add an employee to a file of examples: the stored attributes, and what the published mapping makes of them.

    The file contains personal data. With --made-up, names, e-mail address, and values that fewer than five employees have are made up.
    """
    before = inputs.read_examples(examples).examples if examples.exists() else ()
    title = name or f"example {len(before) + 1}"
    example = run(
        lambda _, store: pin_employee(
            store,
            ConnectionId(connection),
            EmployeeId(employee),
            name=title,
            is_made_up=made_up,
            uses_draft=draft,
        )
    )
    document = ExampleDocument(examples=(*before, example))
    examples.write_text(documents.format_examples(document), encoding="utf-8")
    print_result(f"{examples}: example {len(document.examples)} is added", example, as_json=as_json)


def show_schema(
    examples: Annotated[bool, typer.Option("--examples", help="The schema of pinned examples.")] = False,
) -> None:
    """Print the JSON schema of a mapping document, or of its examples, for editors."""
    print_result(documents.format_example_schema() if examples else documents.format_schema(), None, as_json=False)


def _ensure_examples(mapping: MappingDocument, examples: Path | None) -> None:
    """Ends the command if a pinned example does not hold."""
    failures = find_failures(mapping, inputs.read_examples(examples)) if examples else ()
    if failures:
        print_error(_format_failures(failures))
        print_error("nothing was published: correct the mapping or the examples")
        raise typer.Exit(1)


def _format_failures(failures: Sequence[ExampleFailure]) -> str:
    lines = [
        f"{failure.example}: {failure.place} is {json.dumps(failure.actual, ensure_ascii=False)} instead of "
        f"{json.dumps(failure.expected, ensure_ascii=False)}{f' ({failure.reason})' if failure.reason else ''}"
        for failure in failures
    ]
    return "\n".join(lines)


def _find_name(by: str | None) -> str:
    """Returns the name that stays with a version."""
    try:
        return (by or getpass.getuser())[:MAX_NAME_LENGTH]
    except (OSError, KeyError):  # a container may have an account without a name
        return "unknown"


def _ask(
    connection: ConnectionId,
    mapping: MappingDocument,
    dropped: Literal["leave", "clear"] | None,
    *,
    yes: bool,
    accepts_problems: bool,
    with_effect: bool,
) -> Literal["leave", "clear"] | None:
    """Shows what is to be published, and asks. Returns what happens with the values of dropped fields; None without such fields."""

    async def work(_: CliSettings, store: Store) -> tuple[MappingDocument | None, tuple[str, ...]]:
        try:
            published = await admin_mappings.get_published(store, connection)
        except (StoreFailedError, documents.InvalidMappingError):
            published = None  # an unreadable mapping is replaced
        problems = await find_problems(store, SystemClock(), connection, mapping)
        return published.mapping if published else None, problems

    before, problems = run(work)
    _print_problems(problems)
    if problems and yes and not accepts_problems:
        print_error("nothing was published: correct the problems, or add --accept-problems")
        raise typer.Exit(1)
    rules = find_dropped_rules(before, mapping)
    if yes:
        return dropped
    for line in _format_differences(find_differences(before, mapping)):
        print_error(line)
    if rules and dropped is None:
        targets = ", ".join(rule.target for rule in rules)
        print_error(f"The new version no longer mentions: {targets}.")
        dropped = "clear" if inputs.confirm("Clear the values that came from Personio?", "--dropped") else "leave"
    if with_effect:
        show_effect(connection, admin_mappings.settle_dropped(before, mapping, dropped))
    if not inputs.confirm("Publish it, and resend all employees?"):
        raise typer.Exit(1)
    return dropped


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        print_error(f"problem: {problem}")


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
        return (
            f"all employees are resent; further attributes have no value until `poll {connection.id}` or the next poll"
        )
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
    "pin": pin,
    "schema": show_schema,
}
"""The commands by their names."""
