"""A sandbox of Declaree in this process, with a clock that tests move."""

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


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Moves the clock forward; ``by`` holds arguments of ``timedelta``."""
        self.now += timedelta(**by)


def build_user(email: str = "anna.berg@example.com", /, **changes: Any) -> dict[str, Any]:
    """Returns a user with the required attributes. ``changes`` replace or add attributes; None omits one."""
    body = {
        "schemas": [CORE],
        "userName": email,
        "name": {"givenName": "Anna", "familyName": "Berg"},
        "emails": [{"value": email, "type": "work", "primary": True}],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def build_users(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Returns users with the external ids 1 to ``count``."""
    return [build_user(f"p{number}@example.com", externalId=str(number), **changes) for number in range(1, count + 1)]


def build_operation(op: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    """Returns a PATCH operation. Without ``value``, the operation has no value; None is sent as null."""
    return {"op": op} | ({} if path is None else {"path": path}) | ({} if value is ... else {"value": value})


@dataclass
class DeclareeSandbox:
    """A sandbox with its state, a client that sends the valid key, and its clock."""

    declaree: Declaree
    """State of the sandbox."""
    http: httpx.AsyncClient
    """Client with the valid key."""
    clock: ManualClock = field(default_factory=ManualClock)
    """Clock of the sandbox."""

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Sends one SCIM request. Names of ``headers`` are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent = {"content-type": "application/scim+json", **sent}
        content = None if body is None else json.dumps(body)
        return await self.http.request(method, f"/SCIM/v2{path}", content=content, headers=sent)

    async def get(self, path: str) -> Any:
        """Returns the resource at ``path``; the request must succeed."""
        answer = await self.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self, body: dict[str, Any] | None = None, path: str = "/Users") -> Any:
        """Creates a resource and returns it; the request must succeed."""
        answer = await self.request("POST", path, body or build_user())
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def patch(self, account_id: str, *operations: dict[str, Any], path: str = "/Users") -> httpx.Response:
        """Sends a PATCH with these operations."""
        message = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return await self.request("PATCH", f"{path}/{account_id}", message)

    async def patch_and_get(self, account_id: str, *operations: dict[str, Any], path: str = "/Users") -> Any:
        """Sends a PATCH, which must succeed, and returns the changed resource."""
        answer = await self.patch(account_id, *operations, path=path)
        assert answer.is_success, answer.text
        return await self.get(f"{path}/{account_id}")

    async def find_ids(self, expression: str, path: str = "/Users") -> list[str]:
        """Returns the ids of the resources that match the filter."""
        answer = await self.http.get(f"/SCIM/v2{path}", params={"filter": expression})
        assert answer.status_code == 200, answer.text
        return [resource["id"] for resource in answer.json()["Resources"]]

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Sends a request to the control API, which must succeed, and returns the answer."""
        answer = await self.http.request(method, f"/_control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def order_fault(self, kind: str, **details: Any) -> None:
        """Orders a fault over the control API."""
        await self.control("POST", "/faults", {"kind": kind, **details})

    def list_user_names(self) -> set[str]:
        """Returns the user names of all accounts."""
        return {entry.resource["userName"] for entry in self.declaree.directory.users.values()}

    def change_behaviour(self, **changes: Any) -> None:
        """Sets fields of the behaviour; all other fields stay."""
        self.declaree.behaviour = Behaviour.model_validate({**self.declaree.behaviour.model_dump(), **changes})


def read_error(answer: httpx.Response) -> tuple[int, str | None]:
    """Returns status and error type of a SCIM error, after checks of its form."""
    body = answer.json()
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(answer.status_code)
    assert body["detail"]
    return answer.status_code, body.get("scimType")


@asynccontextmanager
async def run_sandbox(
    *, state_file: Path | None = None, journal_size: int = 1000, **behaviour: Any
) -> AsyncIterator[DeclareeSandbox]:
    """Yields a sandbox without accounts. ``behaviour`` holds fields of its behaviour."""
    clock = ManualClock()
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
            yield DeclareeSandbox(declaree, http, clock)
    finally:
        declaree.close()
