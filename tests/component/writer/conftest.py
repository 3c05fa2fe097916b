"""The writer on a real MongoDB."""

from collections.abc import AsyncIterator

import pytest

from services.store.database import Store
from tests.support.fakes import open_store
from tests.support.servers import MongoServers
from tests.support.writer_stage import WriterStage


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """An empty store on MongoDB."""
    async with open_store(mongo, prepared_database, timeout_ms=30_000) as store:
        yield store


@pytest.fixture
async def store_with_other_key(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """A store on the same database, with an encryption key that decrypts none of its secrets."""
    async with open_store(mongo, prepared_database, timeout_ms=30_000) as store:
        yield store


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[WriterStage]:
    """A writer with one connection."""
    stage = WriterStage(store)
    yield stage
    await stage.close()
