"""A store on a real MongoDB: one database for all of these tests, empty for each."""

import secrets
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


@pytest.fixture(scope="session")
async def store_database(mongo: MongoServers) -> AsyncIterator[str]:
    """To make two dozen indexes takes longer than most of these tests, so they are made once."""
    name = f"test-store-{secrets.token_hex(4)}"
    store = Store.connect(SecretStr(mongo.url), name, [new_key()], timeout_ms=30_000)
    await store.migrate()
    yield name
    await store._client.drop_database(name)
    store.close()


@pytest.fixture
async def store(mongo: MongoServers, store_database: str, key: SecretStr) -> AsyncIterator[Store]:
    store = Store.connect(SecretStr(mongo.url), store_database, [key], timeout_ms=30_000)
    yield store
    for name in await store._database.list_collection_names():
        await store._database[name].delete_many({})
    store.close()


@pytest.fixture
def raw(store: Store) -> AsyncIOMotorDatabase[dict[str, Any]]:
    """The database as somebody sees it who can read it and has no key."""
    return store._database
