"""Pausing and resuming a connection."""

import pytest

from services.admin import connections
from services.contracts.connections import ConnectionState
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import CONNECTION, DECLAREE, NOW, PERSONIO


async def test_connection_is_paused_and_resumed(store: Store) -> None:
    """The state changes and nothing else does."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    await store.connections.start(added.id, now=NOW)
    started = await store.connections.get(added.id)

    await connections.pause(store, added.id)
    paused = await store.connections.get(added.id)
    await connections.resume(store, added.id)

    assert paused == started.model_copy(update={"state": ConnectionState.PAUSED})
    assert await store.connections.get(added.id) == started


async def test_new_connection_cannot_be_resumed(store: Store) -> None:
    """An administrator sees first what the first import would do."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)

    with pytest.raises(connections.NotStartedError, match="connections start"):
        await connections.resume(store, added.id)

    assert (await store.connections.get(added.id)).state is ConnectionState.PAUSED


async def test_unknown_connection_cannot_be_paused_or_resumed(store: Store) -> None:
    """A typing error in the id must not look like success."""
    with pytest.raises(UnknownConnectionError):
        await connections.pause(store, CONNECTION)
    with pytest.raises(UnknownConnectionError):
        await connections.resume(store, CONNECTION)
