"""Fixtures for tests of the Declaree sandbox."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.declaree.in_process import DeclareeSandbox, run_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[DeclareeSandbox]:
    """A sandbox as the vendor documents Declaree, without accounts."""
    async with run_sandbox() as sandbox:
        yield sandbox
