from collections.abc import AsyncIterator

import pytest

from sandbox.declaree.state import Declaree
from tests.fakes import opened_store
from tests.stack import MongoServers
from tests.system.stage import KEY, Whole, new_personio


@pytest.fixture
async def whole(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Whole]:
    """Connected, and not yet polled."""
    async with opened_store(mongo, prepared_database) as store:
        whole = Whole(store, new_personio(40), Declaree(api_key=KEY))
        await whole.connect()
        yield whole
        await whole.close()
