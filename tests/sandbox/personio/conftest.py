from collections.abc import AsyncIterator

import pytest

from tests.sandbox.personio.stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Logged in, without rate limits."""
    async with staged() as stage:
        await stage.log_in()
        yield stage
