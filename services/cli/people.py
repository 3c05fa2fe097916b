"""``people …``"""

from collections.abc import Iterator

import typer

from services.admin import overview
from services.admin.causes import in_words
from services.cli.context import CliSettings, Id, Json, run, say, say_wrong
from services.contracts.accounts import Account
from services.contracts.events import Attribute
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.model import Value
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Single employees.")

FREE = "dynamic_"
"""Personio numbers a company's own attributes; what they are is in their label."""


@app.command("show")
def show(connection: Id, employee: str, as_json: Json = False) -> None:
    """What is known of one employee: the last snapshot and the account. It holds personal data."""
    found = run(lambda _, store: overview.person(store, ConnectionId(connection), EmployeeId(employee)))
    if found.snapshot is None:
        say_wrong(f"employee {employee} is not known in connection {connection}")
        raise typer.Exit(1)
    lines = [_attribute(*each) for each in sorted(found.snapshot.attributes.items())]
    if found.snapshot.missing_since:
        lines.append(f"since {found.snapshot.missing_since:%Y-%m-%d %H:%M} UTC Personio lists this employee no more")
    lines += _account(found.account)
    snapshot = found.snapshot.model_dump(exclude={"attributes_json"}) | {"attributes": found.snapshot.attributes}
    say("\n".join(lines), {"snapshot": snapshot, "account": found.account}, as_json=as_json)


def _attribute(key: str, attribute: Attribute) -> str:
    label = f" ({_one_line(attribute.label)})" if key.startswith(FREE) and attribute.label else ""
    return f"{key}{label}: {_one_line(attribute.value)}"


def _one_line(value: Value) -> str:
    """A value may hold several lines, which must not pass for lines of ours."""
    if isinstance(value, tuple):
        return ", ".join(map(_one_line, value))
    return "-" if value is None else " ".join(str(value).split())


def _account(account: Account | None) -> Iterator[str]:
    if account is None:
        yield "no decision yet"
        return
    if account.waiting:
        yield f"waiting since {account.waiting.since:%Y-%m-%d %H:%M} UTC: {in_words(account.waiting.cause)}"
    if account.decided:
        reason = f": {_one_line(account.decided.reason)}" if account.decided.reason else ""
        yield f"account {account.account_id or '-'}, {account.decided.outcome.value}{reason}"


@app.command("list")
def list_(connection: Id, as_json: Json = False) -> None:
    """List who waits, is rejected or is missing, with the reason. Ids alone: `people show` has the data."""

    async def work(_: CliSettings, store: Store) -> list[overview.Unsettled]:
        return [each async for each in overview.unsettled(store, ConnectionId(connection))]

    found = run(work)
    text = "\n".join(f"{each.employee}  {each.state}  {_one_line(each.reason)}" for each in found)
    say(text or "Nobody waits, is rejected or is missing.", found, as_json=as_json)
