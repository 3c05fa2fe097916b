"""Checks of a connection: both systems with the stored credentials, and the mapping."""

import asyncio
from dataclasses import dataclass

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection
from services.contracts.employees import find_missing_attributes
from services.contracts.ids import ConnectionId
from services.contracts.mappings import UnreadableMapping
from services.errors import ConnectorError
from services.runtime.clock import Clock
from services.store.database import Store

VENDORS_CONNECTOR = (
    "Switch off Declaree's own Personio connector (Configuration, Connections, Personio): "
    "two connectors overwrite each other's changes."
)
"""A reminder for administrators. The product cannot detect the other connector."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    """What was checked."""
    problem: str | None = None
    """What is wrong and what to do; None if nothing is wrong."""


async def check(store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool) -> tuple[Finding, ...]:
    """Sends read requests to both systems with the stored credentials, and looks for a published mapping.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, and ``EncryptionKeyError`` if the stored secrets cannot be decrypted.
    """
    stored = await store.connections.get(connection)
    personio, declaree = await asyncio.gather(
        _check_personio(stored, clock, allow_private=allow_private),
        _check_declaree(stored, clock, allow_private=allow_private),
    )
    return (*personio, declaree, Finding("mapping", await _find_mapping_problem(store, connection)))


async def _find_mapping_problem(store: Store, connection: ConnectionId) -> str | None:
    mapping = (await store.mappings.get_all_published([connection])).get(connection)
    if isinstance(mapping, UnreadableMapping):
        return mapping.problem
    return None if mapping else "no mapping is published: import one with `mapping import`"


async def _check_personio(connection: Connection, clock: Clock, *, allow_private: bool) -> tuple[Finding, ...]:
    async with PersonioClient(connection.personio, clock=clock, allow_private=allow_private) as client:
        try:
            visible = {definition.key for definition in await client.list_attributes()}
        except ConnectorError as error:
            return (Finding("Personio", str(error)),)
    missing = find_missing_attributes(visible)
    if not missing:
        return Finding("Personio"), Finding("Personio attributes")
    problem = (
        f"the credential does not release {', '.join(missing)}: add these attributes to the credential in Personio"
    )
    return Finding("Personio"), Finding("Personio attributes", problem)


async def _check_declaree(connection: Connection, clock: Clock, *, allow_private: bool) -> Finding:
    client = DeclareeClient(
        connection.declaree, clock=clock, longest_hold=SHORT_HOLD_SECONDS, allow_private=allow_private
    )
    try:
        await client.probe()
    except ConnectorError as error:
        return Finding("Declaree", str(error))
    finally:
        await client.close()
    return Finding("Declaree")
