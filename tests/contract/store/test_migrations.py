"""Indexes on a real MongoDB: made once, made anew when their definition changes, and used."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.store.database import Store
from services.store.errors import StoreFailedError
from services.store.migrations import INDEXES, Index
from tests.stack import MongoServers

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]


@pytest.fixture
async def bare(mongo: MongoServers, database: str, key: SecretStr) -> AsyncIterator[Store]:
    """A store on a database in which nothing is."""
    store = Store.connect(SecretStr(mongo.url), database, [key])
    yield store
    store.close()


@pytest.fixture
def raw(bare: Store) -> Raw:
    return bare._database


async def indexes(raw: Raw) -> dict[str, Any]:
    return {
        f"{name}.{index}": {key: value for key, value in found.items() if key != "v"}
        for name in {index.collection for index in INDEXES}
        for index, found in (await raw[name].index_information()).items()
        if index != "_id_"
    }


def as_the_server_tells(index: Index) -> dict[str, Any]:
    return {"key": list(index.keys.items()), **index.options}


EXPECTED = {f"{index.collection}.{index.name}": as_the_server_tells(index) for index in INDEXES}


async def test_the_first_migration_makes_every_index_and_the_second_does_nothing(bare: Store, raw: Raw) -> None:
    assert await bare.migrate() == tuple(f"created index {name}" for name in EXPECTED)
    assert await bare.migrate() == ()
    assert await indexes(raw) == EXPECTED


async def test_several_may_migrate_at_once(bare: Store, raw: Raw) -> None:
    await asyncio.gather(*(bare.migrate() for _ in range(4)))
    assert await indexes(raw) == EXPECTED
    assert await bare.migrate() == ()


@pytest.mark.parametrize(
    ("collection", "name", "keys", "options"),
    [
        ("snapshots", "pending", {"connection_id": 1}, {}),
        ("snapshots", "pending", {"connection_id": 1, "_id": 1}, {"partialFilterExpression": {"pending": False}}),
        ("requests", "once", {"connection_id": 1, "once": 1}, {"sparse": True}),
        ("runs", "expiry", {"expires": 1}, {"expireAfterSeconds": 60}),
        ("runs", "another_name", {"expires": 1}, {"expireAfterSeconds": 0}),
        ("runs", "another_name", {"expires": 1}, {}),
    ],
    ids=["other fields", "other filter", "other options", "other expiry", "other name", "other name and options"],
)
async def test_an_index_that_was_defined_otherwise_is_made_anew_and_no_other(
    bare: Store,
    raw: Raw,
    collection: str,
    name: str,
    keys: dict[str, int],
    options: dict[str, Any],
) -> None:
    await bare.migrate()
    ours = name if f"{collection}.{name}" in EXPECTED else "expiry"
    await raw[collection].drop_index(ours)
    await raw[collection].create_index(list(keys.items()), name=name, **options)
    assert await bare.migrate() == (f"rebuilt index {collection}.{ours}",)
    assert await indexes(raw) == EXPECTED
    assert await bare.migrate() == ()


async def test_an_index_of_somebody_else_is_left_alone(bare: Store, raw: Raw) -> None:
    await raw["runs"].create_index([("state", 1)], name="an operator's")
    await bare.migrate()
    assert (await indexes(raw)).keys() - EXPECTED.keys() == {"runs.an operator's"}


async def test_data_that_contradicts_an_index_is_reported_and_kept(bare: Store, raw: Raw) -> None:
    await raw["connections"].insert_many([{"_id": "a", "identity": "same"}, {"_id": "b", "identity": "same"}])
    with pytest.raises(StoreFailedError, match="11000"):
        await bare.migrate()
    assert await raw["connections"].count_documents({}) == 2


@pytest.mark.parametrize(
    ("collection", "where", "index"),
    [
        ("snapshots", {"connection_id": "c", "pending": True}, "pending"),
        ("accounts", {"connection_id": "c", "unsettled": True}, "unsettled"),
        ("accounts", {"connection_id": "c", "blocked_by": {"$in": ["a"]}}, "blocked"),
        ("accounts", {"connection_id": "c", "account_id": "a"}, "holder"),
        ("accounts", {"connection_id": "c", "decided.outcome": "rejected"}, "outcomes"),
        ("requests", {"connection_id": "c", "state": "open"}, "open"),
        ("mappings", {"connection_id": "c"}, "versions"),
        ("connections", {"state": "active", "next_poll": {"$not": {"$gt": 1}}}, "due"),
    ],
)
async def test_the_indexes_fit_their_queries(
    bare: Store, raw: Raw, collection: str, where: dict[str, Any], index: str
) -> None:
    await bare.migrate()
    plan = str((await raw[collection].find(where).explain())["queryPlanner"])
    assert f"'indexName': '{index}'" in plan, "at least considered: which one wins depends on the data"
    assert "COLLSCAN" not in plan
