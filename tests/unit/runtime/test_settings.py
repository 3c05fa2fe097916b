"""Settings are read from the environment. An invalid one is named without its value."""

import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.contracts.topics import Topic
from services.runtime.environment import EX_CONFIG, load
from services.runtime.kafka.client import build_client_options
from services.runtime.settings import (
    EncryptionSettings,
    KafkaSettings,
    MongoSettings,
    PollingSettings,
    ProcessSettings,
)
from tests.support.certificates import Authority

SECRETS = (
    "ENCRYPTION_KEYS",
    "MONGODB_URL",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_OAUTH_CLIENT_SECRET",
    "KAFKA_SSL_KEY_PASSWORD",
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes all settings."""
    for settings in (KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
        for name in settings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    for name in SECRETS:
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def make_kafka_settings(**settings: Any) -> KafkaSettings:
    return KafkaSettings(**{"kafka_bootstrap_servers": "kafka:9092"} | settings)


# ------------------------------------------------------------ reading


def test_load_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a variable is the name of the setting in capital letters."""
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    monkeypatch.setenv("HTTP_PORT", "0")

    settings = load(ProcessSettings)

    assert settings.log_level == "ERROR"
    assert settings.http_port == 0
    assert settings.http_host == "127.0.0.1"


def test_poll_is_overdue_after_a_tenth_of_the_interval() -> None:
    """The metric and the command `status` agree on when a poll is overdue."""
    assert PollingSettings(poll_interval_seconds=900).poll_tolerance == timedelta(seconds=90)


def test_missing_setting_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the setting and the list of all settings."""
    with pytest.raises(SystemExit) as ended:
        load(MongoSettings)

    assert ended.value.code == EX_CONFIG
    assert capsys.readouterr().err == "MONGODB_URL is missing; the settings are listed in .env.example\n"


@pytest.mark.promise("P7")
def test_invalid_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value may be a secret that was set under the wrong name."""
    monkeypatch.setenv("HTTP_PORT", "secret-value")

    with pytest.raises(SystemExit) as ended:
        load(ProcessSettings)

    assert ended.value.code == EX_CONFIG
    error = capsys.readouterr().err
    assert error.startswith("HTTP_PORT is invalid: ")
    assert "secret-value" not in error


def test_every_setting_has_a_description() -> None:
    """The docstring of the field is printed in the documentation."""
    for settings in (KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
        assert all(field.description for field in settings.model_fields.values())


# ------------------------------------------------------------ Kafka


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("kafka:9092", "kafka:9092"),
        (" a:1 , b:2,", "a:1,b:2"),
        ("kafka", "kafka"),
        ("[::1]:9092", "[::1]:9092"),
    ],
)
def test_kafka_addresses_are_normalized(text: str, addresses: str) -> None:
    """Spaces and empty parts are removed; the port may be missing."""
    assert make_kafka_settings(kafka_bootstrap_servers=text).kafka_bootstrap_servers == addresses


@pytest.mark.parametrize("text", ["", " , ", "kafka:", "kafka:0", "kafka:65536", "kafka:port", ":9092"])
def test_invalid_kafka_addresses_are_rejected(text: str) -> None:
    """A wrong address would otherwise look like an unavailable Kafka."""
    with pytest.raises(ValueError, match="kafka_bootstrap_servers"):
        make_kafka_settings(kafka_bootstrap_servers=text)


@pytest.mark.parametrize("name", ["kafka_sasl_username", "kafka_sasl_password"])
def test_sasl_requires_user_name_and_password(name: str) -> None:
    """An empty value counts as missing."""
    credentials = {"kafka_sasl_username": "sync", "kafka_sasl_password": "word"}

    make_kafka_settings(kafka_security_protocol="SASL_SSL", **credentials)
    with pytest.raises(ValueError, match="KAFKA_SECURITY_PROTOCOL=SASL_SSL requires a value"):
        make_kafka_settings(kafka_security_protocol="SASL_SSL", **credentials | {name: ""})


OAUTH = {
    "kafka_oauth_token_url": "https://login.example/token",
    "kafka_oauth_client_id": "sync",
    "kafka_oauth_client_secret": "word",
}


@pytest.mark.parametrize("name", OAUTH)
def test_oauth_requires_its_own_settings_only(name: str) -> None:
    """User name and password are not needed, and an empty value counts as missing."""
    protocol = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"}

    make_kafka_settings(**protocol, **OAUTH)
    with pytest.raises(ValueError, match="KAFKA_SASL_MECHANISM=OAUTHBEARER requires a value"):
        make_kafka_settings(**protocol, **OAUTH | {name: ""})


@pytest.mark.parametrize(
    "url", ["http://login.example/token", "login.example", "https://", "http://127.0.0.1.example/"]
)
def test_token_url_has_to_be_encrypted(url: str) -> None:
    """The client secret is sent there. Only this machine itself may be reached without encryption."""
    assert make_kafka_settings(kafka_oauth_token_url="http://127.0.0.1:8080/t").kafka_oauth_token_url is not None
    with pytest.raises(ValueError, match="begin with https://"):
        make_kafka_settings(kafka_oauth_token_url=url)


@pytest.mark.parametrize("password", [None, "key-word"])
@pytest.mark.parametrize("is_one_file", [True, False])
def test_client_certificate_is_loaded(tmp_path: Path, password: str | None, *, is_one_file: bool) -> None:
    """Certificate and key may be in one file, and the key may have a password."""
    authority = Authority(tmp_path)
    issued = authority.issue("sync", password)
    parts = (issued.certificate, issued.key) if is_one_file else (issued.certificate,)
    settings = make_kafka_settings(
        kafka_security_protocol="SSL",
        kafka_ssl_cafile=authority.cafile,
        kafka_ssl_certfile=authority.write("client.pem", *parts),
        kafka_ssl_keyfile="" if is_one_file else authority.write("client.key", issued.key),
        kafka_ssl_key_password=password,
    )

    assert isinstance(build_client_options(settings)["ssl_context"], ssl.SSLContext)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"kafka_ssl_certfile": "client.pem"}, r"\(SSLError\): check KAFKA_SSL_KEYFILE"),
        ({"kafka_ssl_certfile": "client.pem", "kafka_ssl_keyfile": "missing"}, r"\(FileNotFoundError\)"),
        ({"kafka_ssl_certfile": "client.pem", "kafka_ssl_keyfile": "client.key"}, r"\(SSLError\): .*KEY_PASSWORD"),
        ({"kafka_ssl_certfile": "client.pem", "kafka_ssl_keyfile": "other.key"}, r"\(SSLError\)"),
        ({"kafka_ssl_keyfile": "client.key"}, "KAFKA_SSL_KEYFILE requires a value"),
    ],
)
def test_certificate_without_its_key_is_rejected(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    """The key is missing, encrypted, or that of another certificate; or the certificate is missing."""
    authority = Authority(tmp_path)
    issued = authority.issue("sync", "key-word")
    authority.write("client.pem", issued.certificate)
    authority.write("client.key", issued.key)
    authority.write("other.key", authority.issue("other").key)

    with pytest.raises(ValueError, match=problem):
        make_kafka_settings(**{name: str(tmp_path / file) for name, file in files.items()})


def test_empty_certificate_file_means_none() -> None:
    """Compose passes a variable that is not set as an empty one."""
    settings = make_kafka_settings(kafka_ssl_cafile="", kafka_ssl_certfile="", kafka_ssl_keyfile="")

    assert settings.kafka_ssl_cafile is None
    assert settings.kafka_ssl_certfile is None


def test_file_without_certificates_is_rejected(tmp_path: Path) -> None:
    """The error names the class of the problem."""
    file = tmp_path / "ca.pem"
    file.write_text("nothing")

    with pytest.raises(ValueError, match=r"no certificate can be read from this file \(SSLError\)"):
        make_kafka_settings(kafka_ssl_cafile=str(file))


def test_prefix_precedes_topics_and_groups() -> None:
    """Several installations can share a cluster."""
    settings = make_kafka_settings(kafka_topic_prefix="test-")

    assert settings.topic(Topic.DEAD_LETTERS) == f"test-{Topic.DEAD_LETTERS.value}"
    assert settings.group("writer") == "test-writer"


# ------------------------------------------------------------ secrets


def test_encryption_keys_are_split_in_order() -> None:
    """The first key encrypts, all of them decrypt."""
    settings = EncryptionSettings(encryption_keys=SecretStr(" new , old,"))

    assert [key.get_secret_value() for key in settings.keys] == ["new", "old"]


@pytest.mark.promise("P7")
def test_secrets_are_hidden_in_the_text_of_settings() -> None:
    """Settings may end up in a message or in a traceback."""
    settings = [
        MongoSettings(mongodb_url=SecretStr("mongodb://user:word@mongo")),
        EncryptionSettings(encryption_keys=SecretStr("word")),
        make_kafka_settings(kafka_sasl_password="word"),
    ]

    assert "word" not in repr(settings).replace("password", "")


@pytest.mark.parametrize("value", [None, ""])
def test_secret_is_read_from_its_file(value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and line ends are removed. Compose passes a variable that is not set as an empty one."""
    file = tmp_path / "secret"
    file.write_text(" from the file\n", encoding="utf-8")
    monkeypatch.setenv("MONGODB_URL_FILE", str(file))
    if value is not None:
        monkeypatch.setenv("MONGODB_URL", value)

    settings = load(MongoSettings)

    assert settings.mongodb_url.get_secret_value() == "from the file"
    assert os.environ.get("MONGODB_URL") == value


def test_secret_in_the_environment_precedes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an unreadable file does not matter then."""
    monkeypatch.setenv("MONGODB_URL", "from the environment")
    monkeypatch.setenv("MONGODB_URL_FILE", str(tmp_path / "missing"))

    settings = load(MongoSettings)

    assert settings.mongodb_url.get_secret_value() == "from the environment"


def test_setting_without_a_secret_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content of a file is never printed as an invalid value, or logged as a plain setting."""
    monkeypatch.setenv("LOG_LEVEL_FILE", str(tmp_path / "missing"))

    settings = load(ProcessSettings)

    assert settings.log_level == "INFO"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff\xfe", "the content is not UTF-8 text")]
)
def test_unreadable_secret_file_ends_the_process(
    content: bytes | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names the variable and the reason."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MONGODB_URL_FILE", str(file))

    with pytest.raises(SystemExit) as ended:
        load(MongoSettings)

    assert ended.value.code == EX_CONFIG
    assert capsys.readouterr().err == f"MONGODB_URL_FILE names a file that cannot be read: {reason}\n"


def test_compaction_lags_in_the_wrong_order_are_invalid() -> None:
    """Kafka would compact what it must keep."""
    with pytest.raises(ValidationError, match="KAFKA_MAX_COMPACTION_DAYS is below KAFKA_MIN_COMPACTION_DAYS"):
        KafkaSettings(kafka_bootstrap_servers="nowhere:1", kafka_min_compaction_days=8, kafka_max_compaction_days=7)


@pytest.mark.parametrize(
    ("host", "token"), [("127.0.0.1", None), ("::1", ""), ("localhost", None), ("10.0.0.1", "word")]
)
def test_address_of_the_machine_itself_requires_no_token(
    host: str, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes of the machine may read health and metrics there, as they may read the log."""
    monkeypatch.setenv("HTTP_HOST", host)
    if token is not None:
        monkeypatch.setenv("HTTP_TOKEN", token)

    assert load(ProcessSettings).http_host == host


@pytest.mark.parametrize("token", [None, ""])
def test_other_address_requires_a_token(
    token: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service must not be open to other machines because of one forgotten setting."""
    monkeypatch.setenv("HTTP_HOST", "10.0.0.1")
    if token is not None:
        monkeypatch.setenv("HTTP_TOKEN", token)

    with pytest.raises(SystemExit) as ended:
        load(ProcessSettings)

    assert ended.value.code == EX_CONFIG
    assert "HTTP_TOKEN is invalid: HTTP_HOST=10.0.0.1 requires a value" in capsys.readouterr().err
