"""The commands ``links …``."""

from typing import Annotated

import typer

from services.admin import links as admin_links
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.inputs import confirm
from services.cli.output import print_error, print_result
from services.contracts.claims import Decision, LinkDecision
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(
    no_args_is_help=True,
    help="Decide about accounts in Declaree that have an employee's e-mail address or external id and are not the employee's.",
)

Employee = Annotated[str, typer.Argument(help="The employee's id in Personio.")]
Account = Annotated[str, typer.Argument(help="The account's id in Declaree.")]
Yes = Annotated[bool, typer.Option("--yes", help="Decide without showing both sides and asking.")]


@app.command("list")
def list_(
    connection: Id,
    names: Annotated[
        bool, typer.Option("--names", help="Show both sides: the employee in Personio and the account in Declaree.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the open decisions: employee, account, and since when the employee waits for the decision."""
    target = find_id(connection)

    async def work(settings: CliSettings, store: Store) -> list[admin_links.Link]:
        allow_private = settings.allow_private_addresses
        listed = admin_links.list_links(store, SystemClock(), target, with_names=names, allow_private=allow_private)
        return [link async for link in listed]

    links = run(work)
    lines = [line for link in links for line in _format(link)]
    lines += [f"Decide about each with: links accept|refuse|hand-over {target} EMPLOYEE ACCOUNT"] if lines else []
    print_result("\n".join(lines) or "No decision is open.", links, as_json=as_json)


@app.command()
def accept(connection: Id, employee: Employee, account: Account, yes: Yes = False, as_json: Json = False) -> None:
    """Link the account with the employee: it is managed from now on, enabled, and gets the employee's data."""
    target = find_id(connection)
    question = "Link this account with this employee? It is enabled and gets the employee's data."
    _decide(target, employee, account, Decision.LINK, question, yes=yes, as_json=as_json)


@app.command()
def refuse(connection: Id, employee: Employee, account: Account, yes: Yes = False, as_json: Json = False) -> None:
    """Leave the account alone. The employee stays rejected until the e-mail address or external id is free."""
    target = find_id(connection)
    question = "Leave this account alone? The employee then gets no account."
    _decide(target, employee, account, Decision.LEAVE, question, yes=yes, as_json=as_json)


@app.command("hand-over")
def hand_over(connection: Id, employee: Employee, account: Account, yes: Yes = False, as_json: Json = False) -> None:
    """Hand the account of an employee that has left over to this employee, with all that is in it."""
    target = find_id(connection)
    question = "Hand the leaver's account over to this employee?"
    _decide(target, employee, account, Decision.HAND_OVER, question, yes=yes, as_json=as_json)


def _decide(
    connection: ConnectionId,
    employee: str,
    account: str,
    decision: Decision,
    question: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    ids = connection, EmployeeId(employee), AccountId(account)
    shown: admin_links.Link | None = None
    if not yes:
        shown = run(
            lambda settings, store: admin_links.get_link(
                store, SystemClock(), *ids, allow_private=settings.allow_private_addresses
            )
        )
        print_error("\n".join(_format(shown)))
        if not confirm(question):
            print_error("nothing was decided")
            raise typer.Exit(1)

    async def work(_: CliSettings, store: Store) -> LinkDecision:
        return await admin_links.decide(store, SystemClock(), *ids, decision, shown)

    decided = run(work)
    print_result(f"decided: {decision.value}; the employee is resent", decided, as_json=as_json)


def _format(link: admin_links.Link) -> list[str]:
    decision = link.decision
    former = decision.former_owner
    kind = f"the account of employee {former}, which has left" if former is not None else "not managed by the sync"
    lines = [
        f"employee {decision.employee_id}  account {decision.account_id}  {kind}  since {decision.asked_at:%Y-%m-%d %H:%M} UTC"
    ]
    for name, side in (("Personio", link.employee), ("Declaree", link.account)):
        if side is not None:
            lines.append(f"  {name}: {side.name}  {side.address}  {side.details}")
    return lines
