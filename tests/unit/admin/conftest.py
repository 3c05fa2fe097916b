"""Actions of administrators on a store in memory."""

from typing import cast

import pytest

from services.contracts.connections import Connection
from services.store.database import Store
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.fake_store import FakeStore


@pytest.fixture
def store() -> Store:
    """An empty store in memory, which has the methods that the tests need."""
    return cast("Store", FakeStore())


@pytest.fixture
async def connection(store: Store) -> Connection:
    """A connection that was started."""
    added = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    await store.connections.start(added.id, now=NOW)
    return await store.connections.get(added.id)
