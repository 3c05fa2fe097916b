"""Steps that the tests of the running containers share."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from tests.compose.deployment import Deployment
from tests.support.world import wait_until, wait_until_exact


async def wait_until_synced(deployment: Deployment) -> None:
    """Waits until all accounts are exact and no change is open."""

    async def has_no_open_changes() -> bool:
        connections = await asyncio.to_thread(deployment.read_status)
        return all(not connection["balance"] and not connection["waiting"] for connection in connections)

    await wait_until_exact(deployment, 180)
    await wait_until("no change is open", has_no_open_changes, 60)


async def call_control(sandbox: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Sends a request to the control API of a sandbox; returns the decoded body."""
    async with httpx.AsyncClient(base_url=sandbox) as client:
        response = await client.request(method, f"/_control{path}", json=body)
        response.raise_for_status()
        return response.json() if response.content else None
