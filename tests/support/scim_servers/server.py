"""A running SCIM server, what it can be told to support, and the requests in its log."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox.installation import DECLAREE_KEY
from sandbox.stack.processes import Process

REQUEST = re.compile(r'"([A-Z]+) (\S*/Users\S*) HTTP/1\.[01]" (\d{3})')
"""Method, path and status of one request to users in a server's log."""

PAGE_SIZE = 20
"""The largest number of users in one answer. It is small, so that few users make several pages."""


@dataclass(frozen=True)
class Abilities:
    """What a server supports and says so in its ``ServiceProviderConfig``."""

    patch: bool = True
    """Whether it supports PATCH. Both servers answer 501 otherwise."""
    filter: bool = True
    """Whether it supports filters. Otherwise ``scim2-server`` answers 501, and SCIM-SDK lists the first users."""
    etag: bool = True
    """Whether it versions users with ETags."""


@dataclass
class ScimServer:
    """A running server that accepts the installation's key. Its log contains its requests."""

    url: str
    """Base address of its API."""
    process: Process
    """Its process."""

    def create_client(self) -> httpx.AsyncClient:
        """Returns a client that sends the key and SCIM's media type."""
        headers = {"Authorization": f"Bearer {DECLAREE_KEY}", "Content-Type": "application/scim+json"}
        return httpx.AsyncClient(base_url=self.url, headers=headers)

    def list_requests(self) -> list[tuple[str, str, int]]:
        """Returns method, path and status of all requests to users so far."""
        matches = REQUEST.findall(self.process.log.read_text())
        return [(method, path, int(status)) for method, path, status in matches]

    def list_writes(self) -> list[tuple[str, str, int]]:
        """Returns method, path and status of all requests that were not GET."""
        return [request for request in self.list_requests() if request[0] != "GET"]

    async def create(self, **attributes: Any) -> str:
        """Creates an account as an administrator would do it; returns its id."""
        async with self.create_client() as client:
            answer = await client.post("/Users", json=attributes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


StartServer = Callable[[Path, Abilities], AbstractAsyncContextManager[ScimServer]]
"""Runs a server with files in a folder. It stops at the end of the block."""
