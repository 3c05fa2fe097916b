"""A first import into a Declaree that has an account for every second active employee already."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks import first_import
from benchmarks.installing import install, open_store
from benchmarks.report import Import
from sandbox.installation import PERSONIO_ID, PERSONIO_SECRET, Installation

PAGE = 100
"""Employees on one page of the sandbox Personio."""


async def run(folder: Path, active: int, seed: int, progress: Callable[[int], None]) -> Import:
    """Installs the product, adds the accounts, and imports all employees; raises ``StackError`` if the import fails."""
    async with install(folder, active, seed) as installation:
        with open_store(installation) as store:
            await _add_accounts(installation)
            return await first_import.run(installation, store, active, progress, links="fitting")


async def _add_accounts(installation: Installation) -> None:
    async with httpx.AsyncClient(base_url=installation.declaree, trust_env=False, timeout=60) as client:
        number = 0
        async for employee in _iterate_active(installation.personio):
            number += 1
            if number % 2 == 0:
                answer = await client.post("/_control/accounts", json=_build_account(employee))
                answer.raise_for_status()


async def _iterate_active(personio: str) -> AsyncIterator[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=personio, trust_env=False, timeout=60) as client:
        secrets = {"client_id": PERSONIO_ID, "client_secret": PERSONIO_SECRET}
        token = (await client.post("/v1/auth", json=secrets)).json()["data"]["token"]
        offset, total = 0, 1
        while offset < total:
            answer = await client.get(
                "/v1/company/employees",
                params={"limit": PAGE, "offset": offset},
                headers={"Authorization": f"Bearer {token}"},
            )
            page = answer.raise_for_status().json()
            offset, total = offset + len(page["data"]), page["metadata"]["total_elements"]
            for item in page["data"]:
                employee = {key: value["value"] for key, value in item["attributes"].items()}
                if employee["status"] == "active":
                    yield employee


def _build_account(employee: dict[str, Any]) -> dict[str, Any]:
    """Returns an account as an administrator made it by hand."""
    email = employee["email"].strip()
    return {
        "userName": email,
        "emails": [{"value": email, "type": "work", "primary": True}],
        "name": {"givenName": employee["first_name"].strip(), "familyName": employee["last_name"].strip()},
        "active": True,
    }
