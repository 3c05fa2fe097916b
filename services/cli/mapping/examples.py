"""The commands ``mapping examples`` and ``mapping unpin``, and what publishing prints about pinned examples."""

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from services.admin.mapping import examples as admin_examples
from services.admin.mapping.documents import format_examples
from services.admin.mapping.examples import ExampleCheck, ListedExample
from services.cli.context import Id, Json, find_id, run
from services.cli.mapping.files import format_failures
from services.cli.output import format_columns, print_error, print_result
from services.contracts.examples import ExampleDocument
from services.mapping.examples import ExampleFailure
from services.runtime.environment import EX_CONFIG


def list_examples(
    connection: Id,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the document that `mapping test` reads, with its personal data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the pinned examples, each with whether it holds with the published mapping and with the draft.

    With --yaml and --json, the output has the data of the examples, which can be personal.
    """
    target = find_id(connection)
    found = run(lambda _, store: admin_examples.list_examples(store, target))
    for name in found.unreadable:
        print_error(f'example "{name}" cannot be read: remove it with `mapping unpin {target} {shlex.quote(name)}`')
    if as_yaml:
        document = ExampleDocument(examples=tuple(one.pinned.example for one in found.examples))
        print_result(format_examples(document).rstrip("\n"), found, as_json=as_json)
        return
    rows = format_columns(map(_format_row, found.examples)) if found.examples else ""
    if rows or as_json or not found.unreadable:
        print_result(rows or "no example is pinned", found, as_json=as_json)


def unpin(
    connection: Id, name: Annotated[str, typer.Argument(help="Name of the example.")], as_json: Json = False
) -> None:
    """Remove a pinned example, also one that cannot be read."""
    target = find_id(connection)
    run(lambda _, store: admin_examples.unpin(store, target, name))
    print_result(f'example "{name}" is removed', {"removed": name}, as_json=as_json)


def show_examples(check: ExampleCheck, *, with_values: bool) -> None:
    """Prints how many pinned examples hold. Ends the command if one does not.

    ``with_values`` shows the values of the differences, for the user that asks. Where no question is asked, such as in a
    pipeline, the output can be a log: it has the kinds of the values only.
    """
    if not check.number:
        return
    print_error(f"pinned examples that hold: {check.holding} of {check.number}")
    if check.has_passed:
        return
    if with_values and check.failures:
        print_error(format_failures(check.failures))
    for failure in () if with_values else check.failures:
        print_error(f"{failure.example}: {failure.place}: {failure.kinds}")
    for name in check.unreadable:
        print_error(f"{name}: it cannot be read")
    print_error(f"nothing was published: {admin_examples.describe_next_step(check)}")
    raise typer.Exit(EX_CONFIG)


def _format_row(listed: ListedExample) -> tuple[str, ...]:
    pinned = listed.pinned
    return (
        pinned.example.name,
        f"employee {pinned.employee_id}",
        "made up" if pinned.is_made_up else "real data",
        f"{pinned.pinned_at:%Y-%m-%d %H:%M} UTC",
        pinned.pinned_by,
        f"published: {_format_state(listed.published)}",
        f"draft: {_format_state(listed.draft)}",
    )


def _format_state(failures: Sequence[ExampleFailure] | None) -> str:
    if not failures:
        return "-" if failures is None else "holds"
    more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
    return f"differs ({failures[0].place}{more})"
