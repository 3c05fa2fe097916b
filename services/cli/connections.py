"""The commands ``connections …``."""

from pathlib import Path
from typing import Annotated

import typer

from services.admin import checks as admin_checks
from services.admin import connections as admin_connections
from services.admin import credentials as admin_credentials
from services.admin.findings import Finding
from services.cli import connection_settings, inputs
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import format_columns, print_result
from services.cli.release_disabling import release_disabling
from services.cli.remove import remove
from services.cli.start import start
from services.contracts.connections import (
    Connection,
    ConnectionState,
    DeclareeAccess,
    LinkPolicy,
    PersonioAccess,
)
from services.contracts.ids import ConnectionId
from services.runtime.clock import SystemClock
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store

app = typer.Typer(no_args_is_help=True, help="Connect Personio accounts with Declaree administrations.")

PersonioSecretFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Read the Personio client_secret from this file.")
]
DeclareeKeyFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Read the Declaree key from this file.")
]

InsecureHttp = Annotated[
    bool,
    typer.Option(
        "--insecure-http",
        is_eager=True,  # known before the addresses are checked
        help="Allow addresses that begin with http://. Secrets and personal data are then sent unencrypted.",
    ),
]
ExternalIdPrefix = Annotated[
    str,
    typer.Option(help="Text before the employee id in the external id. Needed if two connections share one Declaree."),
]
Policy = Annotated[
    LinkPolicy,
    typer.Option(
        help="What happens with accounts that have an employee's e-mail address: ask about each, or link by e-mail "
        "those that are enabled, have no external id and no role, and fit by name."
    ),
]


def _summarize(id_: ConnectionId, name: str, state: ConnectionState, personio: str, declaree: str) -> dict[str, str]:
    return {"id": id_, "name": name, "state": state.value, "personio": personio, "declaree": declaree}


@app.command()
def add(
    name: Annotated[
        str, typer.Argument(callback=inputs.parse_label, help="A label of one line, such as the company's name.")
    ],
    personio_client_id: Annotated[
        str, typer.Option(callback=inputs.parse_credential, help="The client_id of the Personio credential.")
    ],
    personio_url: Annotated[
        str, typer.Option(callback=inputs.parse_address, help="Address of the Personio API.")
    ] = "https://api.personio.de",
    declaree_url: Annotated[
        str, typer.Option(callback=inputs.parse_address, help="Address of Declaree's SCIM endpoint.")
    ] = "https://app.declaree.com/SCIM/v2",
    personio_secret_file: PersonioSecretFile = None,
    declaree_key_file: DeclareeKeyFile = None,
    insecure_http: InsecureHttp = False,
    external_id_prefix: ExternalIdPrefix = "",
    link_policy: Policy = LinkPolicy.ASK,
    as_json: Json = False,
) -> None:
    """Add a connection, which is paused until `connections start`.

    Secrets come from files, from PERSONIO_CLIENT_SECRET and DECLAREE_KEY, or from a prompt.
    """
    secret = inputs.PERSONIO_SECRET.read_or_prompt(personio_secret_file)
    personio = PersonioAccess(
        url=personio_url, client_id=personio_client_id, client_secret=secret, insecure_http=insecure_http
    )
    key = inputs.DECLAREE_KEY.read_or_prompt(declaree_key_file)
    declaree = DeclareeAccess(url=declaree_url, key=key, insecure_http=insecure_http)

    async def work(settings: CliSettings, store: Store) -> Connection:
        return await admin_connections.add(
            store,
            SystemClock(),
            name,
            personio,
            declaree,
            external_id_prefix=external_id_prefix,
            link_policy=link_policy,
            allow_private=settings.allow_private_addresses,
        )

    added = run(work)
    summary = _summarize(added.id, added.name, added.state, added.personio.url, added.declaree.url)
    next_step = f"Next: connections check {added.id}, then connections start {added.id}"
    print_result(f"{added.id}\n{admin_checks.VENDORS_CONNECTOR}\n{next_step}", summary, as_json=as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List all connections: id, label, state and the two addresses."""

    async def work(_: CliSettings, store: Store) -> tuple[ConnectionSummary, ...]:
        return await store.connections.list_all()

    summaries = [
        _summarize(connection.id, connection.name, connection.state, connection.personio_url, connection.declaree_url)
        for connection in run(work)
    ]
    text = format_columns(tuple(summary.values()) for summary in summaries)
    print_result(text or "No connection exists: add one with `connections add`.", summaries, as_json=as_json)


@app.command()
def check(connection: Id, as_json: Json = False) -> None:
    """Check both systems with the stored credentials, the attributes that the mapping reads, and the fields that it writes.

    Changes nothing in either system. The fields that Declaree lists are stored, so that the next check tells what has changed.
    Exit code 1 if a check failed.
    """
    target = find_id(connection)

    async def work(settings: CliSettings, store: Store) -> tuple[Finding, ...]:
        return await admin_checks.check(store, SystemClock(), target, allow_private=settings.allow_private_addresses)

    findings = run(work)
    lines = [f"{finding.subject}: {finding.problem or _format_success(finding.hint)}" for finding in findings]
    print_result("\n".join([*lines, admin_checks.VENDORS_CONNECTOR]), findings, as_json=as_json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


def _format_success(hint: str | None) -> str:
    return f"ok, but {hint}" if hint else "ok"


app.command()(start)


@app.command()
def pause(connection: Id, as_json: Json = False) -> None:
    """Stop scheduled polls and all writes. Changes that are on their way wait until `connections resume`, leavers included."""
    target = find_id(connection)
    run(lambda _, store: admin_connections.pause(store, target))
    print_result(
        "paused: nothing is written until it is resumed, and leavers keep their access",
        {"id": target, "state": "paused"},
        as_json=as_json,
    )


@app.command()
def resume(connection: Id, as_json: Json = False) -> None:
    """Start scheduled polls and writes again: what waits is written. A new connection is started with `connections start`."""
    target = find_id(connection)
    run(lambda _, store: admin_connections.resume(store, target))
    print_result(
        f"active: it is polled as scheduled, and what waits is written; see `status {target}`",
        {"id": target, "state": "active"},
        as_json=as_json,
    )


app.command()(connection_settings.rename)
app.command("link-policy")(connection_settings.link_policy)
app.command("time-zone")(connection_settings.time_zone)
app.command("guard")(connection_settings.guard)
app.command("release-disabling")(release_disabling)


@app.command()
def secrets(
    connection: Id,
    personio: Annotated[bool, typer.Option("--personio", help="Store a new Personio client_secret.")] = False,
    declaree: Annotated[bool, typer.Option("--declaree", help="Store a new Declaree key.")] = False,
    personio_client_id: Annotated[
        str | None,
        typer.Option(
            callback=inputs.parse_optional_credential, help="The new client_id that belongs to the new client_secret."
        ),
    ] = None,
    personio_secret_file: PersonioSecretFile = None,
    declaree_key_file: DeclareeKeyFile = None,
    as_json: Json = False,
) -> None:
    """Store a new Personio credential or Declaree key. It comes from a file, the environment or a prompt.

    Only the secrets that an option names are replaced. Without an option, the values of PERSONIO_CLIENT_SECRET and
    DECLAREE_KEY are stored. Waiting changes are resent automatically.
    """
    personio = personio or personio_client_id is not None or personio_secret_file is not None
    declaree = declaree or declaree_key_file is not None
    if not personio and not declaree:
        personio = inputs.PERSONIO_SECRET.read(None) is not None
        declaree = inputs.DECLAREE_KEY.read(None) is not None
    if not personio and not declaree:
        raise typer.BadParameter(
            "no secret is named: add --personio, --declaree or a file, or set PERSONIO_CLIENT_SECRET or DECLAREE_KEY"
        )
    credentials = admin_credentials.Credentials(
        personio_client_id,
        inputs.PERSONIO_SECRET.read_or_prompt(personio_secret_file) if personio else None,
        inputs.DECLAREE_KEY.read_or_prompt(declaree_key_file) if declaree else None,
    )
    target = find_id(connection)
    origins = {"Personio client_id": "from --personio-client-id"} if personio_client_id is not None else {}
    origins |= {"Personio secret": inputs.PERSONIO_SECRET.describe_origin(personio_secret_file)} if personio else {}
    origins |= {"Declaree key": inputs.DECLAREE_KEY.describe_origin(declaree_key_file)} if declaree else {}

    async def work(_: CliSettings, store: Store) -> ConnectionSummary:
        await admin_credentials.set_credentials(store, SystemClock(), target, credentials)
        return await admin_connections.get_summary(store, target)

    stored = run(work)
    addresses = [stored.personio_url] * personio + [stored.declaree_url] * declaree
    text = ", ".join(f"{name} ({origin})" for name, origin in origins.items())
    lines = f"stored: {text}\nonly sent to: {', '.join(addresses)}"
    print_result(lines, {"id": target, "stored": origins}, as_json=as_json)


@app.command("rotate-keys")
def rotate_keys(as_json: Json = False) -> None:
    """Encrypt all stored secrets with the first of ENCRYPTION_KEYS. Exit code 1 if a secret does not open."""
    rotation = run(lambda _, store: admin_credentials.rotate_keys(store))
    lines = [f"connections encrypted with the first key: {rotation.done}"]
    lines += [
        f"{connection} is unchanged, because it cannot be used: `status` says why and what to do"
        for connection in rotation.unreadable
    ]
    print_result("\n".join(lines), rotation, as_json=as_json)
    if rotation.unreadable:
        raise typer.Exit(1)


app.command()(remove)
