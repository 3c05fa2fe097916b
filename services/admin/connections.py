"""Connections: adding, checking, pausing."""

import asyncio
from dataclasses import dataclass

from pydantic import SecretStr

from services.clients.declaree.client import DeclareeClient
from services.clients.personio.client import PersonioClient
from services.contracts.connections import (
    Connection,
    ConnectionState,
    DeclareeAccess,
    PersonioAccess,
    checked_secret,
)
from services.contracts.ids import ConnectionId
from services.contracts.mappings import default_mapping
from services.errors import ConfigurationError, ConnectorError
from services.runtime.clock import Clock
from services.store.connections import Rotation
from services.store.database import Store

MINIMUM = ("first_name", "last_name", "email", "status")

VENDORS_CONNECTOR = (
    "Switch off the Personio connector in Declaree itself (Configuration, Connections, Personio): "
    "two writers overwrite each other."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; ``problem`` None means that it is fine."""

    what: str
    problem: str | None = None


async def add(
    store: Store, clock: Clock, name: str, personio: PersonioAccess, declaree: DeclareeAccess, *, paused: bool = False
) -> Connection:
    """A new connection with the default mapping published; polled from the next second on, unless it is ``paused``.

    Raises ``ConfigurationError`` when the same two accounts are connected already.
    """
    now, state = clock.now(), ConnectionState.PAUSED if paused else ConnectionState.ACTIVE
    # both or neither: without its mapping everybody would be rejected
    async with store.together() as session:
        connection = await store.connections.add(name, personio, declaree, now=now, state=state, session=session)
        await store.mappings.publish(connection.id, default_mapping(), now=now, expected_version=None, session=session)
    return connection


async def check(store: Store, clock: Clock, connection: ConnectionId) -> tuple[Finding, ...]:
    """Asks both systems with the stored credentials; writes nothing."""
    found = await store.connections.get(connection)
    personio, declaree = await asyncio.gather(_check_personio(found, clock), _check_declaree(found, clock))
    published = await store.mappings.published(connection)
    mapping = Finding("mapping", None if published else "none is published: import one with `mapping import`")
    return (*personio, declaree, mapping)


async def _check_personio(connection: Connection, clock: Clock) -> tuple[Finding, ...]:
    async with PersonioClient(connection.personio, clock=clock) as client:
        try:
            released = {definition.key for definition in await client.attributes()}
        except ConnectorError as error:
            return (Finding("Personio", str(error)),)
    missing = [key for key in MINIMUM if key not in released]
    problem = f"the credential does not release: {', '.join(missing)}; release them in Personio" if missing else None
    return Finding("Personio"), Finding("Personio attributes", problem)


async def _check_declaree(connection: Connection, clock: Clock) -> Finding:
    client = DeclareeClient(connection.declaree, clock=clock)
    try:
        await client.probe()
    except ConnectorError as error:
        return Finding("Declaree", str(error))
    finally:
        await client.close()
    return Finding("Declaree")


async def pause(store: Store, connection: ConnectionId) -> None:
    """No more scheduled polls; what is on its way arrives."""
    await store.connections.set_state(connection, ConnectionState.PAUSED)


async def resume(store: Store, connection: ConnectionId) -> None:
    await store.connections.set_state(connection, ConnectionState.ACTIVE)


class UnusableSecretError(ConfigurationError):
    """What was entered cannot be a secret; the message says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection is given anew; None leaves it as it is. A new client_id comes with a secret of its own."""

    personio_client_id: str | None = None
    personio_secret: SecretStr | None = None
    declaree_key: SecretStr | None = None


async def set_credentials(store: Store, connection: ConnectionId, given: Credentials) -> None:
    """Raises ``UnusableSecretError``, and ``DuplicateConnectionError`` for a client_id that is connected already."""
    await store.connections.set_credentials(
        connection,
        personio_client_id=given.personio_client_id,
        personio_secret=_usable("Personio client_secret", given.personio_secret),
        declaree_key=_usable("Declaree key", given.declaree_key),
    )


def _usable(name: str, secret: SecretStr | None) -> SecretStr | None:
    try:
        return None if secret is None else checked_secret(secret)
    except ValueError as error:
        raise UnusableSecretError(f"the {name} cannot be stored: {error}") from None


async def rotate_keys(store: Store) -> Rotation:
    """Encrypts all stored secrets with the first of ENCRYPTION_KEYS, so that the others can be left out."""
    return await store.connections.rotate()
