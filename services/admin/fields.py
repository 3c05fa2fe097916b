"""Shows the fields of a connection's Declaree, for the author of a mapping."""

from collections.abc import Sequence
from datetime import datetime

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.contracts.fields import FieldCatalogue, TargetField
from services.contracts.ids import ConnectionId
from services.mapping.target_fields import build_field_catalogue
from services.runtime.clock import Clock
from services.store.database import Store


async def read_field_catalogue(
    store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool
) -> FieldCatalogue:
    """Returns the fields that the server lists now, merged with the documented ones. Stores nothing.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, ``EncryptionKeyError``, and the errors of a lookup in Declaree.
    """
    access = (await store.connections.get(connection)).declaree
    client = DeclareeClient(access, clock=clock, longest_hold=SHORT_HOLD_SECONDS, allow_private=allow_private)
    try:
        listed = await client.list_fields()
    finally:
        await client.close()
    return await compare_fields(store, connection, listed, clock.now())


async def compare_fields(
    store: Store, connection: ConnectionId, listed: Sequence[TargetField], now: datetime
) -> FieldCatalogue:
    """Returns the catalogue with these listed fields, and with the changes since the stored one. Stores nothing."""
    return build_field_catalogue(connection, listed, await store.field_catalogues.get(connection), now)


async def refresh_field_catalogue(
    store: Store, connection: ConnectionId, listed: Sequence[TargetField], now: datetime
) -> FieldCatalogue:
    """Stores the catalogue that ``compare_fields`` returns, and returns it."""
    catalogue = await compare_fields(store, connection, listed, now)
    await store.field_catalogues.save(catalogue)
    return catalogue
