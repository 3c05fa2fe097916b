"""Suggests a mapping for a connection, from what both systems show now."""

import asyncio
from dataclasses import dataclass

from services.admin.catalogues import read_source_catalogue
from services.admin.fields import read_field_catalogue
from services.admin.mapping.versions import get_published
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument
from services.mapping.suggestions import Suggestion, suggest_rules
from services.runtime.clock import Clock
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class SuggestedMapping:
    """The published mapping with further rules."""

    mapping: MappingDocument
    """The document. Nothing is saved."""
    suggestions: tuple[Suggestion, ...]
    """The further rules, each with its reason."""


async def suggest_mapping(
    store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool
) -> SuggestedMapping:
    """Returns the published mapping with suggested rules for the fields that it does not write.

    Reads the attributes of Personio and the fields of Declaree, and no employee. ``allow_private`` allows addresses of private
    networks. Raises ``UnknownConnectionError``, ``InvalidMappingError``, ``StoreFailedError``, ``EncryptionKeyError``, and the errors
    of both systems.
    """
    published = await get_published(store, connection)
    sources, fields = await asyncio.gather(
        read_source_catalogue(store, clock, connection, allow_private=allow_private),
        read_field_catalogue(store, clock, connection, allow_private=allow_private),
    )
    suggestions = suggest_rules(published.mapping, sources, fields)
    rules = (*published.mapping.rules, *(suggestion.rule for suggestion in suggestions))
    return SuggestedMapping(published.mapping.model_copy(update={"rules": rules}), suggestions)
