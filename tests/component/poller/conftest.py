"""The fixtures of the poller's component tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.store.database import Store
from tests.support.fakes import open_store
from tests.support.schedule_stage import ScheduleStage
from tests.support.servers import MongoServers


@pytest.fixture
async def store(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Store]:
    """An empty store on MongoDB."""
    async with open_store(mongo, prepared_database) as store:
        yield store


@pytest.fixture
async def schedule_stage(store: Store) -> AsyncIterator[ScheduleStage]:
    """Pollers without a connection. They are stopped after the test."""
    async with AsyncExitStack() as pollers:
        yield ScheduleStage(store, pollers)
