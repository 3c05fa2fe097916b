"""Publishing a mapping, on a real MongoDB: the new version, and the request that brings it to everybody."""

from collections.abc import AsyncIterator

import pytest

from services.admin import connections, mappings
from services.contracts.requests import Poll, Resend
from services.store.database import Store
from services.store.errors import StoreFailedError
from tests.fakes import FakeClock, opened_store
from tests.stack import MongoServers
from tests.stored import DECLAREE, PERSONIO

pytestmark = pytest.mark.mongo


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    async with opened_store(mongo, prepared_database) as store:
        yield store


async def test_a_version_is_published_and_everybody_is_to_be_sent_again(store: Store) -> None:
    made = await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    document = await mappings.export(store, made.id)
    published = await mappings.publish(store, FakeClock(), made.id, document)
    assert await store.mappings.published(made.id) == published
    (request,) = await store.requests.open(made.id)
    assert (published.version, request.task) == (2, Resend(scope="all", why="mapping version 2 was published"))


async def test_without_the_request_there_is_no_new_version_either(store: Store) -> None:
    made = await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE)
    document = await mappings.export(store, made.id)
    taken = await store.requests.file(made.id, Poll(), now=FakeClock().now())
    store.requests._new_id = lambda: taken.id
    with pytest.raises(StoreFailedError, match="is in requests already"):
        await mappings.publish(store, FakeClock(), made.id, document)
    assert [version.version for version in await store.mappings.history(made.id)] == [1]
