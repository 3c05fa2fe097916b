"""Adds, pauses and resumes connections."""

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.mappings import default_mapping
from services.runtime.clock import Clock
from services.store.database import Store


async def add(
    store: Store, clock: Clock, name: str, personio: PersonioAccess, declaree: DeclareeAccess, *, paused: bool = False
) -> Connection:
    """Adds a connection and publishes the default mapping for it. Polling starts at once unless it is ``paused``.

    Raises ``DuplicateConnectionError`` if the same two accounts are already connected.
    """
    now, state = clock.now(), ConnectionState.PAUSED if paused else ConnectionState.ACTIVE
    # one transaction: without a mapping every employee of the new connection would be rejected
    async with store.transaction() as session:
        connection = await store.connections.add(name, personio, declaree, now=now, state=state, session=session)
        await store.mappings.publish(connection.id, default_mapping(), now=now, expected_version=None, session=session)
    return connection


async def pause(store: Store, connection: ConnectionId) -> None:
    """Stops scheduled polls. Changes that are already published are still settled.

    Raises ``UnknownConnectionError``.
    """
    await store.connections.set_state(connection, ConnectionState.PAUSED)


async def resume(store: Store, connection: ConnectionId) -> None:
    """Starts scheduled polls again. Raises ``UnknownConnectionError``."""
    await store.connections.set_state(connection, ConnectionState.ACTIVE)
