"""Checks of a connection: both systems with the stored credentials, and the mapping."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.http.vendor_notes import NoteTaker
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import Connection
from services.contracts.employees import (
    REQUIRED_ATTRIBUTES,
    AttributeDefinition,
    find_missing_attributes,
    get_parent,
)
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, UnreadableMapping
from services.contracts.vendor_notes import VendorNotes
from services.errors import ConnectorError
from services.mapping.wanted import find_needed_attributes
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
    hint: str | None = None
    """What works otherwise than the administrator may expect; None if nothing does."""
    note: str | None = None
    """What was found and is right; None if there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """The result of requests to one system."""

    findings: tuple[Finding, ...]
    """What was found."""
    notes: VendorNotes
    """What the answers said beside their content."""
    definitions: Sequence[AttributeDefinition] | None = None
    """The attributes that the credential can read; None for Declaree, and if Personio did not list them."""


async def check(store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool) -> tuple[Finding, ...]:
    """Sends read requests to both systems with the stored credentials, and compares the mapping with the attributes.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, and ``EncryptionKeyError`` if the stored secrets cannot be decrypted.
    """
    stored = await store.connections.get(connection)
    personio, declaree = await asyncio.gather(
        check_personio(stored, clock, allow_private=allow_private),
        check_declaree(stored, clock, allow_private=allow_private),
    )
    mapping = await check_mapping(store, connection, personio.definitions)
    return (*personio.findings, *declaree.findings, mapping)


async def check_mapping(
    store: Store, connection: ConnectionId, definitions: Sequence[AttributeDefinition] | None
) -> Finding:
    """Compares the mapping with the attributes that the credential can read; None if they are not known."""
    mapping = (await store.mappings.get_all_published([connection])).get(connection)
    if isinstance(mapping, UnreadableMapping):
        return Finding("mapping", mapping.problem)
    if mapping is None:
        return Finding("mapping", "no mapping is published: import one with `mapping import`")
    unusable = find_unusable_attributes(mapping.mapping, definitions) if definitions is not None else ()
    hint = (
        f"it reads attributes that have no value ({', '.join(unusable)}): "
        "release them in Personio, or use keys that `mapping attributes` lists"
    )
    return Finding("mapping", hint=hint if unusable else None)


def find_unusable_attributes(mapping: MappingDocument, definitions: Sequence[AttributeDefinition]) -> tuple[str, ...]:
    """Returns the keys that the mapping reads and that never have a value, except those that every synchronisation needs.

    The credential does not release them, or a nested attribute is named without its part.
    """
    visible = {definition.key: definition for definition in definitions}
    further = find_needed_attributes(mapping).difference(REQUIRED_ATTRIBUTES)
    return tuple(
        key for key in sorted(further) if get_parent(key) not in visible or (key in visible and visible[key].parts)
    )


async def check_personio(connection: Connection, clock: Clock, *, allow_private: bool) -> SystemCheck:
    """Asks Personio for the list of attributes."""
    async with PersonioClient(connection.personio, clock=clock, allow_private=allow_private) as client:
        try:
            definitions = await client.list_attributes()
        except ConnectorError as error:
            return SystemCheck((Finding("Personio", str(error)),), client.notes)
        notes = client.notes
    missing = find_missing_attributes({definition.key for definition in definitions})
    problem = (
        f"the credential does not release {', '.join(missing)}: add these attributes to the credential in Personio"
    )
    findings = (Finding("Personio"), Finding("Personio attributes", problem if missing else None))
    return SystemCheck(findings, notes, definitions)


async def check_declaree(connection: Connection, clock: Clock, *, allow_private: bool) -> SystemCheck:
    """Asks Declaree whether it accepts the key."""
    taker = NoteTaker(clock)
    client = DeclareeClient(
        connection.declaree, clock=clock, longest_hold=SHORT_HOLD_SECONDS, taker=taker, allow_private=allow_private
    )
    try:
        await client.probe()
    except ConnectorError as error:
        return SystemCheck((Finding("Declaree", str(error)),), taker.notes)
    finally:
        await client.close()
    return SystemCheck((Finding("Declaree"),), taker.notes)
