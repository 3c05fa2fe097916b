"""The command ``mapping preview``: what a mapping would do, for one employee or for all."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_jsonable_python

from services.admin.mapping.pin import PinResult, pin_preview
from services.admin.mapping.versions import get_draft
from services.admin.preview import live as admin_preview
from services.admin.preview.recorded import RecordedPreview, preview_recorded
from services.admin.preview.results import PersonPreview, PopulationPreview, ReasonGroup
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import format_columns, print_error, print_result
from services.cli.progress import show_progress
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MappingDocument
from services.runtime.clock import SystemClock
from services.store.database import Store

WIDTH = 80
"""Number of columns that a line of text fits."""
MAX_NAMED = 10
"""Maximum number of employees that are named for each reason. The JSON names all of them."""
STEPS = {"accounts": "accounts in Declaree", "employees": "employees in Personio", "preview": "employees previewed"}
"""Descriptions of the steps, by the name that the progress has."""


def preview(
    connection: Id,
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="JSON or YAML document with the mapping. Default: the draft."),
    ] = None,
    employee: Annotated[
        str | None, typer.Option("--employee", help="Preview this employee, with the values of the fields.")
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="Show the names of the listed employees.")] = False,
    values: Annotated[
        bool, typer.Option("--values", help="Show the values that are not in the value tables of the rules.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Compare with the published mapping over the changes recorded since then (UTC), such as 2026-03-01.",
        ),
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option(
            "--pin",
            help="With --employee: keep the result as an example of this name.",
            callback=inputs.parse_example_name,
        ),
    ] = None,
    made_up: Annotated[
        bool, typer.Option("--made-up", help="With --pin: put made-up values in place of personal ones.")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", help="With --pin: name to record. Default: your user name.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a mapping would do if it were published now. Nothing is written to Declaree or published.

    Reads the employees from Personio and the accounts from Declaree. Without --employee, shows the numbers of all employees,
    and the reasons of those that would be rejected or wait. With --employee, shows the values before and after, and the
    requests to Declaree, which contain personal data.

    With --pin, stores what the mapping makes of the employee as an example: no mapping is published with another result. Without
    --made-up, the example contains personal data.

    With --since, reads neither Personio nor Declaree, but the changes that Kafka has recorded.
    """
    if pin is not None and employee is None:
        raise typer.BadParameter("name the employee with --employee", param_hint="'--pin'")
    if made_up and pin is None:
        raise typer.BadParameter("this is for pinning: add --pin", param_hint="'--made-up'")
    if by is not None and pin is None:
        raise typer.BadParameter("this is for pinning: add --pin", param_hint="'--by'")
    if since is not None and (employee is not None or names or values):
        raise typer.BadParameter(
            "leave --employee, --names and --values out: it only counts changes", param_hint="'--since'"
        )
    target = find_id(connection)
    mapping = run(lambda _, store: get_draft(store, target)).mapping if file is None else inputs.read_mapping(file)
    if since is not None:
        recorded = _preview_recorded(target, mapping, since)
        print_result("\n".join(_format_recorded(recorded)), recorded, as_json=as_json)
        return
    if employee is not None:
        person = _preview_person(target, mapping, EmployeeId(employee))
        if pin is None:
            print_result("\n".join(_format_person(person)), person, as_json=as_json)
            return
        result = run(
            lambda _, store: pin_preview(
                store,
                SystemClock(),
                target,
                mapping,
                person,
                name=pin,
                by=inputs.get_author(by),
                is_made_up=made_up,
            )
        )
        text = "\n".join([*_format_person(person), *_format_pin(result)])
        print_result(text, {**to_jsonable_python(person), "pinned": result}, as_json=as_json)
        return
    population = _preview_population(target, mapping, with_names=names, with_values=values)
    print_result("\n".join(_format_population(population)), population, as_json=as_json)


def show_preview(connection: ConnectionId, mapping: MappingDocument) -> None:
    """Prints what a mapping would do with all employees, before a question. Says so if this cannot be found out now."""
    try:
        population = _preview_population(connection, mapping)
    except typer.Exit:
        print_error("The preview cannot be shown now.")
        return
    for line in _format_population(population):
        print_error(line)


def _preview_person(connection: ConnectionId, mapping: MappingDocument, employee: EmployeeId) -> PersonPreview:
    async def work(settings: CliSettings, store: Store) -> PersonPreview:
        return await admin_preview.preview_person(
            store,
            SystemClock(),
            connection,
            mapping,
            employee,
            allow_private=settings.allow_private_addresses,
        )

    return run(work)


def _preview_population(
    connection: ConnectionId, mapping: MappingDocument, *, with_names: bool = False, with_values: bool = False
) -> PopulationPreview:
    with show_progress(*STEPS.values()) as step:

        async def progress(name: str, done: int, total: int | None) -> None:
            step(STEPS[name], done, total)

        async def work(settings: CliSettings, store: Store) -> PopulationPreview:
            return await admin_preview.preview_population(
                store,
                SystemClock(),
                connection,
                mapping,
                progress,
                allow_private=settings.allow_private_addresses,
                with_names=with_names,
                with_values=with_values,
            )

        return run(work)


def _preview_recorded(connection: ConnectionId, mapping: MappingDocument, since: datetime) -> RecordedPreview:
    with show_progress("recorded changes") as step:

        async def work(settings: CliSettings, store: Store) -> RecordedPreview:
            return await preview_recorded(
                store,
                settings,
                SystemClock(),
                connection,
                mapping,
                inputs.to_milliseconds(since),
                lambda read: step("recorded changes", read, None),
            )

        return run(work)


# ------------------------------------------------------------ one employee


def _format_person(preview: PersonPreview) -> Iterator[str]:
    account = "no account" if preview.account is None else f"account {preview.account}"
    yield f"employee {preview.employee}: {preview.result.value} ({account})"
    if preview.is_absent:
        yield "Personio does not know the employee any longer: the stored data is used."
    if preview.reason is not None:
        about = "" if preview.field is None else f"{preview.field}: "
        yield from textwrap.wrap(f"{about}{preview.reason}", WIDTH)
    for change in preview.changes:
        yield f"  {change.path}"
        yield f"    before  {_format_value(change.before)}"
        yield f"    after   {_format_value(change.after)}"
    if not preview.changes:
        yield "No field of the account changes."
    for request in preview.requests:
        yield f"{request.method} {request.path}" + ("" if request.is_taken else "  (Declaree would refuse it)")
        if request.body is not None:
            yield textwrap.indent(json.dumps(request.body, ensure_ascii=False, indent=2), "  ")


def _format_pin(result: PinResult) -> Iterator[str]:
    pinned = result.pinned
    name, connection, intent = pinned.example.name, pinned.connection_id, pinned.example.expected.intent
    yield f'example "{name}" is {"replaced" if result.is_replaced else "pinned"}: `mapping examples {connection}` lists all'
    if not pinned.is_made_up:
        yield from textwrap.wrap(
            "It contains the real data of the employee: --made-up puts made-up values in place of it.", WIDTH
        )
    elif intent is not result.real_intent:
        reason = f" ({result.reason})" if result.reason else ""
        yield from textwrap.wrap(
            f"With made-up values, the mapping gives {intent.value}{reason} in place of {result.real_intent.value}, and this is "
            "what the example expects.",
            WIDTH,
        )


def _format_value(value: Any) -> str:
    """Returns a value on one line; a dash for none."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(to_jsonable_python(value), ensure_ascii=False)
    return textwrap.shorten(text, WIDTH - 12, placeholder=" ...") or repr(text)


# ------------------------------------------------------------ all employees


def _format_population(preview: PopulationPreview) -> Iterator[str]:
    accounts = "unlisted" if preview.accounts is None else str(preview.accounts)
    yield f"mapping version {preview.mapping_version} would do this ({preview.employees} employees, accounts: {accounts}):"
    results = [(str(len(members)).rjust(7), result.text) for result, members in preview.results.items()]
    yield format_columns(results) if results else "      0  employees"
    if preview.unreadable:
        yield f"{preview.unreadable:>7}  employees cannot be read, because Personio lists them in an unknown form"
    if preview.fields:
        yield "accounts by field that changes:"
        yield format_columns([(str(number).rjust(5), path) for path, number in preview.fields.items()])
    yield from _format_groups("rejected", preview.rejected, preview)
    yield from _format_groups("waiting", preview.waiting, preview)
    for table in preview.unmatched:
        hint = "" if table.values else "; --values shows the values"
        yield f"not in the value table of {table.target}: employees {table.employees}{hint}"
        yield from (f"{number:>7}  {_format_value(value)}" for value, number in table.values.items())
    if preview.brake.held:
        yield from textwrap.wrap(
            f"Of {preview.brake.disabled} accounts that would be disabled, {preview.brake.held} stay enabled until you decide "
            f"(`connections release-disabling`): more than {preview.brake.guard.people}, and more than "
            f"{preview.brake.guard.share:.0%} of the enabled accounts.",
            WIDTH,
        )


def _format_groups(title: str, groups: Sequence[ReasonGroup], preview: PopulationPreview) -> Iterator[str]:
    for group in groups:
        about = "" if group.field is None else f"{group.field}: "
        yield from textwrap.wrap(f"{title} ({len(group.employees)}): {about}{group.reason}", WIDTH)
        yield from _list_employees(group.employees, preview.names)


def _list_employees(employees: Sequence[EmployeeId], names: Mapping[EmployeeId, str]) -> list[str]:
    """Returns the lines that name the first employees: the id, and the name if it is known."""
    named = [f"{employee} {' '.join(names.get(employee, '').split())}".rstrip() for employee in employees[:MAX_NAMED]]
    more = len(employees) - len(named)
    return _indent([*named, *([f"and {more} more: --json lists all"] if more else [])])


def _indent(items: Iterable[str]) -> list[str]:
    return textwrap.wrap(", ".join(items), WIDTH, initial_indent="  ", subsequent_indent="  ")


# ------------------------------------------------------------ recorded changes


def _format_recorded(preview: RecordedPreview) -> Iterator[str]:
    yield f"recorded changes: {preview.changes}, of {preview.employees} employees; differing: {preview.differing}"
    for one in preview.intents:
        yield f"{one.published.value} becomes {one.draft.value}: changes {one.changes}"
        yield from _list_employees(one.employees, {})
    if preview.fields:
        yield "changes by field with another value:"
        yield format_columns([(str(number).rjust(5), path) for path, number in preview.fields.items()])
    for rejection in preview.rejected:
        about = "" if rejection.field is None else f"{rejection.field}: "
        yield from textwrap.wrap(f"rejected (changes {rejection.changes}): {about}{rejection.reason}", WIDTH)
        yield from _list_employees(rejection.employees, {})
    if preview.unrecorded:
        unrecorded = ", ".join(preview.unrecorded)
        yield from textwrap.wrap(f"no recorded change has these attributes, so their fields stay: {unrecorded}", WIDTH)
