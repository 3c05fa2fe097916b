"""The fixture that connects a pipeline."""

from collections.abc import AsyncIterator

import pytest

from sandbox.declaree.state import Declaree
from tests.support.fakes import open_store
from tests.support.servers import MongoServers
from tests.system.pipeline import KEY, Pipeline, make_personio


@pytest.fixture
async def pipeline(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Pipeline]:
    """Connected, and not yet polled."""
    async with open_store(mongo, prepared_database) as store:
        pipeline = Pipeline(store, make_personio(40), Declaree(api_key=KEY))
        await pipeline.connect()
        yield pipeline
        await pipeline.close()
