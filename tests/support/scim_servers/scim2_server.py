"""The package ``scim2-server``: Python, follows RFC 7643 and RFC 7644 strictly, and rejects unknown attributes."""

import json
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.installation import DECLAREE_KEY
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from tests.support.scim_servers.server import PAGE_SIZE, Abilities, ScimServer

COMMAND = Path(sysconfig.get_path("scripts")) / "scim2-server"
"""The server's command."""


@asynccontextmanager
async def run_scim2_server(folder: Path, abilities: Abilities) -> AsyncIterator[ScimServer]:
    """Runs ``scim2-server`` without users."""
    config = folder / "service-provider-config.json"
    config.write_text(
        json.dumps(
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
                "patch": {"supported": abilities.patch},
                "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
                "filter": {"supported": abilities.filter, "maxResults": PAGE_SIZE},
                "changePassword": {"supported": False},
                "sort": {"supported": False},
                "etag": {"supported": abilities.etag},
            }
        )
    )
    port = reserve_port()
    url = f"http://127.0.0.1:{port}/v2"
    options = ("--port", str(port), "--bearer-token", DECLAREE_KEY, "--service-provider-config", str(config))
    ready = create_http_check(f"{url}/ServiceProviderConfig")
    async with Process(
        "scim2-server", (str(COMMAND), *options), folder=folder / "scim2-server", ready=ready
    ) as process:
        yield ScimServer(url, process)
