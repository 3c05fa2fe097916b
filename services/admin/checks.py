"""Checks of a connection: both systems with the stored credentials, and the mapping."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.admin.field_news import judge_fields
from services.admin.fields import compare_fields, refresh_field_catalogue
from services.admin.findings import Finding
from services.admin.shortening import join_first
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.http.vendor_notes import NoteTaker
from services.clients.personio.v1 import PersonioClient
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.connections import Connection
from services.contracts.employees import (
    REQUIRED_ATTRIBUTES,
    AttributeDefinition,
    find_missing_attributes,
)
from services.contracts.fields import TargetField
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, PublishedMapping, UnreadableMapping
from services.contracts.vendor_notes import VendorNotes
from services.errors import ConnectorError
from services.mapping.source_problems import find_source_problems
from services.runtime.clock import Clock
from services.store.database import Store

VENDORS_CONNECTOR = (
    "Switch off Declaree's own Personio connector (Configuration, Connections, Personio): "
    "two connectors overwrite each other's changes."
)
"""A reminder for administrators. The product cannot detect the other connector."""
FIELDS_SECONDS = 15.0
"""Seconds that the list of fields may take: a server that does not answer for it is usable nevertheless."""
MAX_NAMED = 20
"""Maximum number of unusable attributes that a finding names."""
MAX_FIELD_FINDINGS = 20
"""Maximum number of findings about the fields of one connection."""


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """The result of requests to one system."""

    findings: tuple[Finding, ...]
    """What was found."""
    notes: VendorNotes
    """What the answers said beside their content."""
    definitions: Sequence[AttributeDefinition] | None = None
    """The attributes that the credential can read; None for Declaree, and if Personio did not list them."""
    fields: Sequence[TargetField] | None = None
    """The fields that the server lists, none if it lists no schemas; None for Personio, and if the server could not be asked."""


async def check(store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool) -> tuple[Finding, ...]:
    """Sends read requests to both systems with the stored credentials, and compares the mapping with the attributes and fields.

    The fields are stored, so that a later check tells what has changed.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, and ``EncryptionKeyError`` if the stored secrets cannot be decrypted.
    """
    stored = await store.connections.get(connection)
    personio, declaree = await asyncio.gather(
        check_personio(stored, clock, allow_private=allow_private),
        check_declaree(stored, clock, allow_private=allow_private),
    )
    mapping = await check_mapping(store, connection, personio.definitions)
    fields = await check_fields(store, clock, connection, personio, declaree, is_stored=True)
    return (*personio.findings, *declaree.findings, mapping, *fields)


async def check_mapping(
    store: Store, connection: ConnectionId, definitions: Sequence[AttributeDefinition] | None
) -> Finding:
    """Compares the mapping with the attributes that the credential can read; None if they are not known."""
    mapping = (await store.mappings.get_all_published([connection])).get(connection)
    if isinstance(mapping, UnreadableMapping):
        return Finding("mapping", mapping.problem)
    if mapping is None:
        return Finding("mapping", "no mapping is published: publish one with `mapping import`")
    unusable = describe_unusable_attributes(mapping.mapping, definitions) if definitions is not None else ()
    return Finding("mapping", hint=join_first(unusable, MAX_NAMED, "; ") or None)


async def check_fields(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    personio: SystemCheck,
    declaree: SystemCheck,
    *,
    is_stored: bool,
) -> tuple[Finding, ...]:
    """Compares the mapping with the fields that the server lists; no finding if it could not be asked for them.

    ``is_stored`` stores the fields for a later comparison.
    """
    if declaree.fields is None:
        return ()
    now = clock.now()
    update = refresh_field_catalogue if is_stored else compare_fields
    catalogue = await update(store, connection, declaree.fields, now)
    mapping = (await store.mappings.get_all_published([connection])).get(connection)
    definitions = personio.definitions
    sources = None if definitions is None else _build_sources(connection, definitions)
    news = judge_fields(catalogue, mapping if isinstance(mapping, PublishedMapping) else None, sources, now)
    subject = "Declaree fields"
    if not news:
        number = sum(field.is_listed for field in catalogue.fields)
        note = (
            f"the server lists {number}" if number else "the server lists none, so that only documented ones are known"
        )
        return (Finding(subject, note=note),)
    findings = [
        Finding(subject, problem=found.text) if found.is_harmful else Finding(subject, hint=found.text)
        for found in news[:MAX_FIELD_FINDINGS]
    ]
    more = len(news) - len(findings)
    if more:
        findings.append(Finding(subject, hint=f"there are {more} more findings: correct these first"))
    return tuple(findings)


def _build_sources(connection: ConnectionId, definitions: Sequence[AttributeDefinition]) -> SourceCatalogue:
    attributes = tuple(SourceAttribute.describe(definition, None) for definition in definitions)
    return SourceCatalogue(connection_id=connection, attributes=attributes)


def describe_unusable_attributes(
    mapping: MappingDocument, definitions: Sequence[AttributeDefinition]
) -> tuple[str, ...]:
    """Returns what is wrong with the attributes that the mapping reads, except those that every synchronisation needs."""
    problems = find_source_problems(mapping, {definition.key: definition.parts for definition in definitions})
    return tuple(problem.describe() for problem in problems if problem.key not in REQUIRED_ATTRIBUTES)


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
    """Asks Declaree whether it accepts the key, and for its fields."""
    taker = NoteTaker(clock)
    client = DeclareeClient(
        connection.declaree, clock=clock, longest_hold=SHORT_HOLD_SECONDS, taker=taker, allow_private=allow_private
    )
    try:
        try:
            await client.probe()
        except ConnectorError as error:
            return SystemCheck((Finding("Declaree", str(error)),), taker.notes)
        try:
            async with asyncio.timeout(FIELDS_SECONDS):
                fields = await client.list_fields()
        except (ConnectorError, TimeoutError) as error:
            reason = str(error) or f"no answer within {FIELDS_SECONDS:.0f} s"
            unknown = Finding("Declaree fields", hint=f"they cannot be read now: {reason}")
            return SystemCheck((Finding("Declaree"), unknown), taker.notes)
    finally:
        await client.close()
    return SystemCheck((Finding("Declaree"),), taker.notes, fields=fields)
