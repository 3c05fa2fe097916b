"""A sandbox in this process, with time that stands still until it is moved."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from sandbox.personio.app import create_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
SECRETS = {"client_id": "demo-client", "client_secret": "demo-secret"}
EMPLOYEES = "/v1/company/employees"
GOLDEN = Path(__file__).parents[2] / "golden" / "personio"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@dataclass
class Stage:
    """The state to look into, and a client that talks to the app."""

    state: State
    http: httpx.AsyncClient

    async def log_in(self) -> str:
        answer = await self.http.post("/v1/auth", json=SECRETS)
        assert answer.status_code == 200, answer.text
        token = str(answer.json()["data"]["token"])
        self.http.headers["authorization"] = f"Bearer {token}"
        return token

    async def listed(self, query: str = "") -> Any:
        """One page of the list."""
        answer = await self.http.get(f"{EMPLOYEES}{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def everybody(self) -> dict[int, dict[str, Any]]:
        """All pages of the list: id → attributes."""
        found: dict[int, dict[str, Any]] = {}
        page = await self.listed("?limit=100")
        while page["data"]:
            found |= {each["attributes"]["id"]["value"]: each["attributes"] for each in page["data"]}
            page = await self.listed(f"?limit=100&offset={page['offset'] + page['limit']}")
        return found

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the control API answers, which has to be a success."""
        answer = await self.http.request(method, f"/_control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def pass_time(self, **by: float) -> None:
        self.state.clock.advance(timedelta(**by))


def ids(page: Any) -> list[int]:
    return [each["attributes"]["id"]["value"] for each in page["data"]]


@asynccontextmanager
async def staged(employees: int = 60, **behaviour: Any) -> AsyncIterator[Stage]:
    """Everything may be read; limits of the rate are off unless asked for."""
    state = State.generated(
        seed=7,
        employees=employees,
        credential=Credential(SECRETS["client_id"], SECRETS["client_secret"], ALL_KEYS),
        clock=Clock(lambda: NOW),
        behaviour=Behaviour.model_validate({"rate_limits": False, **behaviour}),
    )
    transport = httpx.ASGITransport(app=create_app(state))
    async with httpx.AsyncClient(transport=transport, base_url="http://personio.test") as http:
        yield Stage(state, http)
