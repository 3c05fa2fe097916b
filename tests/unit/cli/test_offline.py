"""Commands without servers: help, settings, options, secrets, and the exit code of each failure.

``test_texts.py`` records the texts.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from services.cli.context import EX_TEMPFAIL
from services.runtime.environment import EX_CONFIG
from tests.support.command_line import ADD_CONNECTION, COMMANDS, SECRETS, Cli
from tests.support.documentation import ROOT
from tests.support.keys import make_key

WRONG_USE = 2


@pytest.mark.parametrize("setting", ["POLL_INTERVAL_SECONDS", "MAPPER_BATCH_RECORDS", "WRITER_CONCURRENCY"])
def test_up_with_an_invalid_setting_of_a_service_ends(offline: Cli, setting: str) -> None:
    """The service would end with code 78 again after each restart."""
    result = offline("up", **{setting: "many"})

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{setting} is invalid")


# ------------------------------------------------------------ help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_lists_its_options(offline: Cli, command: str) -> None:
    """Every command has a help text, and every command except `up` can print JSON."""
    result = offline(*command.split(), "--help", COLUMNS="200")

    assert result.exit_code == 0
    assert ("--json" in result.output) == (command not in {"mapping schema", "up"})


def test_short_option_shows_the_same_help(offline: Cli) -> None:
    """Of the program, of a group, and of a command."""
    for command in ((), ("people",), ("people", "show")):
        assert offline(*command, "-h").output == offline(*command, "--help").output


def test_version_of_the_program_is_that_of_its_package(offline: Cli) -> None:
    """It is the first question when something has to be reported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert offline("--version").output == f"personio-declaree {project['version']}\n"


def test_program_without_a_command_lists_all_commands(offline: Cli) -> None:
    """A user finds all commands and groups without the documentation."""
    output = offline().output

    assert [command for command in COMMANDS if command.split()[0] not in output] == []


# ------------------------------------------------------------ settings


@pytest.mark.parametrize("name", ["MONGODB_URL", "KAFKA_BOOTSTRAP_SERVERS", "ENCRYPTION_KEYS"])
def test_missing_setting_is_named(settings: dict[str, str], name: str) -> None:
    """A setting without a default ends the command with its name."""
    del settings[name]

    result = Cli(settings)("status")

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{name} is missing")


def test_invalid_setting_is_named_without_its_value(offline: Cli) -> None:
    """A value may be a secret in the wrong variable."""
    result = offline("status", MONGODB_TIMEOUT_MS="quite long")

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith("MONGODB_TIMEOUT_MS ")
    assert "quite long" not in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGODB_URL", "http://user:pass@nowhere"),
        ("ENCRYPTION_KEYS", "no-key"),
        ("ENCRYPTION_KEYS", " , "),
        ("MONGODB_DATABASE", "my.db"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:abc"),
        ("KAFKA_BOOTSTRAP_SERVERS", "k:1,:2"),
        ("KAFKA_BOOTSTRAP_SERVERS", " , "),
        ("KAFKA_SSL_CAFILE", "/no/such/file"),
        ("KAFKA_TOPIC_PREFIX", "our topics/"),
        ("ENCRYPTION_KEYS_FILE", "/no/such/file"),
        ("MONGODB_URL_FILE", "/no/such/file"),
    ],
)
def test_unusable_setting_is_one_line_without_its_value(settings: dict[str, str], name: str, value: str) -> None:
    """A value of the wrong form ends the command before a server is asked."""
    settings.pop(name.removesuffix("_FILE"), None)

    result = Cli(settings)("status", **{name: value})

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{name} ")
    assert value not in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("name", ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_setting_that_the_kafka_protocol_needs_is_named(offline: Cli, name: str) -> None:
    """SASL without a user or password fails at the start and not at the first connection."""
    sasl = {"KAFKA_SASL_USERNAME": "sync", "KAFKA_SASL_PASSWORD": "word"} | {name: ""}

    result = offline("status", KAFKA_SECURITY_PROTOCOL="SASL_SSL", **sasl)

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{name} ")
    assert "KAFKA_SECURITY_PROTOCOL=SASL_SSL" in result.output


def test_certificate_file_without_certificates_is_named(offline: Cli, tmp_path: Path) -> None:
    """The file is read at the start, and the kind of the error is in the message."""
    (tmp_path / "ca.pem").write_text("nothing")

    result = offline("status", KAFKA_SSL_CAFILE=str(tmp_path / "ca.pem"))

    assert result.exit_code == EX_CONFIG
    assert result.output.startswith("KAFKA_SSL_CAFILE ")
    assert "SSLError" in result.output


def test_secret_setting_is_read_from_a_file(settings: dict[str, str], tmp_path: Path) -> None:
    """With the key from the file, the settings are complete and only the server is missing."""
    file = tmp_path / "key"
    file.write_text(f"{settings.pop('ENCRYPTION_KEYS')}\n")

    result = Cli(settings)("status", ENCRYPTION_KEYS_FILE=str(file))

    assert result.exit_code == EX_TEMPFAIL


def test_two_encryption_keys_are_accepted(offline: Cli) -> None:
    """Keys are separated by commas; spaces and a last comma do not matter."""
    keys = f"{make_key()}, {make_key()},"

    assert offline("status", ENCRYPTION_KEYS=keys).exit_code == EX_TEMPFAIL


# ------------------------------------------------------------ servers


def test_mongodb_without_an_answer_is_a_temporary_failure(offline: Cli) -> None:
    """The message names the setting with the address."""
    result = offline("status")

    assert result.exit_code == EX_TEMPFAIL
    assert "MONGODB_URL" in result.output


def test_kafka_without_an_answer_is_a_temporary_failure(offline: Cli) -> None:
    """The message names the setting, and the libraries print nothing of their own."""
    result = offline("init")

    assert result.exit_code == EX_TEMPFAIL
    assert "KAFKA_BOOTSTRAP_SERVERS" in result.output
    assert len(result.output.splitlines()) == 1


# ------------------------------------------------------------ options


@pytest.mark.parametrize(
    "options", [("--connection", ""), ("--connection", " "), ("--connection", "c1", "--employee", "")]
)
def test_replay_with_an_empty_id_is_wrong_use(offline: Cli, options: tuple[str, ...]) -> None:
    """An unset shell variable must not replay everything."""
    result = offline("replay", *options, COLUMNS="200")

    assert result.exit_code == WRONG_USE
    assert f"Invalid value for '{options[-2]}'" in result.output


def test_replay_of_an_employee_needs_the_connection(offline: Cli) -> None:
    """Employee ids repeat in other companies."""
    result = offline("replay", "--employee", "7", COLUMNS="200")

    assert result.exit_code == WRONG_USE
    assert "add --connection" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("mapping", "import", "c1", "/no/such/file.json"),
        ("connections", "secrets", "c1", "--declaree-key-file", "/no/such/file"),
    ],
    ids=" ".join,
)
def test_missing_file_is_wrong_use(offline: Cli, arguments: tuple[str, ...]) -> None:
    """A file that does not exist fails before the command does anything."""
    assert offline(*arguments).exit_code == WRONG_USE


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--personio-url", "api.personio.de"),
        ("--declaree-url", "https://user:pass@scim.example"),
        ("--declaree-url", "https://scim.example/?a=1"),
        ("--personio-client-id", " "),
        ("--personio-client-id", "päpi"),
    ],
)
def test_invalid_option_is_named_without_a_password(offline: Cli, option: str, value: str) -> None:
    """The message names the option, and never quotes a password that an address contains."""
    result = offline(*ADD_CONNECTION, option, value, COLUMNS="200", **SECRETS)

    assert result.exit_code == WRONG_USE
    assert f"Invalid value for '{option}'" in result.output
    assert "user:pass" not in result.output


def test_empty_label_is_wrong_use(offline: Cli) -> None:
    """A connection needs a label that can be read."""
    result = offline("connections", "add", " ", "--personio-client-id", "papi-1", **SECRETS)

    assert result.exit_code == WRONG_USE
    assert "Invalid value for 'name'" in result.output


# ------------------------------------------------------------ secrets


@pytest.mark.parametrize("command", ["connections add", "connections secrets"])
def test_secret_is_never_an_argument(offline: Cli, command: str) -> None:
    """Other users of the machine can read the arguments of a process, so that options take only files."""
    words = offline(*command.split(), "--help", COLUMNS="200").output.split()
    options = {word.strip(",") for word in words if word.startswith("--")}

    assert {option for option in options if "secret" in option or "key" in option} == {
        "--personio-secret-file",
        "--declaree-key-file",
    }


@pytest.mark.parametrize(
    "environment", [{}, {"PERSONIO_CLIENT_SECRET": "", "DECLAREE_KEY": ""}], ids=["unset", "empty"]
)
def test_secrets_command_without_a_secret_is_wrong_use(offline: Cli, environment: dict[str, str]) -> None:
    """Without an option, only variables with a value name a secret."""
    result = offline("connections", "secrets", "c1", **environment)

    assert result.exit_code == WRONG_USE
    assert "--personio" in result.output


@pytest.mark.parametrize("variable", sorted(SECRETS))
@pytest.mark.parametrize("command", [ADD_CONNECTION, ("connections", "secrets", "c1")], ids=["add", "secrets"])
def test_invalid_secret_variable_is_named(offline: Cli, command: tuple[str, ...], variable: str) -> None:
    """A secret that cannot be sent in a header is rejected by the name of its variable, without its value."""
    result = offline(*command, COLUMNS="200", **(SECRETS | {variable: "kéy-of-ours"}))

    assert result.exit_code == WRONG_USE
    assert f"Invalid value for '{variable}'" in result.output
    assert "of-ours" not in result.output


@pytest.mark.parametrize(
    "content",
    [b"", b"one-of-ours\ntwo", "of-ours".encode("utf-16"), b"\xff\xfe\x00of-ours"],
    ids=["empty", "two lines", "UTF-16", "bytes"],
)
@pytest.mark.parametrize("command", [ADD_CONNECTION, ("connections", "secrets", "c1")], ids=["add", "secrets"])
def test_invalid_secret_file_is_named(offline: Cli, tmp_path: Path, command: tuple[str, ...], content: bytes) -> None:
    """A file without a usable secret is rejected by the name of its option, without its content."""
    file = tmp_path / "key"
    file.write_bytes(content)

    result = offline(*command, "--declaree-key-file", str(file), COLUMNS="300", **SECRETS)

    assert result.exit_code == WRONG_USE
    assert "Invalid value for '--declaree-key-file'" in result.output
    assert "of-ours" not in result.output


def test_invalid_answer_is_prompted_for_again(offline: Cli) -> None:
    """After a valid second answer the command goes on, and fails only for want of a server."""
    result = offline(*ADD_CONNECTION, stdin="kéy\na-secret\na-key\n")

    assert result.output.count("Personio client_secret") == 2
    assert "Invalid value: " in result.output
    assert result.exit_code == EX_TEMPFAIL


def test_secrets_command_prompts_for_the_named_secret_only(offline: Cli) -> None:
    """The other secret stays unchanged, so that the user is not asked for it."""
    result = offline("connections", "secrets", "c1", "--declaree", stdin="a-key\n")

    assert "Declaree API key" in result.output
    assert "client_secret" not in result.output
    assert result.exit_code == EX_TEMPFAIL


def test_prompt_at_the_end_of_input_is_wrong_use(offline: Cli) -> None:
    """The command ends, and names the option and the variable for the secret."""
    result = offline(*ADD_CONNECTION, stdin="", COLUMNS="200")

    assert result.exit_code == WRONG_USE
    assert "--personio-secret-file or PERSONIO_CLIENT_SECRET" in result.output


@pytest.mark.parametrize("redirection", ["<&-", "</dev/null"])
def test_prompt_without_a_terminal_is_wrong_use(settings: dict[str, str], redirection: str) -> None:
    """A service manager starts commands without a terminal. The error has no line of Python's own code."""
    command = [sys.executable, "-m", "services.cli", *ADD_CONNECTION]

    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command],
        env={**os.environ, **settings, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )

    assert result.returncode == WRONG_USE
    assert "--personio-secret-file or PERSONIO_CLIENT_SECRET" in result.stderr
    assert "GetPassWarning" not in result.stderr
