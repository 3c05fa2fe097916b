"""The product on an independent SCIM server, with other settings only.

The package ``scim2-server`` follows RFC 7643 and RFC 7644 strictly. It requires ETags, answers PATCH with 204, and rejects
attributes that are not in its schemas.
"""

import json
import re
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.installation import DECLAREE_KEY, SERVICES, Installation
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from services.contracts.ids import ConnectionId
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    ENTERPRISE,
    call_control,
    find_differences,
    list_accounts,
    list_employees,
    make_installation,
    make_settings,
    open_store,
    read_journal,
    wait_for_rest,
    wait_until,
    wait_until_committed,
    wait_until_exact,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(480)]

REQUEST = re.compile(r'"([A-Z]+) (/v2/Users\S*) HTTP/1\.[01]" (\d{3})')
"""Method, path and status of one request to users in the server's log."""

SERVER = Path(sysconfig.get_path("scripts")) / "scim2-server"
"""The server's command."""

WITHOUT_PATCH = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": False},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": 100},
    "changePassword": {"supported": False},
    "sort": {"supported": False},
    "etag": {"supported": False},
}
"""Configuration of a server that supports PUT, but neither PATCH nor ETags."""


@dataclass
class ScimServer:
    """The running server. Its log contains its requests."""

    url: str
    """Base address of its API."""
    process: Process
    """Its process."""

    def list_requests(self) -> list[tuple[str, str, int]]:
        """Returns method, path and status of all requests to users so far."""
        matches = REQUEST.findall(self.process.log.read_text())
        return [(method, path, int(status)) for method, path, status in matches]

    def list_writes(self) -> list[tuple[str, str, int]]:
        """Returns method, path and status of all requests that were not GET."""
        return [request for request in self.list_requests() if request[0] != "GET"]

    async def create(self, **attributes: Any) -> str:
        """Creates an account as an administrator would do it; returns its id."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {DECLAREE_KEY}"}) as client:
            answer = await client.post(f"{self.url}/Users", json=attributes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@asynccontextmanager
async def run_scim_server(folder: Path, *options: str) -> AsyncIterator[ScimServer]:
    """Runs the server with these command-line options."""
    port = reserve_port()
    url = f"http://127.0.0.1:{port}/v2"
    command = (str(SERVER), "--port", str(port), "--bearer-token", DECLAREE_KEY, *options)
    ready = create_http_check(f"{url}/ServiceProviderConfig")
    async with Process("scim2-server", command, folder=folder / "scim2-server", ready=ready) as process:
        yield ScimServer(url, process)


async def list_active_employees(installation: Installation) -> list[dict[str, Any]]:
    """Returns the attributes of all active employees."""
    return [employee for employee in (await list_employees(installation)).values() if employee["status"] == "active"]


async def get_account(installation: Installation, employee: dict[str, Any]) -> dict[str, Any]:
    """Returns the account of an employee; raises ``ValueError`` unless there is exactly one."""
    accounts = await list_accounts(installation)
    (account,) = [entry for entry in accounts if entry.get("externalId") == str(employee["id"])]
    return account


async def wait_until_exact_beside_a_foreign_account(installation: Installation) -> None:
    """Waits until the only difference is the account without an external id."""

    async def is_exact() -> bool:
        return await find_differences(installation) == ["account without an employee: none"]

    await wait_until("both sides agree, except for the foreign account", is_exact)


async def check_rest(installation: Installation, server: ScimServer) -> None:
    """Checks that a poll, a resync and both replays send no request; without remembered hashes they only read."""
    (status,) = await installation.read_status()
    connection = str(status["connection"])
    requests = server.list_requests()

    await installation.run_cli("poll", connection)
    await installation.run_cli("resync", connection)
    await installation.run_cli("replay")
    await installation.run_cli("replay", "--all")
    await wait_until_committed(installation)

    assert server.list_requests() == requests

    writes = server.list_writes()
    async with open_store(installation) as store:
        await store.ledger.forget_applied(ConnectionId(connection))
    await installation.run_cli("replay", "--all")
    await wait_until_committed(installation)

    assert len(server.list_requests()) > len(requests)
    assert server.list_writes() == writes


async def test_independent_server_gets_exact_accounts_and_changes(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """New employees, a new name and a leaver reach the server with POST and PATCH, and at rest it gets no write."""
    settings = make_settings(kafka, mongo)

    async with (
        run_scim_server(tmp_path) as server,
        make_installation(tmp_path, active=40, seed=23, settings=settings, scim_url=server.url) as installation,
    ):
        await wait_for_rest(installation)
        await wait_until_exact(installation)
        accounts = await list_accounts(installation)

        assert len(accounts) == 40
        assert sum("manager" in account.get(ENTERPRISE, {}) for account in accounts) > 30
        assert all(account["emails"][0]["value"] == account["userName"] for account in accounts)

        renamed, terminated = (await list_active_employees(installation))[3:5]
        before = await get_account(installation, renamed)
        await call_control(
            installation, "POST", f"/employees/{renamed['id']}/rename", last_name="Öztürk-Weiß", email=True
        )
        await call_control(installation, "POST", f"/employees/{terminated['id']}/terminate")
        await wait_until_exact(installation)
        after, left = await get_account(installation, renamed), await get_account(installation, terminated)

        assert after["id"] == before["id"]
        assert after["name"]["familyName"] == "Öztürk-Weiß"
        assert after["emails"] == [{"value": after["userName"], "type": "work", "primary": True}]
        assert after["userName"] != before["userName"]
        assert left["active"] is False
        assert left["userName"] == terminated["email"]

        await wait_for_rest(installation)
        await check_rest(installation, server)
        await wait_until_exact(installation)

        assert {(method, status) for method, _, status in server.list_writes()} == {("POST", 201), ("PATCH", 204)}
        assert await read_journal(installation) == []  # the product has not written to the sandbox Declaree


async def test_server_without_patch_keeps_unmapped_attributes(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """An account with an employee's address is linked and keeps its other attributes; a foreign account is unchanged."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(WITHOUT_PATCH))
    settings = make_settings(kafka, mongo)
    unmapped = {
        "title": "Prof.",
        ENTERPRISE: {"costCenter": "CC-9"},
        "phoneNumbers": [{"value": "+49 1", "type": "mobile"}],
    }

    async with (
        run_scim_server(tmp_path, "--service-provider-config", str(config)) as server,
        make_installation(
            tmp_path, active=40, seed=23, services=(), settings=settings, scim_url=server.url
        ) as installation,
    ):
        employee = (await list_active_employees(installation))[7]
        linked_id = await server.create(userName=employee["email"].upper(), active=False, **unmapped)
        foreign_id = await server.create(userName="auditor@elsewhere.example", active=True)
        for service in SERVICES:
            await installation.start_service(service)
        await wait_until_exact_beside_a_foreign_account(installation)
        account = await get_account(installation, employee)

        assert account["id"] == linked_id
        assert account["active"] is True
        assert account["userName"] == employee["email"]
        assert account["title"] == unmapped["title"]
        assert account["phoneNumbers"] == unmapped["phoneNumbers"]
        assert account[ENTERPRISE]["costCenter"] == "CC-9"
        assert [path for _, path, _ in server.list_requests() if foreign_id in path] == []

        await call_control(installation, "POST", f"/employees/{employee['id']}/rename", last_name="Neumann")
        await wait_until_exact_beside_a_foreign_account(installation)
        await wait_for_rest(installation)
        account = await get_account(installation, employee)

        assert account["name"]["familyName"] == "Neumann"
        assert account["title"] == "Prof."

        await check_rest(installation, server)
        writes = server.list_writes()

        assert {status for method, _, status in writes if method == "PATCH"} == {501}
        assert {status for method, _, status in writes if method == "PUT"} == {200}
