"""Replaces the credentials of a connection and the encryption key of all connections."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import SecretStr

from services.contracts.connections import validate_secret
from services.contracts.ids import ConnectionId
from services.errors import ConfigurationError
from services.runtime.clock import Clock
from services.store.connections import Rotation
from services.store.database import Store


class UnusableSecretError(ConfigurationError):
    """The entered value cannot be a secret. The message says why, without quoting the value."""

    code: ClassVar[str] = "unusable-secret"


@dataclass(frozen=True, slots=True)
class Credentials:
    """New credentials of a connection."""

    personio_client_id: str | None = None
    """Personio's client_id; None keeps the stored one. A new client_id always comes with a new client_secret."""
    personio_secret: SecretStr | None = None
    """Personio's client_secret; None keeps the stored one."""
    declaree_key: SecretStr | None = None
    """Declaree's API key; None keeps the stored one."""


async def set_credentials(store: Store, clock: Clock, connection: ConnectionId, credentials: Credentials) -> None:
    """Stores new credentials. Waiting changes are resent once a probe with the new credentials succeeds.

    Raises ``UnusableSecretError``, ``UnknownConnectionError``, and ``DuplicateConnectionError`` for a client_id that
    another connection uses.
    """
    await store.connections.set_credentials(
        connection,
        now=clock.now(),
        personio_client_id=credentials.personio_client_id,
        personio_secret=_validate("Personio client_secret", credentials.personio_secret),
        declaree_key=_validate("Declaree key", credentials.declaree_key),
    )


def _validate(name: str, secret: SecretStr | None) -> SecretStr | None:
    try:
        return None if secret is None else validate_secret(secret)
    except ValueError as error:
        raise UnusableSecretError(f"the {name} cannot be stored: {error}") from None


async def rotate_keys(store: Store) -> Rotation:
    """Encrypts all stored secrets with the first of ENCRYPTION_KEYS.

    The result names the connections with a secret that none of the keys decrypts. If it names no connection, the keys
    after the first can be removed from the setting.
    """
    return await store.connections.rotate_keys()
