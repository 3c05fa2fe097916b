"""A connection as the product works with it: two systems, their credentials, and whether it is on."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr

from services.contracts.ids import ConnectionId
from services.contracts.model import Frozen


class PersonioAccess(Frozen):
    """Where a company's Personio is, and the credential that was generated there."""

    url: str = "https://api.personio.de"
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    app_id: str = "PERSONIO_DECLAREE"
    partner_id: str | None = None


class DeclareeAccess(Frozen):
    """Where a company's SCIM endpoint is (``…/SCIM/v2``), and how its key is sent."""

    url: str = "https://app.declaree.com/SCIM/v2"
    key: SecretStr
    key_header: str = "Authorization"
    key_scheme: str = "Bearer"
    updates: Literal["patch", "put"] = "patch"


class ConnectionState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class Connection(Frozen):
    """One company's link of one Personio account with one Declaree administration. Its name is a label."""

    id: ConnectionId
    name: str
    state: ConnectionState = ConnectionState.ACTIVE
    personio: PersonioAccess
    declaree: DeclareeAccess
    created_at: AwareDatetime
