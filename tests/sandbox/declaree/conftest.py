from collections.abc import AsyncIterator

import pytest

from tests.sandbox.declaree.stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Declaree as its vendor documents it, without accounts."""
    async with staged() as stage:
        yield stage
