"""Runs a Personio sandbox in this process, with a clock that stands still until a test moves it."""

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


def load_golden(name: str) -> Any:
    """Returns one of the vendor's examples."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@dataclass
class PersonioSandbox:
    """Sandbox and a client that sends requests to its application."""

    state: State
    """State of the sandbox, for inspection."""
    http: httpx.AsyncClient
    """HTTP client; sends the token after a login."""

    async def log_in(self) -> str:
        """Logs the client in and returns the token."""
        response = await self.http.post("/v1/auth", json=SECRETS)
        assert response.status_code == 200, response.text
        token = str(response.json()["data"]["token"])
        self.http.headers["authorization"] = f"Bearer {token}"
        return token

    async def list_page(self, query: str = "") -> Any:
        """Returns one page of the list."""
        response = await self.http.get(f"{EMPLOYEES}{query}")
        assert response.status_code == 200, response.text
        return response.json()

    async def list_attributes(self) -> dict[int, dict[str, Any]]:
        """Returns the attributes of the employees of all pages, by employee id."""
        attributes: dict[int, dict[str, Any]] = {}
        page = await self.list_page("?limit=100")
        while page["data"]:
            attributes |= {employee["attributes"]["id"]["value"]: employee["attributes"] for employee in page["data"]}
            page = await self.list_page(f"?limit=100&offset={page['offset'] + page['limit']}")
        return attributes

    async def call_control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Returns the response body of the control API; fails unless the request succeeds."""
        response = await self.http.request(method, f"/_control{path}", json=body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def change_employee(self, number: int, **attributes: object) -> int:
        """Changes an employee, selected by the position of its id, and returns the id."""
        employee_id = sorted(employee.id for employee in self.state.company.list_employees())[number]
        await self.call_control("PATCH", f"/employees/{employee_id}", attributes)
        return employee_id

    def advance_clock(self, **duration: float) -> None:
        """Moves the clock forward by the arguments of a ``timedelta``."""
        self.state.clock.advance(timedelta(**duration))


def extract_ids(page: Any) -> list[int]:
    """Returns the employee ids of a page, in order."""
    return [employee["attributes"]["id"]["value"] for employee in page["data"]]


@asynccontextmanager
async def run_sandbox(employees: int = 60, **behaviour: Any) -> AsyncIterator[PersonioSandbox]:
    """Yields a sandbox with a credential that may read all attributes. Rate limits are off by default."""
    state = State.generate(
        seed=7,
        employees=employees,
        credential=Credential(SECRETS["client_id"], SECRETS["client_secret"], ALL_KEYS),
        clock=Clock(lambda: NOW),
        behaviour=Behaviour.model_validate({"rate_limits": False, **behaviour}),
    )
    transport = httpx.ASGITransport(app=create_app(state))
    async with httpx.AsyncClient(transport=transport, base_url="http://personio.test") as http:
        yield PersonioSandbox(state, http)
