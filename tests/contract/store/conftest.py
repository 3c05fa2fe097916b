"""A store on a real MongoDB, in a database of the test's own."""

from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.store.database import Store
from tests.stack import MongoServers


@pytest.fixture
def key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


@pytest.fixture
async def store(mongo: MongoServers, database: str, key: SecretStr) -> AsyncIterator[Store]:
    store = Store.connect(SecretStr(mongo.url), database, [key], timeout_ms=5000)
    await store.migrate()
    yield store
    store.close()
