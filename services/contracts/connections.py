"""A connection: one Personio account, one Declaree administration and their credentials.

The models check what an administrator enters, so that an invalid value cannot be stored. The messages never contain it.
"""

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, model_validator

from services.contracts.ids import ConnectionId
from services.contracts.values import FrozenModel

_PASTE_ARTEFACTS = "\ufeff\u200b"
"""Invisible characters that copy and paste adds around a value: byte order mark, zero-width space."""
UNENCRYPTED = "the address is not encrypted: begin with https://, or add --insecure-http for a test system"
"""What is wrong with an address that begins with http://, and what to do."""


def _clean_credential(text: str) -> str:
    """Removes space around the value. Raises ``ValueError`` if the rest cannot be sent in a header."""
    value = text.strip().strip(_PASTE_ARTEFACTS).strip()
    if not value:
        raise ValueError("the value is empty")
    if not value.isascii():
        raise ValueError("the value contains a character outside ASCII: copy it again as plain text")
    if not value.isprintable():
        raise ValueError("the value contains a control character or a line break: enter it on one line")
    return value


def validate_secret(secret: SecretStr) -> SecretStr:
    """Returns the secret without space around it. Raises ``ValueError`` for a value that cannot be a secret."""
    return SecretStr(_clean_credential(secret.get_secret_value()))


def _clean_address(text: str) -> str:
    value = _clean_credential(text)
    if " " in value:
        raise ValueError("the address contains a space: remove it")
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("the address is invalid: enter https://host, with a port and a path if needed") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("the address is incomplete: begin with https:// and a host (http:// is for tests only)")
    if "@" in parts.netloc:
        raise ValueError("the address contains a user or password: remove them, credentials have their own options")
    if "?" in value or "#" in value:
        raise ValueError(
            "the address contains a query or fragment: remove the question mark or number sign and the rest"
        )
    return value


def _clean_label(text: str) -> str:
    value = text.strip()
    if not value or not value.isprintable():
        raise ValueError("the name is empty or not one line: enter one line of text")
    return value


Address = Annotated[str, AfterValidator(_clean_address)]
"""Base address of an API: scheme, host, and a port and path if needed."""
Credential = Annotated[str, AfterValidator(_clean_credential)]
"""The public part of a credential, such as Personio's ``client_id``."""
Secret = Annotated[SecretStr, AfterValidator(validate_secret)]
"""The secret part of a credential, or an API key."""
Label = Annotated[str, AfterValidator(_clean_label)]
"""A display name, on one line."""


def is_unencrypted(url: str) -> bool:
    """Returns whether requests to an address are sent without encryption."""
    return urlsplit(url).scheme == "http"


class _Access(FrozenModel):
    """Access to one system."""

    url: Address
    """Base address of the system."""
    insecure_http: bool = False
    """Whether the address may begin with http://. Secrets and personal data are then sent unencrypted."""

    @model_validator(mode="after")
    def _require_encryption(self) -> Self:
        if not self.insecure_http and is_unencrypted(self.url):
            raise ValueError(UNENCRYPTED)
        return self


class PersonioAccess(_Access):
    """Address of a company's Personio, and the API credential."""

    url: Address = "https://api.personio.de"
    """Base address of Personio's API."""
    client_id: Credential
    """Public part of the API credential."""
    client_secret: Secret
    """Secret part of the API credential."""
    app_id: str = "PERSONIO_DECLAREE"
    """Name of this product in requests to Personio (header `X-Personio-App-ID`)."""
    partner_id: str | None = None
    """Personio's id of the partner that operates the product (header `X-Personio-Partner-ID`); None sends no such header."""

    @property
    def fingerprint(self) -> str:
        """Identifies address and credential, without its secret: another credential may show other employees."""
        return hashlib.sha256(f"{self.url} {self.client_id}".encode()).hexdigest()


class DeclareeAccess(_Access):
    """Address of a company's SCIM endpoint, the API key, and how it is sent."""

    url: Address = "https://app.declaree.com/SCIM/v2"
    """Base address of the SCIM endpoint. Its path ends with `/SCIM/v2` in Declaree."""
    key: Secret
    """API key of Declaree."""
    key_header: str = "Authorization"
    """The header that carries the key."""
    key_scheme: str = "Bearer"
    """The word before the key in that header; empty for the key alone."""
    updates: Literal["patch", "put"] = "patch"
    """The HTTP method for updates that is tried first."""


@lru_cache(maxsize=1024)
def normalise_server(url: str) -> str:
    """Returns the address of a SCIM endpoint in one spelling: two connections to one server have the same.

    Case, doubled slashes, percent-encoding, parameters of a step and steps such as ``..``, which a client resolves before it
    sends a request, make no difference: no server has two endpoints that differ by these alone. An invalid address is returned
    as it is: the first request tells what is wrong with it.
    """
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme) else ""
    except ValueError:
        return url
    segments: list[str] = []
    for step in unquote(parts.path).lower().replace("\\", "/").split("/"):
        segment = step.partition(";")[0]
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/".join([f"{parts.scheme}://{(parts.hostname or '').rstrip('.').lower()}{port}", *segments])


def normalise_host(url: str) -> str:
    """Returns host and port of an address in one spelling: what limits the requests to it counts them together.

    An invalid address is returned as it is: the first request tells what is wrong with it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
    except ValueError:
        return url
    return f"{(parts.hostname or '').rstrip('.')}:{port}"


_DEFAULT_PORTS = {"https": 443, "http": 80}


class ConnectionState(StrEnum):
    """Whether the connection is synchronised."""

    ACTIVE = "active"
    """The poller polls the connection, and the writer writes its changes."""
    PAUSED = "paused"
    """The connection is not polled, except on request, and nothing is written: changes wait until it is active again."""


class LinkPolicy(StrEnum):
    """What happens with an account that existed before and has the e-mail address of an employee."""

    ASK = "ask"
    """An administrator decides about each account."""
    BY_EMAIL = "by_email"
    """An enabled account without an external id and without a role is linked if its first or last name fits as well. An
    administrator decides about every other account."""


def _validate_time_zone(name: str) -> str:
    """Returns the name of a time zone. Raises ``ValueError`` for an unknown one."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError("the time zone is unknown: enter a name such as Europe/Berlin") from None
    return name


TimeZone = Annotated[str, AfterValidator(_validate_time_zone)]
"""The name of a time zone in the IANA database."""
DEFAULT_TIME_ZONE = "Europe/Berlin"
"""The time zone of a company that names none."""


class Guard(FrozenModel):
    """The thresholds above which the changes of one run are unusual. A group of changes has to be above both.

    The brake of the writers has the same thresholds, for the accounts that are disabled within an hour.
    """

    is_on: bool = True
    """Whether unusual changes are held."""
    share: float = Field(default=0.2, ge=0, le=1)
    """Share of the employees that were known before the run, or of the accounts that were enabled before, from 0 to 1."""
    people: int = Field(default=10, ge=0)
    """Number of employees with the same kind of change, or of accounts."""


class Connection(FrozenModel):
    """The link of one Personio account with one Declaree administration."""

    id: ConnectionId
    """Id of the connection; never reused."""
    name: Label
    """A display name. The product identifies a connection by its id only."""
    state: ConnectionState = ConnectionState.ACTIVE
    """Whether the connection is synchronised."""
    personio: PersonioAccess
    """Access to Personio."""
    declaree: DeclareeAccess
    """Access to Declaree."""
    link_policy: LinkPolicy = LinkPolicy.ASK
    """What happens with an account that existed before and has the e-mail address of an employee."""
    guard: Guard = Field(default_factory=Guard)
    """The thresholds above which the changes of one run are held until an administrator decides."""
    time_zone: TimeZone = DEFAULT_TIME_ZONE
    """The company's time zone. Its days decide when an employment begins and ends."""
    started_at: AwareDatetime | None = None
    """When an administrator started the connection, after the preview of its first import; None before."""
    created_at: AwareDatetime
    """When the connection was added."""
    personio_secret_at: AwareDatetime | None = None
    """When the Personio secret was stored; None for one that was stored before this was noted."""
    declaree_key_at: AwareDatetime | None = None
    """When the Declaree key was stored; None for one that was stored before this was noted."""

    def without_secrets(self) -> "Connection":
        """Returns the connection with empty secrets, for work that sends no request."""
        empty = SecretStr("")
        personio = self.personio.model_copy(update={"client_secret": empty})
        declaree = self.declaree.model_copy(update={"key": empty})
        return self.model_copy(update={"personio": personio, "declaree": declaree})
