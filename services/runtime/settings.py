"""Settings are environment variables. A setting has the same meaning in every service.

Hosts and secrets have no default: without one, the process ends with a line that names it. ``environment.load`` reads them.
"""

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contracts.topics import Topic
from services.runtime.certificates import check_certificates, check_client_certificate

MAX_PORT = 65535
"""Highest TCP port."""

TOLERATED_SHARE = 0.1
"""Share of the poll interval after which a due poll is overdue."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only processes of the same machine, or of the same container, reach."""


class Block(BaseSettings):
    """A group of settings. The documentation prints the docstring of each field."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, case_sensitive=False, use_attribute_docstrings=True
    )


def _parse_addresses(text: str) -> str:
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if colon and not (host and port.isdecimal() and 0 < int(port) <= MAX_PORT):
            raise ValueError("addresses have the form host:port and are separated by commas")
    if not addresses:
        raise ValueError("it contains no address")
    return ",".join(addresses)


_OAUTH = "OAUTHBEARER"


def _check_token_url(url: str | None) -> str | None:
    if not url:
        return None
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1")):
        raise ValueError("the address has to begin with https:// and a host")
    return url


def _is_empty(value: str | SecretStr | None) -> bool:
    return not (value.get_secret_value() if isinstance(value, SecretStr) else value)


class KafkaSettings(Block):
    """How to reach Kafka, and the names and limits that apply there."""

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_parse_addresses)]
    """Kafka's addresses, separated by commas, such as `kafka-1:9092,kafka-2:9092`."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Protocol of the connections to Kafka."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    """SASL mechanism, for the protocols `SASL_PLAINTEXT` and `SASL_SSL`."""
    kafka_sasl_username: str | None = Field(None, validate_default=True)
    """SASL user name; required for the protocols `SASL_PLAINTEXT` and `SASL_SSL` unless the mechanism is `OAUTHBEARER`."""
    kafka_sasl_password: SecretStr | None = Field(None, validate_default=True)
    """SASL password; required for the protocols `SASL_PLAINTEXT` and `SASL_SSL` unless the mechanism is `OAUTHBEARER`."""
    kafka_oauth_token_url: Annotated[str | None, AfterValidator(_check_token_url)] = Field(None, validate_default=True)
    """Address that issues access tokens; required for the mechanism `OAUTHBEARER`. It begins with `https://`, or is on this machine."""
    kafka_oauth_client_id: str | None = Field(None, validate_default=True)
    """Client id for that address; required for the mechanism `OAUTHBEARER`."""
    kafka_oauth_client_secret: SecretStr | None = Field(None, validate_default=True)
    """Client secret for that address; required for the mechanism `OAUTHBEARER`."""
    kafka_oauth_scope: str | None = None
    """Scope of the access tokens, such as `kafka`; without one, the server's own applies."""
    kafka_ssl_cafile: Annotated[str | None, AfterValidator(check_certificates)] = None
    """File with the CA certificates of Kafka's servers, in PEM format. Without a file, the system's certificates apply."""
    kafka_ssl_key_password: SecretStr | None = None
    """Password of the private key in `KAFKA_SSL_KEYFILE`."""
    kafka_ssl_keyfile: str | None = None
    """File with the private key of the client certificate, in PEM format. Without a file, `KAFKA_SSL_CERTFILE` contains the key."""
    kafka_ssl_certfile: str | None = Field(None, validate_default=True)
    """File with the client certificate for Kafka, in PEM format. Without a file, the client shows no certificate."""
    kafka_topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    """Prefix of every topic and consumer group, such as `test-`."""
    kafka_partitions: int = Field(12, ge=1)
    """Number of partitions of a topic that `init` creates."""
    kafka_replication_factor: int = Field(1, ge=1)
    """Number of Kafka servers that keep a copy of each topic that `init` creates."""
    kafka_retention_days: int = Field(90, ge=1)
    """Days for which Kafka keeps events. `init` sets it on the topics. Older events cannot be replayed."""
    kafka_min_compaction_days: float = Field(7, ge=0)
    """Days for which Kafka keeps every event of an employee; afterwards it may keep the newest one only. `init` sets it on the
    topics."""
    kafka_max_compaction_days: float = Field(30, gt=0)
    """Days after which Kafka keeps the newest event of an employee only, or none of an erased employee. `init` sets it on the
    topics."""
    kafka_session_timeout_ms: int = Field(10_000, ge=1_000)
    """Milliseconds without a heartbeat after which Kafka gives the partitions of a replica to the other replicas."""
    kafka_rebalance_timeout_ms: int = Field(60_000, ge=1_000)
    """Milliseconds that Kafka waits for batches in progress before it moves partitions between replicas."""
    kafka_request_timeout_ms: int = Field(40_000, ge=1_000)
    """Timeout of one request to Kafka, in milliseconds."""
    kafka_publish_timeout_seconds: float = Field(60, gt=0)
    """Seconds that a service waits for Kafka to acknowledge published records."""

    @field_validator("kafka_max_compaction_days")
    @classmethod
    def _require_order(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("kafka_min_compaction_days", 0):
            raise ValueError("KAFKA_MAX_COMPACTION_DAYS is below KAFKA_MIN_COMPACTION_DAYS")
        return value

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _require_for_password(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("kafka_security_protocol", "")
        has_password = info.data.get("kafka_sasl_mechanism") != _OAUTH
        if protocol.startswith("SASL") and has_password and _is_empty(value):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL={protocol} requires a value")
        return value

    @field_validator("kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret")
    @classmethod
    def _require_for_oauth(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        uses_sasl = info.data.get("kafka_security_protocol", "").startswith("SASL")
        if uses_sasl and info.data.get("kafka_sasl_mechanism") == _OAUTH and _is_empty(value):
            raise ValueError(f"KAFKA_SASL_MECHANISM={_OAUTH} requires a value")
        return value

    @field_validator("kafka_ssl_certfile")
    @classmethod
    def _check_client_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        keyfile, password = info.data.get("kafka_ssl_keyfile"), info.data.get("kafka_ssl_key_password")
        if not value:
            if keyfile:
                raise ValueError("KAFKA_SSL_KEYFILE requires a value")
            return None
        check_client_certificate(value, keyfile, password)
        return value

    def topic(self, topic: Topic) -> str:
        """Returns the name of a topic in Kafka, with the prefix."""
        return self.kafka_topic_prefix + topic.value

    def group(self, name: str) -> str:
        """Returns the name of a consumer group in Kafka, with the prefix."""
        return self.kafka_topic_prefix + name


class MongoSettings(Block):
    """How to reach MongoDB."""

    mongodb_url: SecretStr
    """MongoDB's address, such as `mongodb://user:password@mongo:27017/?replicaSet=rs0`."""
    mongodb_database: str = Field("personio_declaree", pattern=r"^[A-Za-z0-9_-]{1,63}$")
    """Name of the database."""
    mongodb_timeout_ms: int = Field(5_000, ge=100)
    """Milliseconds without an answer after which MongoDB counts as unavailable."""


class EncryptionSettings(Block):
    """The keys that encrypt the stored credentials."""

    encryption_keys: SecretStr
    """Keys that encrypt the stored credentials (32 bytes in base64), separated by commas, the newest first. `make env` generates
    one."""

    @property
    def keys(self) -> tuple[SecretStr, ...]:
        """The keys one by one, the newest first."""
        return tuple(
            SecretStr(key.strip()) for key in self.encryption_keys.get_secret_value().split(",") if key.strip()
        )


class AddressSettings(Block):
    """Which addresses of Personio and Declaree may be used."""

    allow_private_addresses: bool = False
    """Whether Personio and Declaree may have addresses of private networks, as in a demo or behind an own gateway."""


class PollingSettings(Block):
    """The pace of the polls, as the poller keeps it and the commands expect it."""

    poll_interval_seconds: float = Field(900, gt=0)
    """Seconds between two polls of a connection. A poll that is late by more than a tenth is overdue."""
    poll_personio_per_minute: int = Field(250, ge=1)
    """Maximum number of requests for employees that all pollers together send in a minute to each address of Personio. Personio
    allows 300 per IP address."""

    @property
    def poll_tolerance(self) -> timedelta:
        """Time after which a due poll is overdue."""
        return timedelta(seconds=self.poll_interval_seconds * TOLERATED_SHARE)


class ProcessSettings(Block):
    """The health server, the logs and the end of a process."""

    http_host: str = "127.0.0.1"
    """Address where health and metrics are served."""
    http_port: int = Field(8080, ge=0, le=MAX_PORT)
    """Port where health and metrics are served; 0 lets the system choose a free one."""
    http_token: SecretStr | None = Field(None, validate_default=True)
    """Token that each request for health or metrics must send, as `Authorization: Bearer …`. Required unless HTTP_HOST is an
    address that only this machine reaches."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest severity that is logged."""
    graceful_timeout_seconds: float = Field(45, gt=0)
    """Seconds that a stopping process gets to finish its current work."""
    stalled_after_seconds: float = Field(180, gt=0)
    """Seconds without progress after which a service is no longer ready."""

    @field_validator("http_token")
    @classmethod
    def _require_for_other_machines(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        host = info.data.get("http_host", LOOPBACK[0])
        if host not in LOOPBACK and not (value and value.get_secret_value()):
            raise ValueError(f"HTTP_HOST={host} requires a value")
        return value
