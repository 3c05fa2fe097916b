"""One start of each independent SCIM server for all tests of this folder."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.scim_servers.scim2_server import run_scim2_server
from tests.support.scim_servers.scim_sdk import run_scim_sdk
from tests.support.scim_servers.server import Abilities, ScimServer, StartServer


@pytest.fixture(scope="package", params=[run_scim2_server, run_scim_sdk], ids=["scim2-server", "scim-sdk"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ScimServer]:
    """The server that the test is about."""
    start: StartServer = request.param
    async with start(tmp_path_factory.mktemp("server"), Abilities()) as started:
        yield started


@pytest.fixture
async def client(server: ScimServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key."""
    async with server.create_client() as opened:
        yield opened
