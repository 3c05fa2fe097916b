"""The product writes to a SCIM server that was made by others, with nothing but settings changed.

The package ``scim2-server`` follows RFC 7643 and RFC 7644 to the letter: it sends ETags and insists on them, answers
PATCH with 204, and refuses attributes that its schemas do not have.
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
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Process, http_ready
from services.contracts.ids import ConnectionId
from tests.e2e.world import (
    ENTERPRISE,
    accounts,
    at_rest,
    control,
    differences,
    drained,
    employees,
    exact,
    installed,
    journal,
    shared,
    store_of,
    until,
)
from tests.stack import KafkaServers, MongoServers

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(480)]

REQUEST = re.compile(r'"([A-Z]+) (/v2/Users\S*) HTTP/1\.[01]" (\d{3})')
SERVER = Path(sysconfig.get_path("scripts")) / "scim2-server"
WITHOUT_PATCH = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": False},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": 100},
    "changePassword": {"supported": False},
    "sort": {"supported": False},
    "etag": {"supported": False},
}


@dataclass
class ScimServer:
    """The server's process; what it was asked stands in its log."""

    url: str
    process: Process

    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path and status of everything asked about users so far."""
        found = REQUEST.findall(self.process.log.read_text())
        return [(method, path, int(status)) for method, path, status in found]

    def writes(self) -> list[tuple[str, str, int]]:
        return [request for request in self.requests() if request[0] != "GET"]

    async def create(self, **attributes: Any) -> str:
        """What an administrator does by hand."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {DECLAREE_KEY}"}) as client:
            answer = await client.post(f"{self.url}/Users", json=attributes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@asynccontextmanager
async def scim_server(folder: Path, *options: str) -> AsyncIterator[ScimServer]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2"
    command = (str(SERVER), "--port", str(port), "--bearer-token", DECLAREE_KEY, *options)
    ready = http_ready(f"{url}/ServiceProviderConfig")
    async with Process("scim2-server", command, folder=folder / "scim2-server", ready=ready) as process:
        yield ScimServer(url, process)


async def active_people(running: Installation) -> list[dict[str, Any]]:
    return [person for person in (await employees(running)).values() if person["status"] == "active"]


async def account_of(running: Installation, employee: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in await accounts(running) if each.get("externalId") == str(employee["id"])]
    return found


async def exact_beside_the_stranger(running: Installation) -> None:
    async def agrees() -> bool:
        return await differences(running) == ["account of nobody: none"]

    await until("both sides agree, but for the account that is nobody's", agrees)


async def nothing_is_written_at_rest(running: Installation, server: ScimServer) -> None:
    """A second sync and both replays ask nothing; with the memory of what was applied gone they only read."""
    (status,) = await running.status()
    connection = str(status["connection"])
    asked = server.requests()
    await running.cli("poll", connection)
    await running.cli("resync", connection)
    await running.cli("replay")
    await running.cli("replay", "--all")
    await drained(running)
    assert server.requests() == asked

    written = server.writes()
    async with store_of(running) as store:
        await store.accounts.forget_applied(ConnectionId(connection))
    await running.cli("replay", "--all")
    await drained(running)
    assert len(server.requests()) > len(asked)
    assert server.writes() == written


async def test_everybody_arrives_changes_follow_and_at_rest_nothing_is_written(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    async with (
        scim_server(tmp_path) as server,
        installed(tmp_path, active=40, seed=23, settings=shared(kafka, mongo), scim_url=server.url) as running,
    ):
        await at_rest(running)
        await exact(running)
        found = await accounts(running)
        assert len(found) == 40
        assert sum("manager" in account.get(ENTERPRISE, {}) for account in found) > 30
        assert all(account["emails"][0]["value"] == account["userName"] for account in found)

        renamed, terminated = (await active_people(running))[3:5]
        before = await account_of(running, renamed)
        await control(running, "POST", f"/employees/{renamed['id']}/rename", last_name="Öztürk-Weiß", email=True)
        await control(running, "POST", f"/employees/{terminated['id']}/terminate")
        await exact(running)
        after, left = await account_of(running, renamed), await account_of(running, terminated)
        assert (after["id"], after["name"]["familyName"]) == (before["id"], "Öztürk-Weiß")
        assert after["emails"] == [{"value": after["userName"], "type": "work", "primary": True}]
        assert after["userName"] != before["userName"]
        assert (left["active"], left["userName"]) == (False, terminated["email"])

        await at_rest(running)
        await nothing_is_written_at_rest(running, server)
        await exact(running)
        assert {(method, status) for method, _, status in server.writes()} == {("POST", 201), ("PATCH", 204)}
        assert await journal(running) == []  # the sandbox Declaree has no part in this


async def test_accounts_that_are_there_are_adopted_without_loss_also_where_there_is_no_patch(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """The one with an employee's address gets what is mapped and keeps the rest; a stranger's is left alone."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(WITHOUT_PATCH))
    async with (
        scim_server(tmp_path, "--service-provider-config", str(config)) as server,
        installed(
            tmp_path, active=40, seed=23, services=(), settings=shared(kafka, mongo), scim_url=server.url
        ) as running,
    ):
        employee = (await active_people(running))[7]
        more = {
            "title": "Prof.",
            ENTERPRISE: {"costCenter": "CC-9"},
            "phoneNumbers": [{"value": "+49 1", "type": "mobile"}],
        }
        adopted = await server.create(userName=employee["email"].upper(), active=False, **more)
        stranger = await server.create(userName="auditor@elsewhere.example", active=True)
        for service in SERVICES:
            await running.start_service(service)
        await exact_beside_the_stranger(running)

        account = await account_of(running, employee)
        assert (account["id"], account["active"], account["userName"]) == (adopted, True, employee["email"])
        assert {name: account[name] for name in ("title", "phoneNumbers")} == {
            name: more[name] for name in ("title", "phoneNumbers")
        }
        assert account[ENTERPRISE]["costCenter"] == "CC-9"
        assert not [path for _, path, _ in server.requests() if stranger in path]

        await control(running, "POST", f"/employees/{employee['id']}/rename", last_name="Neumann")
        await exact_beside_the_stranger(running)
        await at_rest(running)
        renamed = await account_of(running, employee)
        assert (renamed["name"]["familyName"], renamed["title"]) == ("Neumann", "Prof.")
        await nothing_is_written_at_rest(running, server)
        refused = [request for request in server.writes() if request[0] == "PATCH"]
        assert {status for _, _, status in refused} == {501}
        assert {status for method, _, status in server.writes() if method == "PUT"} == {200}
