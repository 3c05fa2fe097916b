"""Settings are environment variables: the same name means the same in every service.

Hosts and secrets have no default, so a missing one stops the process with its name. Read in ``__main__`` only.
"""

import os
import ssl
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contracts.topics import Topic

EX_CONFIG = 78
"""The exit code of a process whose settings are wrong (sysexits.h)."""

MAX_PORT = 65535

S = TypeVar("S", bound=BaseSettings)


class Block(BaseSettings):
    """A group of settings; ``description`` is what the documentation prints."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, case_sensitive=False)


def _addresses(text: str) -> str:
    found = [address.strip() for address in text.split(",") if address.strip()]
    for address in found:
        host, colon, port = address.rpartition(":")
        if colon and not (host and port.isdecimal() and 0 < int(port) <= MAX_PORT):
            raise ValueError("it has the form host:port,host:port")
    if not found:
        raise ValueError("it holds no address")
    return ",".join(found)


def _certificates(path: str | None) -> str | None:
    if not path:
        return None  # as Compose hands on what is not set
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one
        raise ValueError(f"certificates cannot be read from that file ({type(error).__name__})") from None
    return path


class KafkaSettings(Block):
    kafka_bootstrap_servers: Annotated[str, AfterValidator(_addresses)] = Field(
        description="Kafka's addresses, separated by commas"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, where the protocol is SASL_…"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user name", validate_default=True)
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password", validate_default=True)
    kafka_ssl_cafile: Annotated[str | None, AfterValidator(_certificates)] = Field(
        None, description="File with the CA certificates of Kafka's servers"
    )
    kafka_topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="Stands before every topic and consumer group name"
    )
    kafka_partitions: int = Field(12, ge=1, description="Partitions of each topic when `init` creates it")
    kafka_replication_factor: int = Field(1, ge=1, description="Copies of each topic when `init` creates it")
    kafka_retention_days: int = Field(
        90, ge=1, description="How long events are kept, as `init` creates the topics; as far back goes a replay"
    )
    kafka_session_timeout_ms: int = Field(10_000, ge=1_000, description="A consumer silent for so long is given up")
    kafka_rebalance_timeout_ms: int = Field(60_000, ge=1_000, description="How long a rebalance waits for a batch")
    kafka_request_timeout_ms: int = Field(40_000, ge=1_000, description="Limit of one request to Kafka")
    kafka_publish_timeout_seconds: float = Field(60, gt=0, description="Limit for the acknowledgement of a publish")

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _given_for_sasl(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("kafka_security_protocol", "")
        if protocol.startswith("SASL") and not (value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL={protocol} needs it")
        return value

    def topic(self, topic: Topic) -> str:
        return self.kafka_topic_prefix + topic.value

    def group(self, name: str) -> str:
        return self.kafka_topic_prefix + name


class MongoSettings(Block):
    mongodb_url: SecretStr = Field(description="MongoDB's address, with user and password where it asks for them")
    mongodb_database: str = Field(
        "personio_declaree", pattern=r"^[A-Za-z0-9_-]{1,63}$", description="Name of the database"
    )
    mongodb_timeout_ms: int = Field(
        5_000, ge=100, description="How long MongoDB may be silent before it counts as down"
    )


class EncryptionSettings(Block):
    encryption_keys: SecretStr = Field(
        description="Fernet keys for the stored credentials, separated by commas, the newest first (`make env` makes one)"
    )

    @property
    def keys(self) -> tuple[SecretStr, ...]:
        return tuple(
            SecretStr(key.strip()) for key in self.encryption_keys.get_secret_value().split(",") if key.strip()
        )


class ProcessSettings(Block):
    http_host: str = Field("127.0.0.1", description="Where health and metrics are served")
    http_port: int = Field(8080, ge=0, le=MAX_PORT, description="Port of health and metrics; 0 takes a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged"
    )
    graceful_timeout_seconds: float = Field(45, gt=0, description="How long work in flight may take when stopping")
    stalled_after_seconds: float = Field(180, gt=0, description="Without progress for so long a service is not ready")


def load(settings: type[S]) -> S:
    """The settings from the environment; ends the process with a line that names what is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = "_".join(map(str, problem["loc"])).upper()
            wrong = problem["msg"].removeprefix("Value error, ")
            what = "is missing" if problem["type"] == "missing" else f"is wrong: {wrong}"
            print(f"{name} {what}; the settings are listed in .env.example", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        sys.exit(EX_CONFIG)


def read_secret_files() -> None:
    """``NAME_FILE`` gives the secret ``NAME`` from a file, as container engines hand them over.

    Ends the process with a line that names the variable where the file cannot be read.
    """
    for name in ("ENCRYPTION_KEYS", "MONGODB_URL", "KAFKA_SASL_PASSWORD"):
        path = os.environ.get(f"{name}_FILE")
        if path and name not in os.environ:
            try:
                os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                what = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
                print(f"{name}_FILE is wrong: {what}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
                sys.exit(EX_CONFIG)
