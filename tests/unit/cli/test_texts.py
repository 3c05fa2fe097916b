"""The texts of errors that need no server, compared with ``tests/golden/cli``."""

import os
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from services.admin import users as admin_users
from services.runtime.kafka.rights import USERS
from services.store import users as store_users
from tests.support.command_line import ADD_CONNECTION, COMMANDS, GOLDEN, SECRETS, UPDATE, Cli, Transcript

SECRET_FILES = {
    "An empty file.": b"",
    "A file with two lines.": b"one\ntwo",
    "A file that is not text.": b"\xff\xfe\x00",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the commands, so that texts contain file names without a path."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(os.environ.get(UPDATE) == "1", reason="the files are being written")
def test_recorded_texts_cover_all_commands() -> None:
    """Every command that prints a result has a file, and a file of a former command is removed. A further file has a dot."""
    expected = {command.replace(" ", "-") for command in COMMANDS} - {"up"} | {"errors", "wrong-use"}

    assert {file.name.partition(".")[0] for file in GOLDEN.iterdir()} == expected


def test_texts_of_setting_and_server_errors(settings: dict[str, str], folder: Path) -> None:
    """One line states the setting or server, what is wrong, and what to do."""
    (folder / "ca.pem").write_text("nothing")
    key = settings.pop("ENCRYPTION_KEYS")
    errors = Transcript(Cli(settings))

    errors.record("A missing setting.", "status")
    errors.record("A secret file that does not exist.", "status", ENCRYPTION_KEYS_FILE="/no/such/file")
    errors.record("No encryption key.", "status", ENCRYPTION_KEYS=" , ")
    errors.record("An invalid encryption key.", "status", ENCRYPTION_KEYS="no-key")
    settings["ENCRYPTION_KEYS"] = key
    errors.record("A number that is not a number.", "status", MONGODB_TIMEOUT_MS="quite long")
    errors.record("An invalid MongoDB address.", "status", MONGODB_URL="http://nowhere")
    errors.record("An invalid Kafka address.", "status", KAFKA_BOOTSTRAP_SERVERS="kafka:abc")
    errors.record("SASL without a user.", "status", KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_PASSWORD="word")
    errors.record("A file without certificates.", "status", KAFKA_SSL_CAFILE="ca.pem")
    errors.record("MongoDB does not answer.", "status")
    errors.record("Kafka does not answer.", "init")

    errors.compare("errors")


def test_texts_of_wrong_use(offline: Cli, folder: Path) -> None:
    """The message names the option, argument or variable, and what is wrong with its value."""
    wrong_use = Transcript(offline)
    secrets = ("connections", "secrets", "c1")

    wrong_use.record("An address without a scheme.", *ADD_CONNECTION, "--personio-url", "api.personio.de")
    wrong_use.record("An unencrypted address.", *ADD_CONNECTION, "--personio-url", "http://personio.example")
    wrong_use.record("A password in an address.", *ADD_CONNECTION, "--declaree-url", "https://user:pass@scim.example")
    wrong_use.record("A query in an address.", *ADD_CONNECTION, "--declaree-url", "https://scim.example/?a=1")
    wrong_use.record("An empty client_id.", "connections", "add", "Nordlicht", "--personio-client-id", " ")
    wrong_use.record("A client_id outside ASCII.", "connections", "add", "Nordlicht", "--personio-client-id", "päpi")
    wrong_use.record("An empty label.", "connections", "add", " ", "--personio-client-id", "papi-1")
    wrong_use.record("A secret outside ASCII.", *ADD_CONNECTION, **SECRETS | {"DECLAREE_KEY": "kéy"})
    for situation, content in SECRET_FILES.items():
        (folder / "key").write_bytes(content)
        wrong_use.record(situation, *secrets, "--declaree-key-file", "key")
    wrong_use.record("A file that does not exist.", *secrets, "--declaree-key-file", "/no/such/file")
    wrong_use.record("No secret.", *secrets)
    wrong_use.record("A prompt without an answer.", *ADD_CONNECTION, stdin="")
    wrong_use.record("An invalid answer to a prompt.", *secrets, "--declaree", stdin="kéy\n")
    wrong_use.record("An empty connection id.", "replay", "--connection", "")
    wrong_use.record("An employee without a connection.", "replay", "--employee", "7")

    wrong_use.compare("wrong-use")


@pytest.fixture
def secrets(folder: Path) -> Path:
    """The folder with the files that `make env` writes for the users."""
    secrets = folder / ".secrets"
    secrets.mkdir()
    for user in USERS:
        (secrets / f"kafka_{user}").write_text("password")
    for user in (store_users.ADMIN, *store_users.ROLES):
        (secrets / f"mongodb_{user}").write_text(f"mongodb://{user}:password@127.0.0.1:9/?replicaSet=rs0")
    return secrets


def test_texts_of_users_kafka(offline: Cli, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetition changes nothing. No text contains a password."""
    texts = Transcript(offline)
    changes = ("created the right of mapper on declaree.accounts.requested.v1", "removed the right of mapper on other")

    texts.record("Kafka does not answer.", "users", "kafka", ".secrets")
    with monkeypatch.context() as patch:
        patch.setattr(admin_users, "ensure_kafka_users", AsyncMock(side_effect=[changes, ()]))
        texts.record("Rights have changed.", "users", "kafka", ".secrets")
        texts.record("Nothing has changed.", "users", "kafka", ".secrets")
    (secrets / "kafka_mapper").unlink()
    texts.record("A password is missing.", "users", "kafka", ".secrets")

    texts.compare("users-kafka")


def test_texts_of_users_mongodb(offline: Cli, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repetition changes nothing. No text contains a password."""
    texts = Transcript(offline)
    created = ("replica set rs0 of mongo:27017", "user admin", "user mapper")

    texts.record("MongoDB does not answer.", "users", "mongodb", ".secrets")
    with monkeypatch.context() as patch:
        patch.setattr(store_users, "ensure_users", AsyncMock(side_effect=[created, ()]))
        texts.record("A new server.", "users", "mongodb", ".secrets")
        texts.record("Nothing has changed.", "users", "mongodb", ".secrets")
    (secrets / "mongodb_mapper").write_text("mongodb://writer:password@mongo:27017/")
    texts.record("A file has the address of another user.", "users", "mongodb", ".secrets")

    texts.compare("users-mongodb")
