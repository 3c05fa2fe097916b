"""The writer on a store in memory."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from services.store.database import Store
from tests.support.fake_store import FakeStore
from tests.support.writer_stage import WriterStage
from tests.unit.writer.company import Company


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


@pytest.fixture
def company(stage: WriterStage) -> Company:
    """The employees of the connection, with resends."""
    return Company(stage)
