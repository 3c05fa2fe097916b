"""The commands ``connections link-policy``, ``time-zone`` and ``guard``: the settings of a connection."""

from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from services.admin import connections as admin_connections
from services.admin import runs as admin_runs
from services.cli import inputs
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import print_result
from services.contracts.connections import Guard, LinkPolicy
from services.store.database import Store


def rename(
    connection: Id,
    name: Annotated[str, typer.Argument(callback=inputs.parse_label, help="The new label of one line.")],
    as_json: Json = False,
) -> None:
    """Give a connection another label. Its id stays, and everything that is stored about it."""
    target = find_id(connection)
    run(lambda _, store: admin_connections.rename(store, target, name))
    print_result(f"renamed: {target} is now {name}", {"id": target, "name": name}, as_json=as_json)


def link_policy(
    connection: Id,
    policy: Annotated[LinkPolicy, typer.Argument(help="ask for each account, or link by_email those that fit.")],
    as_json: Json = False,
) -> None:
    """Store what happens with accounts that have an employee's e-mail address.

    `by_email` links enabled accounts without external id and role, with a fitting name. All others need a decision.
    """
    target = find_id(connection)
    run(lambda _, store: admin_connections.set_link_policy(store, target, policy))
    print_result(f"link policy: {policy}", {"id": target, "link_policy": policy.value}, as_json=as_json)


def time_zone(
    connection: Id,
    zone: Annotated[
        str | None, typer.Argument(callback=inputs.parse_time_zone, help="Name of a time zone, such as Europe/Berlin.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or change the company's time zone. Its days decide when access begins and ends."""
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> str:
        if zone is not None:
            await admin_connections.set_time_zone(store, target, zone)
        return (await store.connections.get(target)).time_zone

    current = run(work)
    print_result(f"time zone: {current}", {"id": target, "time_zone": current}, as_json=as_json)


def guard(
    connection: Id,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Percentage of the known employees above which a kind of change is unusual."),
    ] = None,
    people: Annotated[
        int | None, typer.Option(min=0, help="Number of employees above which a kind of change is unusual.")
    ] = None,
    is_on: Annotated[bool | None, typer.Option("--on/--off", help="Whether unusual changes are held.")] = None,
    as_json: Json = False,
) -> None:
    """Show or change the guard, which holds unusual changes until an administrator decides.

    A poll is held if one kind of change is above both thresholds. An account stays enabled if the accounts that are disabled within
    an hour would be above both. Without options, nothing is changed.
    """
    target = find_id(connection)

    def work(_: CliSettings, store: Store) -> Coroutine[Any, Any, Guard]:
        share_of_one = None if share is None else share / 100
        return admin_runs.set_guard(store, target, is_on=is_on, share=share_of_one, people=people)

    stored = run(work)
    limits = f"more than {stored.people} employees and more than {stored.share * 100:g} % of them"
    on = (
        f"the guard is on: a poll is held if one kind of change concerns {limits}; "
        "accounts stay enabled if more were to be disabled within an hour"
    )
    off = f"the guard is off: nothing more is held (thresholds: {limits}); what is held already waits for your decision"
    print_result(on if stored.is_on else off, stored, as_json=as_json)
