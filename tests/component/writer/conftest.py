"""The writer on a real MongoDB."""

from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.store.database import Store
from tests.support.servers import MongoServers
from tests.support.writer_stage import WriterStage


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """An empty store on MongoDB."""
    key = SecretStr(Fernet.generate_key().decode())
    store = Store.connect(SecretStr(mongo.url), prepared_database, [key], timeout_ms=30_000)
    yield store
    store.close()


@pytest.fixture
async def store_with_other_key(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """A store on the same database, with an encryption key that decrypts none of its secrets."""
    key = SecretStr(Fernet.generate_key().decode())
    store = Store.connect(SecretStr(mongo.url), prepared_database, [key], timeout_ms=30_000)
    yield store
    store.close()


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[WriterStage]:
    """A writer with one connection."""
    stage = WriterStage(store)
    yield stage
    await stage.close()
