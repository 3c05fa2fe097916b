"""``connections …``"""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from services.admin import connections as admin
from services.cli.context import CliSettings, run, say
from services.contracts.connections import Connection, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.runtime.clock import SystemClock
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Connect a Personio account with a Declaree administration.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Id = Annotated[str, typer.Argument(help="The connection's id (see `connections list`).")]
SecretFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Read the secret from this file.")]


def _secret(variable: str, file: Path | None, prompt: str) -> SecretStr:
    """From a file, the environment, or a prompt; never from an argument, which others could see."""
    if file is not None:
        return SecretStr(file.read_text(encoding="utf-8").strip())
    if variable in os.environ:
        return SecretStr(os.environ[variable])
    return SecretStr(typer.prompt(prompt, hide_input=True))


def _summary(connection: Connection) -> dict[str, str]:
    return {
        "id": connection.id,
        "name": connection.name,
        "state": connection.state.value,
        "personio": connection.personio.url,
        "declaree": connection.declaree.url,
    }


@app.command()
def add(
    name: str,
    personio_client_id: Annotated[str, typer.Option(help="The client_id generated in Personio.")],
    personio_url: Annotated[str, typer.Option(help="Personio's API.")] = "https://api.personio.de",
    declaree_url: Annotated[str, typer.Option(help="Declaree's SCIM endpoint.")] = "https://app.declaree.com/SCIM/v2",
    personio_secret_file: SecretFile = None,
    declaree_key_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Add a connection. Secrets come from files, from PERSONIO_CLIENT_SECRET and DECLAREE_KEY, or from a prompt."""
    personio = PersonioAccess(
        url=personio_url,
        client_id=personio_client_id,
        client_secret=_secret("PERSONIO_CLIENT_SECRET", personio_secret_file, "Personio client_secret"),
    )
    declaree = DeclareeAccess(url=declaree_url, key=_secret("DECLAREE_KEY", declaree_key_file, "Declaree API key"))

    async def work(_: CliSettings, store: Store) -> Connection:
        return await admin.add(store, SystemClock(), name, personio, declaree)

    connection = run(work)
    say(f"{connection.id}\n{admin.VENDORS_CONNECTOR}", _summary(connection), as_json=as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the connections."""

    async def work(_: CliSettings, store: Store) -> tuple[Connection, ...]:
        return await store.connections.all()

    found = [_summary(connection) for connection in run(work)]
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
def pause(connection: Id) -> None:
    """Poll no more on schedule; what is on its way arrives."""
    run(lambda _, store: admin.pause(store, ConnectionId(connection)))


@app.command()
def resume(connection: Id) -> None:
    """Poll again on schedule."""
    run(lambda _, store: admin.resume(store, ConnectionId(connection)))


@app.command()
def secrets(
    connection: Id,
    personio_secret_file: SecretFile = None,
    declaree_key_file: SecretFile = None,
) -> None:
    """Deposit a new Personio secret or Declaree key, from a file or the environment; who waits follows by itself."""
    personio = "PERSONIO_CLIENT_SECRET" in os.environ or personio_secret_file is not None
    declaree = "DECLAREE_KEY" in os.environ or declaree_key_file is not None
    if not personio and not declaree:
        raise typer.BadParameter("give a file, or set PERSONIO_CLIENT_SECRET or DECLAREE_KEY")
    new_secret = _secret("PERSONIO_CLIENT_SECRET", personio_secret_file, "") if personio else None
    new_key = _secret("DECLAREE_KEY", declaree_key_file, "") if declaree else None
    run(lambda _, store: admin.set_secrets(store, ConnectionId(connection), new_secret, new_key))
