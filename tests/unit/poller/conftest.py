from collections.abc import AsyncIterator

import pytest

from services.store.database import Store
from tests.fakes import opened_store
from tests.stack import MongoServers


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with opened_store(mongo, prepared_database) as store:
        yield store
