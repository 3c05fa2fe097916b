"""The command ``connections release-disabling``."""

from typing import Annotated

import typer

from services.admin import brake as admin_brake
from services.cli.context import Id, Json, find_id, run
from services.cli.inputs import confirm
from services.cli.output import format_columns, print_error, print_result


def release_disabling(
    connection: Id,
    names: Annotated[
        bool, typer.Option("--names", help="List the employees with their names, which are personal data.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Decide at once, without showing the number and asking.")] = False,
    as_json: Json = False,
) -> None:
    """Let the writer disable the accounts that it holds, because unusually many were to be disabled within an hour.

    Exactly those that are held now are released. If they are wrong, correct the mapping and import it, or correct the data in
    Personio: the newest change counts. Exit code 1 if you do not agree.
    """
    target = find_id(connection)
    held = run(lambda _, store: admin_brake.list_held(store, target, with_names=names))
    if not yes and held:
        print_error(_describe(held, with_names=names))
        if not confirm("Disable these accounts?"):
            raise typer.Exit(1)
    people = [one.employee for one in held]
    released = run(lambda _, store: admin_brake.release(store, target, people)) if held else 0
    text = f"released {released}: the writer disables these accounts" if held else "No account is held."
    print_result(text, {"id": target, "released": released}, as_json=as_json)


def _describe(held: tuple[admin_brake.HeldDisabling, ...], *, with_names: bool) -> str:
    rows = [
        (one.employee, one.name or "-", f"waits since {one.since:%Y-%m-%d %H:%M} UTC" if one.since else "-")
        for one in held
    ]
    listed = [format_columns(rows)] if with_names else []
    return "\n".join([*listed, f"accounts that stay enabled until you decide: {len(held)}"])
