"""Indexes on MongoDB: created once, rebuilt when their definition changes, and used by the queries."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr

from services.store.database import Store
from services.store.errors import StoreFailedError
from services.store.indexes import INDEXES, Index
from tests.support.servers import MongoServers

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]


@pytest.fixture
async def bare(mongo: MongoServers, database: str, key: SecretStr) -> AsyncIterator[Store]:
    """A store on an empty database without indexes."""
    store = Store.connect(SecretStr(mongo.url), database, [key])
    yield store
    store.close()


@pytest.fixture
def raw(bare: Store) -> Raw:
    """The database of ``bare``."""
    return bare._database


async def read_indexes(raw: Raw) -> dict[str, Any]:
    """Returns the definitions of all indexes of the product's collections."""
    return {
        f"{name}.{index}": {key: value for key, value in definition.items() if key != "v"}
        for name in {index.collection for index in INDEXES}
        for index, definition in (await raw[name].index_information()).items()
        if index != "_id_"
    }


def to_server_format(index: Index) -> dict[str, Any]:
    """Returns the definition as MongoDB reports it."""
    return {"key": list(index.keys.items()), **index.options}


EXPECTED = {f"{index.collection}.{index.name}": to_server_format(index) for index in INDEXES}


async def test_missing_and_changed_indexes_are_found(bare: Store, raw: Raw) -> None:
    """The command `doctor` names them: without an index, a poll reads all documents, or two accounts are not unique."""
    before = await bare.find_missing_indexes()
    await bare.create_indexes()
    complete = await bare.find_missing_indexes()
    await raw["connections"].drop_index("identity")
    await raw["connections"].create_index([("identity", 1)], name="identity")
    await raw["runs"].drop_index("newest")

    after = await bare.find_missing_indexes()

    assert set(before) == set(EXPECTED)
    assert complete == ()
    assert after == ("connections.identity", "runs.newest")


async def test_first_call_creates_all_indexes_and_second_none(bare: Store, raw: Raw) -> None:
    """The command ``init`` can be repeated after every upgrade."""
    first, second = await bare.create_indexes(), await bare.create_indexes()

    assert first == tuple(f"created index {name}" for name in EXPECTED)
    assert second == ()
    assert await read_indexes(raw) == EXPECTED


async def test_concurrent_calls_create_each_index_once(bare: Store, raw: Raw) -> None:
    """Several replicas may start with ``init`` at the same time."""
    await asyncio.gather(*(bare.create_indexes() for _ in range(4)))

    assert await read_indexes(raw) == EXPECTED
    assert await bare.create_indexes() == ()


@pytest.mark.parametrize(
    ("collection", "name", "keys", "options"),
    [
        ("snapshots", "pending", {"connection_id": 1}, {}),
        ("snapshots", "pending", {"connection_id": 1, "_id": 1}, {"partialFilterExpression": {"pending": False}}),
        ("tasks", "once", {"connection_id": 1, "once": 1}, {"sparse": True}),
        ("runs", "expiry", {"expires": 1}, {"expireAfterSeconds": 60}),
        ("runs", "another_name", {"expires": 1}, {"expireAfterSeconds": 0}),
        ("runs", "another_name", {"expires": 1}, {}),
    ],
    ids=["other fields", "other filter", "other options", "other expiry", "other name", "other name and options"],
)
async def test_index_with_another_definition_is_rebuilt(
    bare: Store,
    raw: Raw,
    collection: str,
    name: str,
    keys: dict[str, int],
    options: dict[str, Any],
) -> None:
    """Only this index is rebuilt, and a repetition changes nothing."""
    await bare.create_indexes()
    current = name if f"{collection}.{name}" in EXPECTED else "expiry"
    await raw[collection].drop_index(current)
    await raw[collection].create_index(list(keys.items()), name=name, **options)

    lines = await bare.create_indexes()

    assert lines == (f"rebuilt index {collection}.{current}",)
    assert await read_indexes(raw) == EXPECTED
    assert await bare.create_indexes() == ()


async def test_index_of_an_operator_is_kept(bare: Store, raw: Raw) -> None:
    """Operators may add indexes for queries of their own."""
    await raw["runs"].create_index([("state", 1)], name="an operator's")

    await bare.create_indexes()

    assert (await read_indexes(raw)).keys() - EXPECTED.keys() == {"runs.an operator's"}


async def test_data_that_contradicts_an_index_is_kept(bare: Store, raw: Raw) -> None:
    """The error names the code of the server, and no document is deleted."""
    await raw["connections"].insert_many([{"_id": "a", "identity": "same"}, {"_id": "b", "identity": "same"}])

    with pytest.raises(StoreFailedError, match="11000"):
        await bare.create_indexes()

    assert await raw["connections"].count_documents({}) == 2


@pytest.mark.parametrize(
    ("collection", "where", "index"),
    [
        ("snapshots", {"connection_id": "c", "pending": True}, "pending"),
        ("ledger", {"connection_id": "c", "retryable": True}, "retryable"),
        ("ledger", {"connection_id": "c", "blocked_by": {"$in": ["a"]}}, "blocked"),
        ("ledger", {"connection_id": "c", "account_id": "a"}, "owner"),
        ("ledger", {"connection_id": "c", "decided.outcome": "rejected"}, "outcomes"),
        ("ledger", {"account_id": {"$in": ["a"]}, "connection_id": "c", "blocked_by": {"$exists": True}}, "owner"),
        ("ledger", {"look_due": {"$lte": 1}}, "looks"),
        ("ledger", {"connection_id": "c", "look_due": {"$exists": True}}, "looks_of_connection"),
        ("ledger", {"connection_id": "c", "oldest_refusal": {"$lt": 1}}, "refused"),
        ("claims", {"owner": "c/1"}, "owner"),
        ("links", {"person": {"$in": ["c/1"]}}, "people"),
        ("links", {"connection_id": "c", "open": True}, "open"),
        ("tasks", {"connection_id": "c", "state": "open"}, "open"),
        ("mappings", {"connection_id": "c"}, "versions"),
        ("connections", {"state": "active", "next_poll": {"$not": {"$gt": 1}}}, "due"),
    ],
)
async def test_index_fits_its_query(bare: Store, raw: Raw, collection: str, where: dict[str, Any], index: str) -> None:
    """The planner considers the index and never reads the whole collection."""
    await bare.create_indexes()

    plan = str((await raw[collection].find(where).explain())["queryPlanner"])

    assert f"'indexName': '{index}'" in plan, "considered at least: the choice depends on the data"
    assert "COLLSCAN" not in plan
