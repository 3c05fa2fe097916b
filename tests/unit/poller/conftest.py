"""The fixtures of the poller's unit tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import cast

import pytest

from services.store.database import Store
from tests.support.fake_store import FakeStore
from tests.support.schedule_stage import ScheduleStage


@pytest.fixture
def store() -> Store:
    """An empty store in memory."""
    return cast("Store", FakeStore())


@pytest.fixture
async def schedule_stage(store: Store) -> AsyncIterator[ScheduleStage]:
    """Pollers without a connection. They are stopped after the test."""
    async with AsyncExitStack() as pollers:
        yield ScheduleStage(store, pollers)
