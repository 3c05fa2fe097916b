"""Removes a connection with everything that is stored about it and its employees."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from services.admin.leasing import hold_connection
from services.admin.tombstones import RecordEraser
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId, PersonKey
from services.runtime.clock import Clock
from services.store.database import Store
from services.store.errors import UnknownConnectionError


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """What is stored about a connection."""

    id: ConnectionId
    """The connection."""
    name: str
    """Its label."""
    counts: dict[str, int]
    """Number of documents by collection."""


async def find_stored_connection(store: Store, connection: ConnectionId) -> StoredConnection:
    """Returns what is stored about a connection, readable or damaged. Raises ``UnknownConnectionError``."""
    names = {summary.id: summary.name for summary in await store.connections.list_all()}
    if connection not in names:
        raise UnknownConnectionError(connection)
    return StoredConnection(connection, names[connection], await store.erasure.count_connection(connection))


async def remove(
    store: Store,
    clock: Clock,
    eraser: RecordEraser,
    connection: ConnectionId,
    *,
    seconds: float,
    progress: Callable[[Mapping[str, int]], None],
) -> StoredConnection:
    """Removes a connection. Returns what was stored. The accounts in Declaree stay as they are.

    The connection is paused first, and stays paused if the removal fails; it can be repeated. ``seconds`` limits the wait
    for a poller, ``progress`` receives the number of erased documents by collection. Raises ``UnknownConnectionError`` and the
    errors of ``hold_connection`` and ``RecordEraser.erase``.
    """
    await store.connections.set_state(connection, ConnectionState.PAUSED)
    async with hold_connection(store, clock, connection, seconds=seconds) as keep_lease:
        stored = await find_stored_connection(store, connection)

        async def page_people() -> AsyncIterator[tuple[PersonKey, ...]]:
            async for page in store.erasure.page_people(connection):
                if page:
                    yield page

        if stored.counts["snapshots"] or stored.counts["ledger"]:
            await eraser.erase(connection, page_people, keep_lease)
        await keep_lease()
        await store.erasure.erase_connection(connection, progress)
    return stored
