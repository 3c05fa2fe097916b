"""The backup of the recovery drills, which stands for `mongodump` and `mongorestore`."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from sandbox.stack.mongo import connect
from tests.support.builders import CONNECTION
from tests.support.fakes import open_store
from tests.support.recovery import back_up, restore
from tests.support.servers import MongoServers

pytestmark = pytest.mark.mongo


async def read_index_names(database: AsyncDatabase[dict[str, Any]], collection: str) -> set[str]:
    return {index["name"] async for index in await database[collection].list_indexes()}


async def test_restored_database_is_that_of_the_backup(mongo: MongoServers, database: str) -> None:
    """Documents, collections and indexes are those of the backup; what came later is gone."""
    async with connect(mongo.url) as client:
        content = client[database]
        await content["ledger"].insert_one({"_id": 1, "connection_id": CONNECTION})
        async with open_store(mongo, database) as store:
            await store.create_indexes()
        names = await read_index_names(content, "ledger")
        backup = await back_up(content)
        await content["ledger"].update_one({"_id": 1}, {"$set": {"connection_id": "later"}})
        await content["ledger"].drop_index("people")
        await content["later"].insert_one({})

        await restore(content, backup)

        assert await content["ledger"].find().to_list() == [{"_id": 1, "connection_id": CONNECTION}]
        assert await read_index_names(content, "ledger") == names
        assert "later" not in await content.list_collection_names()
