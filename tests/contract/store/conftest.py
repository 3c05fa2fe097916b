"""The stores that the contract is tested with: a fake in memory, and a real MongoDB. Each test has an empty one."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.store.database import Store
from tests.support import keys
from tests.support.fake_store import FakeStore
from tests.support.servers import MongoServers


def make_key() -> SecretStr:
    """Returns a new encryption key."""
    return SecretStr(keys.make_key())


@pytest.fixture
def key() -> SecretStr:
    """The encryption key of ``mongodb_store``."""
    return make_key()


@pytest.fixture(params=["fake", pytest.param("mongodb", marks=pytest.mark.mongo)])
def store(request: pytest.FixtureRequest) -> Store:
    """A store of either kind, for everything that both promise."""
    if request.param == "fake":
        return cast("Store", FakeStore())
    return cast("Store", request.getfixturevalue("mongodb_store"))


@pytest.fixture
async def mongodb_store(mongo: MongoServers, prepared_database: str, key: SecretStr) -> AsyncIterator[Store]:
    """A store on MongoDB, for what only MongoDB has: its documents, errors and encryption at rest."""
    store = Store.connect(SecretStr(mongo.url), prepared_database, [key], timeout_ms=30_000)
    yield store
    store.close()


@pytest.fixture
def raw(mongodb_store: Store) -> AsyncIOMotorDatabase[dict[str, Any]]:
    """The database as a reader without the encryption key sees it."""
    return mongodb_store._database
