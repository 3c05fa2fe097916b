"""A sandbox in this process, with time that stands still until it is moved."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
KEY = "demo-key"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DECLAREE = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def user(email: str = "anna.berg@example.com", /, **changes: Any) -> dict[str, Any]:
    """The least that an account needs; ``changes`` replace or add attributes, None leaves one out."""
    body = {
        "schemas": [CORE],
        "userName": email,
        "name": {"givenName": "Anna", "familyName": "Berg"},
        "emails": [{"value": email, "type": "work", "primary": True}],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def people(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [user(f"p{number}@example.com", externalId=str(number), **changes) for number in range(1, count + 1)]


def operation(op: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    """``value`` is left out unless given, None is null."""
    return {"op": op} | ({} if path is None else {"path": path}) | ({} if value is ... else {"value": value})


@dataclass
class Stage:
    """The state to look into, and a client that talks SCIM with the right key."""

    declaree: Declaree
    http: httpx.AsyncClient
    clock: Hands = field(default_factory=Hands)

    async def scim(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One SCIM request; names of ``headers`` are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent = {"content-type": "application/scim+json", **sent}
        content = None if body is None else json.dumps(body)
        return await self.http.request(method, f"/SCIM/v2{path}", content=content, headers=sent)

    async def get(self, path: str) -> Any:
        answer = await self.scim("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self, body: dict[str, Any] | None = None, path: str = "/Users") -> Any:
        answer = await self.scim("POST", path, body or user())
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def patch(self, account_id: str, *operations: dict[str, Any], path: str = "/Users") -> httpx.Response:
        message = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return await self.scim("PATCH", f"{path}/{account_id}", message)

    async def patched(self, account_id: str, *operations: dict[str, Any], path: str = "/Users") -> Any:
        """The resource afterwards; the PATCH has to succeed."""
        answer = await self.patch(account_id, *operations, path=path)
        assert answer.is_success, answer.text
        return await self.get(f"{path}/{account_id}")

    async def found(self, expression: str, path: str = "/Users") -> list[str]:
        """Ids that a filter finds."""
        answer = await self.http.get(f"/SCIM/v2{path}", params={"filter": expression})
        assert answer.status_code == 200, answer.text
        return [resource["id"] for resource in answer.json()["Resources"]]

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the control API answers, which has to be a success."""
        answer = await self.http.request(method, f"/_control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def behave(self, **changes: Any) -> None:
        self.declaree.behaviour = Behaviour.model_validate({**self.declaree.behaviour.model_dump(), **changes})


def refusal(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and error type of a SCIM error, whose form is checked."""
    body = answer.json()
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(answer.status_code)
    assert body["detail"]
    return answer.status_code, body.get("scimType")


@asynccontextmanager
async def staged(*, state_file: Path | None = None, journal_size: int = 1000, **behaviour: Any) -> AsyncIterator[Stage]:
    clock = Hands()
    declaree = Declaree(
        api_key=KEY,
        behaviour=Behaviour.model_validate(behaviour),
        state_file=state_file,
        journal_size=journal_size,
        clock=clock,
    )
    transport = httpx.ASGITransport(app=create_app(declaree))
    headers = {"authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://declaree.test", headers=headers) as http:
            yield Stage(declaree, http, clock)
    finally:
        declaree.close()
