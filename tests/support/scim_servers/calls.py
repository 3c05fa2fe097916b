"""Calls to a SCIM server, and what tests compare of its answers."""

import secrets
from typing import Any

import httpx

from tests.support.scim_servers.server import ScimServer

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
"""The URN of the core schema of users."""

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
"""The URN of the message that a PATCH sends."""

Answer = tuple[int, str | None]
"""Status, and ``scimType`` if the answer is an error that has one."""


def select_answer(server: ScimServer, strict: Answer, sdk: Answer) -> Answer:
    """Returns the answer that is recorded for the server: ``strict`` for scim2-server, ``sdk`` for SCIM-SDK."""
    return strict if server.process.name == "scim2-server" else sdk


def read_answer(answer: httpx.Response) -> Answer:
    """Returns status and ``scimType`` of an answer."""
    body = answer.json() if answer.content else {}
    return answer.status_code, body.get("scimType") if answer.is_error else None


def build_user(**attributes: Any) -> dict[str, Any]:
    """Returns a user with a new user name."""
    return {"schemas": [CORE], "userName": f"{secrets.token_hex(4)}@new.example", **attributes}


async def create_user(client: httpx.AsyncClient, **attributes: Any) -> dict[str, Any]:
    """Creates a user with a new user name; returns the server's answer."""
    answer = await client.post("/Users", json=build_user(**attributes))
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def get_user(client: httpx.AsyncClient, user: dict[str, Any]) -> dict[str, Any]:
    """Returns the user as the server has it now."""
    live: dict[str, Any] = (await client.get(f"/Users/{user['id']}")).json()
    return live


async def patch_user(
    client: httpx.AsyncClient, user: dict[str, Any], operation: dict[str, Any], **headers: str
) -> Answer:
    """Sends a PATCH with one operation."""
    body = {"schemas": [PATCH_OP], "Operations": [operation]}
    return read_answer(await client.patch(f"/Users/{user['id']}", json=body, headers=headers))
