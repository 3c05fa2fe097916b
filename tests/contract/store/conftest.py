"""A store on a real MongoDB, empty for each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.store.database import Store
from tests.stack import MongoServers


def new_key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


@pytest.fixture
def key() -> SecretStr:
    return new_key()


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str, key: SecretStr) -> AsyncIterator[Store]:
    store = Store.connect(SecretStr(mongo.url), prepared_database, [key], timeout_ms=30_000)
    yield store
    store.close()


@pytest.fixture
def raw(store: Store) -> AsyncIOMotorDatabase[dict[str, Any]]:
    """The database as somebody sees it who can read it and has no key."""
    return store._database
