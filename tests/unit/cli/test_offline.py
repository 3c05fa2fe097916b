"""Commands where no server answers: help, settings that are missing or wrong, and what each failure ends with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from services.cli.context import EX_TEMPFAIL
from services.runtime.settings import EX_CONFIG
from tests.unit.cli.conftest import Cli

COMMANDS = (
    "init", "up", "poll", "resync", "replay", "status", "connections add", "connections list", "connections check",
    "connections pause", "connections resume", "connections secrets", "connections rotate-keys", "mapping export",
    "mapping import", "people show", "people list", "dead-letters list", "dead-letters retry",
)  # fmt: skip
ADD = ("connections", "add", "Nordlicht", "--personio-client-id", "papi-1")
SECRETS = {"PERSONIO_CLIENT_SECRET": "a-secret", "DECLAREE_KEY": "a-key"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(offline: Cli, command: str) -> None:
    result = offline(*command.split(), "--help", COLUMNS="200")
    assert result.exit_code == 0
    assert ("--json" in result.output) == (command != "up")


def test_without_a_command_the_commands_are_listed(offline: Cli) -> None:
    result = offline()
    assert all(command.split()[0] in result.output for command in COMMANDS)


@pytest.mark.parametrize("name", ["MONGODB_URL", "KAFKA_BOOTSTRAP_SERVERS", "ENCRYPTION_KEYS"])
def test_a_missing_setting_is_named(settings: dict[str, str], name: str) -> None:
    del settings[name]
    result = Cli(settings)("status")
    assert result.exit_code == EX_CONFIG
    assert f"{name} is missing; the settings are listed in .env.example" in result.output


def test_a_wrong_setting_is_named_without_its_value(offline: Cli) -> None:
    result = offline("status", MONGODB_TIMEOUT_MS="quite long")
    assert result.exit_code == EX_CONFIG
    assert "MONGODB_TIMEOUT_MS is wrong" in result.output
    assert "quite long" not in result.output


def test_a_server_that_does_not_answer_is_a_failure_to_try_again(offline: Cli) -> None:
    result = offline("status")
    assert result.exit_code == EX_TEMPFAIL
    assert "MongoDB does not answer: is it running, and is MONGODB_URL right?" in result.output


def test_kafka_that_does_not_answer_is_a_failure_to_try_again(offline: Cli) -> None:
    result = offline("init")
    assert result.exit_code == EX_TEMPFAIL
    assert "KAFKA_BOOTSTRAP_SERVERS" in result.output
    assert len(result.output.splitlines()) == 1, "and no library's lines beside it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGODB_URL", "http://user:pass@nowhere"), ("ENCRYPTION_KEYS", "no-key"), ("ENCRYPTION_KEYS", " , "),
        ("MONGODB_DATABASE", "my.db"), ("KAFKA_BOOTSTRAP_SERVERS", "kafka:abc"), ("KAFKA_BOOTSTRAP_SERVERS", "k:1,:2"),
        ("KAFKA_BOOTSTRAP_SERVERS", " , "), ("KAFKA_SSL_CAFILE", "/no/such/file"), ("KAFKA_TOPIC_PREFIX", "our topics/"),
        ("ENCRYPTION_KEYS_FILE", "/no/such/file"), ("MONGODB_URL_FILE", "/no/such/file"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_said_in_one_line_without_its_value(
    settings: dict[str, str], name: str, value: str
) -> None:
    settings.pop(name.removesuffix("_FILE"), None)
    result = Cli(settings)("status", **{name: value})
    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{name} ")
    assert value not in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("name", ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_what_the_protocol_of_kafka_needs_is_asked_for_at_the_start(offline: Cli, name: str) -> None:
    given = {"KAFKA_SASL_USERNAME": "sync", "KAFKA_SASL_PASSWORD": "word"} | {name: ""}
    result = offline("status", KAFKA_SECURITY_PROTOCOL="SASL_SSL", **given)
    assert result.exit_code == EX_CONFIG
    assert result.output.startswith(f"{name} is wrong: KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it")


def test_a_file_of_certificates_that_holds_none_is_refused(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    result = offline("status", KAFKA_SSL_CAFILE=str(tmp_path / "ca.pem"))
    assert result.exit_code == EX_CONFIG
    assert result.output.startswith("KAFKA_SSL_CAFILE is wrong: certificates cannot be read from that file (SSLError)")


def test_a_secret_setting_may_come_from_a_file(settings: dict[str, str], tmp_path: Path) -> None:
    key = settings.pop("ENCRYPTION_KEYS")
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    result = Cli(settings)("status", ENCRYPTION_KEYS_FILE=str(file))
    assert result.exit_code == EX_TEMPFAIL, "the settings are right, the server is not there"


@pytest.mark.parametrize("command", ["connections add", "connections secrets"])
def test_no_option_takes_a_secret(offline: Cli, command: str) -> None:
    options = {
        word.strip(",")
        for word in offline(*command.split(), "--help", COLUMNS="200").output.split()
        if word.startswith("--")
    }
    assert {"--personio-secret-file", "--declaree-key-file"} <= options
    secretive = {option for option in options if "secret" in option or "key" in option}
    assert secretive == {"--personio-secret-file", "--declaree-key-file"}


def test_secrets_need_a_source(offline: Cli) -> None:
    result = offline("connections", "secrets", "c1")
    assert result.exit_code == 2
    assert "give --personio or --declaree, a file, or" in result.output
    result = offline("connections", "secrets", "c1", PERSONIO_CLIENT_SECRET="", DECLAREE_KEY="")
    assert result.exit_code == 2, "an empty variable is no secret"


@pytest.mark.parametrize(
    "narrowed", [("--connection", ""), ("--connection", " "), ("--connection", "c1", "--employee", "")]
)
def test_a_replay_that_an_unset_variable_would_widen_is_refused(offline: Cli, narrowed: tuple[str, ...]) -> None:
    result = offline("replay", *narrowed, COLUMNS="200")
    assert (result.exit_code, "it is empty" in result.output) == (2, True)


def test_an_employee_is_replayed_of_a_connection_alone(offline: Cli) -> None:
    result = offline("replay", "--employee", "7", COLUMNS="200")
    assert (result.exit_code, "give --connection, too" in result.output) == (2, True)


def test_a_file_that_is_not_there_is_a_wrong_use(offline: Cli) -> None:
    assert offline("mapping", "import", "c1", "/no/such/file.json").exit_code == 2
    assert offline("connections", "secrets", "c1", "--declaree-key-file", "/no/such/file").exit_code == 2


def test_two_encryption_keys_are_two_keys(offline: Cli) -> None:
    keys = f"{Fernet.generate_key().decode()}, {Fernet.generate_key().decode()},"
    assert offline("status", ENCRYPTION_KEYS=keys).exit_code == EX_TEMPFAIL


@pytest.mark.parametrize(
    ("arguments", "named", "problem"),
    [
        (("--personio-url", "api.personio.de"), "--personio-url", "begin with https://"),
        (("--declaree-url", "https://user:pass@scim.example"), "--declaree-url", "user or password"),
        (("--declaree-url", "https://scim.example/?a=1"), "--declaree-url", "leave out"),
        (("--personio-client-id", " "), "--personio-client-id", "empty"),
        (("--personio-client-id", "päpi"), "--personio-client-id", "outside ASCII"),
    ],
)
def test_an_option_that_cannot_be_right_is_named_with_what_is_wrong(
    offline: Cli, arguments: tuple[str, ...], named: str, problem: str
) -> None:
    result = offline(*ADD, *arguments, COLUMNS="200", **SECRETS)
    assert result.exit_code == 2
    assert f"Invalid value for '{named}'" in result.output
    assert problem in result.output
    assert "user:pass" not in result.output


def test_a_name_that_is_none_is_a_wrong_use(offline: Cli) -> None:
    result = offline("connections", "add", " ", "--personio-client-id", "papi-1", **SECRETS)
    assert (result.exit_code, "Invalid value for 'name'" in result.output) == (2, True)


@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_a_secret_that_cannot_be_sent_is_refused_with_the_variable_it_came_by(offline: Cli, variable: str) -> None:
    for command in (ADD, ("connections", "secrets", "c1")):
        result = offline(*command, COLUMNS="200", **(SECRETS | {variable: "kéy-of-ours"}))
        assert result.exit_code == 2
        assert f"Invalid value for '{variable}'" in result.output
        assert "outside ASCII" in result.output
        assert "of-ours" not in result.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"one-of-ours\ntwo", "more than one line"),
        ("of-ours".encode("utf-16"), "no text in UTF-8"),
        (b"\xff\xfe\x00of-ours", "no text in UTF-8"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused_with_the_option_it_came_by(
    offline: Cli, tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    for command in (ADD, ("connections", "secrets", "c1")):
        result = offline(*command, "--declaree-key-file", str(file), COLUMNS="300", **SECRETS)
        assert result.exit_code == 2
        assert "Invalid value for '--declaree-key-file'" in result.output
        assert problem in result.output
        assert "of-ours" not in result.output


def test_a_wrong_answer_is_asked_for_again(offline: Cli) -> None:
    result = offline(*ADD, stdin="kéy\na-secret\na-key\n")
    assert result.output.count("Personio client_secret") == 2
    assert "outside ASCII" in result.output
    assert result.exit_code == EX_TEMPFAIL, "all was entered, the server is not there"


def test_secrets_asks_for_what_it_is_told_to(offline: Cli) -> None:
    result = offline("connections", "secrets", "c1", "--declaree", stdin="a-key\n")
    assert "Declaree API key" in result.output
    assert "client_secret" not in result.output
    assert result.exit_code == EX_TEMPFAIL


def test_who_ends_the_input_is_not_asked_for_ever(offline: Cli) -> None:
    result = offline(*ADD, stdin="", COLUMNS="200")
    assert result.exit_code == 2
    assert "nobody answers; give it with --personio-secret-file or PERSONIO_CLIENT_SECRET" in result.output


def test_where_there_is_no_input_at_all_the_command_says_how_else_to_give_a_secret(settings: dict[str, str]) -> None:
    """As a service manager starts it: its standard input closed, and no terminal."""
    command = [sys.executable, "-m", "services.cli", *ADD]
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    result = subprocess.run(
        closed,
        env={**os.environ, **settings, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert result.returncode == 2
    assert "nobody answers; give it with --personio-secret-file" in result.stderr
