"""``connections …``"""

from pathlib import Path
from typing import Annotated

import typer

from services.admin import connections as admin
from services.cli import entered
from services.cli.context import CliSettings, Id, Json, run, say
from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.runtime.clock import SystemClock
from services.store.connections import Listed
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Connect a Personio account with a Declaree administration.")

SecretFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Read the secret from this file.")]


def _summary(id_: ConnectionId, name: str, state: ConnectionState, personio: str, declaree: str) -> dict[str, str]:
    return {"id": id_, "name": name, "state": state.value, "personio": personio, "declaree": declaree}


@app.command()
def add(
    name: Annotated[str, typer.Argument(callback=entered.label, help="A name for it, such as the company's.")],
    personio_client_id: Annotated[
        str, typer.Option(callback=entered.credential, help="The client_id generated in Personio.")
    ],
    personio_url: Annotated[
        str, typer.Option(callback=entered.address, help="Personio's API.")
    ] = "https://api.personio.de",
    declaree_url: Annotated[
        str, typer.Option(callback=entered.address, help="Declaree's SCIM endpoint.")
    ] = "https://app.declaree.com/SCIM/v2",
    personio_secret_file: SecretFile = None,
    declaree_key_file: SecretFile = None,
    paused: Annotated[bool, typer.Option("--paused", help="Poll on schedule only after `connections resume`.")] = False,
    as_json: Json = False,
) -> None:
    """Add a connection. Secrets come from files, from PERSONIO_CLIENT_SECRET and DECLAREE_KEY, or from a prompt."""
    secret = entered.PERSONIO_SECRET.asked(personio_secret_file)
    personio = PersonioAccess(url=personio_url, client_id=personio_client_id, client_secret=secret)
    declaree = DeclareeAccess(url=declaree_url, key=entered.DECLAREE_KEY.asked(declaree_key_file))

    async def work(_: CliSettings, store: Store) -> Connection:
        return await admin.add(store, SystemClock(), name, personio, declaree, paused=paused)

    added = run(work)
    summary = _summary(added.id, added.name, added.state, added.personio.url, added.declaree.url)
    say(f"{added.id}\n{admin.VENDORS_CONNECTOR}", summary, as_json=as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the connections."""

    async def work(_: CliSettings, store: Store) -> tuple[Listed, ...]:
        return await store.connections.listed()

    found = [_summary(each.id, each.name, each.state, each.personio_url, each.declaree_url) for each in run(work)]
    text = "\n".join("  ".join(entry.values()) for entry in found) or "There is no connection yet: `connections add`."
    say(text, found, as_json=as_json)


@app.command()
def check(connection: Id, as_json: Json = False) -> None:
    """Ask both systems with the stored credentials. Writes nothing; exit code 1 if something is wrong."""

    async def work(_: CliSettings, store: Store) -> tuple[admin.Finding, ...]:
        return await admin.check(store, SystemClock(), ConnectionId(connection))

    findings = run(work)
    lines = [f"{finding.what}: {finding.problem or 'ok'}" for finding in findings]
    say("\n".join([*lines, admin.VENDORS_CONNECTOR]), findings, as_json=as_json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


@app.command()
def pause(connection: Id, as_json: Json = False) -> None:
    """Poll no more on schedule; what is on its way arrives."""
    run(lambda _, store: admin.pause(store, ConnectionId(connection)))
    say("paused", {"id": connection, "state": "paused"}, as_json=as_json)


@app.command()
def resume(connection: Id, as_json: Json = False) -> None:
    """Poll again on schedule."""
    run(lambda _, store: admin.resume(store, ConnectionId(connection)))
    say("active", {"id": connection, "state": "active"}, as_json=as_json)


@app.command()
def secrets(
    connection: Id,
    personio: Annotated[bool, typer.Option("--personio", help="Deposit a new client_secret of Personio.")] = False,
    declaree: Annotated[bool, typer.Option("--declaree", help="Deposit a new key of Declaree.")] = False,
    personio_client_id: Annotated[
        str | None,
        typer.Option(
            callback=entered.credential_if_any, help="The new client_id that the new client_secret came with."
        ),
    ] = None,
    personio_secret_file: SecretFile = None,
    declaree_key_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Deposit a new Personio credential or Declaree key: from a file, the environment or a prompt.

    What an option names is deposited and nothing else; without any, what PERSONIO_CLIENT_SECRET and DECLAREE_KEY hold.
    Whatever waits for it goes on by itself.
    """
    personio = personio or personio_client_id is not None or personio_secret_file is not None
    declaree = declaree or declaree_key_file is not None
    if not personio and not declaree:
        personio = entered.PERSONIO_SECRET.given(None) is not None
        declaree = entered.DECLAREE_KEY.given(None) is not None
    if not personio and not declaree:
        raise typer.BadParameter("give --personio or --declaree, a file, or PERSONIO_CLIENT_SECRET or DECLAREE_KEY")
    given = admin.Credentials(
        personio_client_id,
        entered.PERSONIO_SECRET.asked(personio_secret_file) if personio else None,
        entered.DECLAREE_KEY.asked(declaree_key_file) if declaree else None,
    )
    origins = {"Personio client_id": "as given"} if personio_client_id is not None else {}
    origins |= {"Personio secret": entered.PERSONIO_SECRET.origin(personio_secret_file)} if personio else {}
    origins |= {"Declaree key": entered.DECLAREE_KEY.origin(declaree_key_file)} if declaree else {}
    run(lambda _, store: admin.set_credentials(store, ConnectionId(connection), given))
    said = ", ".join(f"{what} ({origin})" for what, origin in origins.items())
    say(f"stored: {said}", {"id": connection, "stored": origins}, as_json=as_json)


@app.command("rotate-keys")
def rotate_keys(as_json: Json = False) -> None:
    """Encrypt all stored secrets with the first of ENCRYPTION_KEYS. Exit code 1 if some fit none of the keys."""
    found = run(lambda _, store: admin.rotate_keys(store))
    lines = [f"connections encrypted with the first key: {found.done}"]
    lines += [
        f"{each} fits none of ENCRYPTION_KEYS and stays as it is: add its key, or enter both secrets again with "
        "`connections secrets`"
        for each in found.unreadable
    ]
    say("\n".join(lines), found, as_json=as_json)
    if found.unreadable:
        raise typer.Exit(1)
