"""`connections …` on a real MongoDB: what is stored, printed as JSON, and never printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.cli.context import EX_TEMPFAIL
from services.contracts.ids import ConnectionId
from services.runtime.environment import EX_CONFIG
from tests.component.cli.conftest import add_connection
from tests.support.command_line import ADD_CONNECTION, KEY, SECRET, SECRETS, Cli
from tests.support.keys import make_key

pytestmark = pytest.mark.mongo


def list_connections(cli: Cli) -> Any:
    """Returns the connections as `connections list` prints them."""
    return json.loads(cli("connections", "list", "--json").output)


# ------------------------------------------------------------ add, pause, resume


def test_added_connection_is_listed_with_its_addresses(cli: Cli) -> None:
    """The list shows what was entered, and no secret."""
    addresses = ("--personio-url", "https://personio.example", "--declaree-url", "https://scim.example/v2")
    connection = add_connection(cli, *addresses)

    assert list_connections(cli) == [
        {
            "id": connection,
            "name": "Nordlicht",
            "state": "paused",
            "personio": "https://personio.example",
            "declaree": "https://scim.example/v2",
        }
    ]
    assert connection in cli("connections", "list").output


def test_unencrypted_address_needs_an_option(cli: Cli) -> None:
    """The option is kept with the connection, and its place in the command does not matter."""
    address = ("--personio-url", "http://personio.example")

    refused = cli(*ADD_CONNECTION, *address, **SECRETS)
    added = [
        cli(*ADD_CONNECTION, *options, **SECRETS)
        for options in ((*address, "--insecure-http"), ("--insecure-http", *address, "--external-id-prefix", "b-"))
    ]

    assert refused.exit_code == 2
    assert "the address is not encrypted" in " ".join(refused.output.split())
    assert added[0].exit_code == 0
    assert "already connects" in added[1].output


def test_private_address_needs_a_setting(cli: Cli) -> None:
    """The message is one line, and says which setting."""
    command = (*ADD_CONNECTION, "--declaree-url", "https://127.0.0.1:8443/SCIM/v2")

    refused = cli(*command, ALLOW_PRIVATE_ADDRESSES="false", **SECRETS)
    added = cli(*command, ALLOW_PRIVATE_ADDRESSES="true", **SECRETS)

    assert refused.exit_code == EX_CONFIG
    assert refused.output.startswith(
        "https://127.0.0.1:8443/SCIM/v2 cannot be used: the host has an address of a private"
    )
    assert refused.output.count("\n") == 1
    assert added.exit_code == 0


def test_link_policy_is_switched(cli: Cli, connection: ConnectionId) -> None:
    """The answer names the new policy, and another word is refused."""
    assert cli("connections", "link-policy", connection, "by_email").output == "link policy: by_email\n"
    assert cli("connections", "link-policy", connection, "always").exit_code != 0


def test_connection_is_paused_and_resumed(cli: Cli, connection: ConnectionId) -> None:
    """The list shows the new state after each command."""
    assert "nothing is written" in cli("connections", "pause", connection).output
    assert list_connections(cli)[0]["state"] == "paused"

    resumed = cli("connections", "resume", connection, "--json")

    assert json.loads(resumed.output) == {"id": connection, "state": "active"}
    assert list_connections(cli)[0]["state"] == "active"


def test_new_connection_is_not_resumed(cli: Cli) -> None:
    """A first import is started with `connections start`, which shows before what it would do."""
    connection = add_connection(cli)

    resumed = cli("connections", "resume", connection)

    assert resumed.exit_code == 1
    assert "connections start" in resumed.output
    assert list_connections(cli)[0]["state"] == "paused"


def test_start_without_a_question_names_the_links(cli: Cli) -> None:
    """A script must say what happens with accounts that exist already."""
    connection = add_connection(cli)

    result = cli("connections", "start", connection, "--yes")

    assert result.exit_code != 0
    assert "--links" in result.output
    assert list_connections(cli)[0]["state"] == "paused"


def test_prefix_tells_two_connections_to_one_declaree_apart(cli: Cli, connection: ConnectionId) -> None:
    """The second connection needs external ids of its own."""
    command = ("connections", "add", "Südlicht", "--personio-client-id", "papi-2")

    assert cli(*command, **SECRETS).exit_code == EX_CONFIG
    assert cli(*command, "--external-id-prefix", "south-", **SECRETS).exit_code == 0


def test_same_two_accounts_are_connected_once(cli: Cli, connection: ConnectionId) -> None:
    """Two connections of the same accounts would overwrite each other."""
    result = cli(*ADD_CONNECTION, "--external-id-prefix", "again-", **SECRETS)

    assert result.exit_code == EX_CONFIG
    assert [listed["id"] for listed in list_connections(cli)] == [connection]


# ------------------------------------------------------------ secrets


def test_prompted_secrets_are_hidden(cli: Cli) -> None:
    """The prompts name the secrets, and the answers are not printed."""
    result = cli(*ADD_CONNECTION, stdin=f"{SECRET}\n{KEY}\n")

    assert result.exit_code == 0
    assert "Personio client_secret" in result.output
    assert "Declaree API key" in result.output
    assert SECRET not in result.output
    assert KEY not in result.output


def test_secret_files_take_precedence_over_variables(cli: Cli, tmp_path: Path) -> None:
    """A variable that is set for something else does not matter, and nothing is prompted for."""
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text(f"{SECRET}\n")
    key.write_text(f"{KEY}\n")
    files = ("--personio-secret-file", str(secret), "--declaree-key-file", str(key))

    result = cli(*ADD_CONNECTION, *files, PERSONIO_CLIENT_SECRET="unusablé", DECLAREE_KEY="unusablé")

    assert result.exit_code == 0
    assert "client_secret" not in result.output


def test_empty_variable_is_not_a_secret(cli: Cli) -> None:
    """Compose passes an unset variable as an empty one, so that the command prompts."""
    result = cli(*ADD_CONNECTION, stdin=f"{SECRET}\n{KEY}\n", PERSONIO_CLIENT_SECRET="", DECLAREE_KEY="")

    assert "Personio client_secret" in result.output


def test_stored_secret_from_a_variable_is_reported(cli: Cli, connection: ConnectionId) -> None:
    """The result names the source of each secret, but not its value."""
    result = cli("connections", "secrets", connection, "--json", DECLAREE_KEY=" newest-key\n")

    assert json.loads(result.output) == {"id": connection, "stored": {"Declaree key": "from DECLAREE_KEY"}}


def test_stored_secrets_from_file_and_prompt_are_reported(cli: Cli, connection: ConnectionId, tmp_path: Path) -> None:
    """Each secret may have its own source."""
    file = tmp_path / "secret"
    file.write_text("new")
    options = ("--declaree", "--personio-secret-file", str(file))

    result = cli("connections", "secrets", connection, *options, stdin="k\n")

    assert result.exit_code == 0
    assert f"Personio secret (from {file}), Declaree key (from the prompt)\n" in result.output


def test_new_client_id_is_stored_with_its_secret(cli: Cli, connection: ConnectionId) -> None:
    """A new client_id comes with a new client_secret, here from the environment."""
    result = cli("connections", "secrets", connection, "--personio-client-id", "papi-2", "--json", **SECRETS)

    assert json.loads(result.output)["stored"] == {
        "Personio client_id": "from --personio-client-id",
        "Personio secret": "from PERSONIO_CLIENT_SECRET",
    }


@pytest.mark.parametrize(
    ("options", "stored"),
    [(("--personio-secret-file", "secret"), "Personio secret"), (("--declaree",), "Declaree key")],
    ids=["file", "option"],
)
def test_only_the_named_secret_is_stored(
    cli: Cli,
    connection: ConnectionId,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    stored: str,
) -> None:
    """A variable with another company's secret must not replace the secret that no option names."""
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("new")

    result = cli("connections", "secrets", connection, *options, "--json", **SECRETS)

    assert list(json.loads(result.output)["stored"]) == [stored]


def test_output_never_contains_a_secret(cli: Cli, connection: ConnectionId) -> None:
    """Commands that print connections leave out what is secret."""
    outputs = [
        cli("connections", "list").output,
        cli("connections", "list", "--json").output,
        cli("status", "--json").output,
        cli("mapping", "export", connection).output,
        cli(*ADD_CONNECTION, "--external-id-prefix", "again-", **SECRETS).output,
        cli(*ADD_CONNECTION, **SECRETS).output,
    ]

    assert [output for output in outputs if SECRET in output] == []
    assert [output for output in outputs if KEY in output] == []


# ------------------------------------------------------------ encryption keys


def test_rotation_encrypts_with_the_first_key(cli: Cli, connection: ConnectionId) -> None:
    """After the first rotation the new key alone decrypts everything, so that the old key can be removed."""
    new = make_key()

    rotated = cli("connections", "rotate-keys", ENCRYPTION_KEYS=f"{new},{cli.environment['ENCRYPTION_KEYS']}")
    repeated = cli("connections", "rotate-keys", "--json", ENCRYPTION_KEYS=new)

    assert rotated.exit_code == 0
    assert json.loads(repeated.output) == {"done": 1, "unreadable": []}


def test_rotation_without_the_right_key_names_the_connection(cli: Cli, connection: ConnectionId) -> None:
    """The secrets stay unchanged until an administrator adds the key or stores them again."""
    other = make_key()

    result = cli("connections", "rotate-keys", ENCRYPTION_KEYS=other)
    as_json = cli("connections", "rotate-keys", "--json", ENCRYPTION_KEYS=other)

    assert result.exit_code == 1
    assert connection in result.output
    assert json.loads(as_json.output) == {"done": 0, "unreadable": [connection]}


def test_commands_without_secrets_work_with_a_wrong_key(cli: Cli, connection: ConnectionId) -> None:
    """An administrator must see the connections to repair their secrets."""
    other = make_key()

    listed = cli("connections", "list", ENCRYPTION_KEYS=other)
    status = cli("status", ENCRYPTION_KEYS=other)

    assert listed.exit_code == 0
    assert connection in listed.output
    assert status.exit_code == 1
    assert f"PROBLEM  stored data: the secret {connection}/personio.client_secret does not open" in status.output


# ------------------------------------------------------------ unknown connections


@pytest.mark.parametrize(
    "command",
    [
        ("connections", "pause"),
        ("connections", "resume"),
        ("connections", "check"),
        ("connections", "secrets"),
        ("connections", "link-policy"),
        ("connections", "rename"),
        ("mapping", "export"),
        ("people", "list"),
        ("people", "show"),
        ("resync",),
        ("poll",),
    ],
    ids=" ".join,
)
def test_unknown_connection_is_an_error_that_names_it(cli: Cli, command: tuple[str, ...]) -> None:
    """A retry would not help, and the program reports the error instead of a traceback."""
    more = {"show": ["7"], "link-policy": ["ask"], "rename": ["Other"]}.get(command[-1], [])

    result = cli(*command, "c-unknown", *more, DECLAREE_KEY=KEY)

    assert result.exit_code not in {0, EX_TEMPFAIL}
    assert "c-unknown" in result.output
    assert "Traceback" not in result.output
