from collections.abc import AsyncIterator

import pytest

from tests.fakes import opened_store
from tests.stack import MongoServers
from tests.unit.writer.stage import Stage


@pytest.fixture
async def stage(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Stage]:
    async with opened_store(mongo, prepared_database) as store:
        stage = Stage(store)
        yield stage
        await stage.close()
