"""Actions of administrators on a real MongoDB."""

from collections.abc import AsyncIterator

import pytest

from services.store.database import Store
from tests.support.fakes import open_store
from tests.support.servers import MongoServers


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """A store with an empty database."""
    async with open_store(mongo, prepared_database) as store:
        yield store
