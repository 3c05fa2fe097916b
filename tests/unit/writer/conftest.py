"""The writer on a store in memory."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from services.store.database import Store
from tests.support.fake_store import FakeStore
from tests.support.writer_stage import WriterStage


@pytest.fixture
def store() -> Store:
    """An empty store in memory."""
    return cast("Store", FakeStore())


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[WriterStage]:
    """A writer with one connection."""
    stage = WriterStage(store)
    yield stage
    await stage.close()
