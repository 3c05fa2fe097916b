"""A connection as the product works with it: two systems, their credentials, and whether it is on.

What people enter is checked here, so that it cannot be stored wrong. The messages never quote it.
"""

from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, SecretStr

from services.contracts.ids import ConnectionId
from services.contracts.model import Frozen

_AROUND = "\ufeff\u200b"
"""What editors and web pages leave around a copied text, beside blanks and ends of lines."""


def _credential(text: str) -> str:
    """A text that can be sent in a header; what only stands around it is taken away."""
    bare = text.strip().strip(_AROUND).strip()
    if not bare:
        raise ValueError("it is empty")
    if not bare.isascii():
        raise ValueError("it holds a letter or sign outside ASCII, as copying from a formatted text leaves them")
    if not bare.isprintable():
        raise ValueError("it holds a control character or more than one line")
    return bare


def checked_secret(secret: SecretStr) -> SecretStr:
    """Raises ``ValueError`` for what can be no secret."""
    return SecretStr(_credential(secret.get_secret_value()))


def _address(text: str) -> str:
    bare = _credential(text)
    if " " in bare:
        raise ValueError("it holds a blank")
    try:
        parts = urlsplit(bare)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("it is no address: https://host, perhaps with a port and a path") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("it has to begin with https:// and a host (or http://, for tests)")
    if "@" in parts.netloc:
        raise ValueError("it holds a user or password: credentials have options of their own")
    if "?" in bare or "#" in bare:
        raise ValueError("it ends with the path: leave out what follows the question mark or number sign")
    return bare


def _label(text: str) -> str:
    bare = text.strip()
    if not bare or not bare.isprintable():
        raise ValueError("it has to be a text of one line")
    return bare


Address = Annotated[str, AfterValidator(_address)]
"""Where an API begins: scheme, host, perhaps port and path."""
Credential = Annotated[str, AfterValidator(_credential)]
Secret = Annotated[SecretStr, AfterValidator(checked_secret)]
Label = Annotated[str, AfterValidator(_label)]


class PersonioAccess(Frozen):
    """Where a company's Personio is, and the credential that was generated there."""

    url: Address = "https://api.personio.de"
    client_id: Credential
    client_secret: Secret
    app_id: str = "PERSONIO_DECLAREE"
    partner_id: str | None = None


class DeclareeAccess(Frozen):
    """Where a company's SCIM endpoint is (``…/SCIM/v2``), and how its key is sent."""

    url: Address = "https://app.declaree.com/SCIM/v2"
    key: Secret
    key_header: str = "Authorization"
    key_scheme: str = "Bearer"
    updates: Literal["patch", "put"] = "patch"


class ConnectionState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class Connection(Frozen):
    """One company's link of one Personio account with one Declaree administration. Its name is a label."""

    id: ConnectionId
    name: Label
    state: ConnectionState = ConnectionState.ACTIVE
    personio: PersonioAccess
    declaree: DeclareeAccess
    created_at: AwareDatetime
