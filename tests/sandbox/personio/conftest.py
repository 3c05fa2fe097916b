"""Fixture with a logged-in Personio sandbox."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.personio.in_process import PersonioSandbox, run_sandbox


@pytest.fixture
async def personio() -> AsyncIterator[PersonioSandbox]:
    """Yields a logged-in sandbox without rate limits."""
    async with run_sandbox() as personio:
        await personio.log_in()
        yield personio
