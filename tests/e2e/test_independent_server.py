"""The product on independent SCIM servers: one company and one installation, a connection for each server.

``scim2-server`` is written in Python, SCIM-SDK in Java. ``tests/sandbox/scim_servers`` records how their answers differ.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.installation import Installation
from services.contracts.ids import ConnectionId
from tests.support.scim_servers.scim2_server import run_scim2_server
from tests.support.scim_servers.scim_sdk import run_scim_sdk
from tests.support.scim_servers.server import PAGE_SIZE, Abilities, ScimServer, StartServer
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    ENTERPRISE,
    Sides,
    call_control,
    find_differences,
    list_accounts,
    list_employees,
    make_installation,
    make_settings,
    open_store,
    wait_until,
    wait_until_committed,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

STARTS: dict[str, StartServer] = {"scim2-server": run_scim2_server, "scim-sdk": run_scim_sdk}
"""The servers by name."""

MODES = {
    "patch": Abilities(),
    "put": Abilities(patch=False, etag=False),
    "no-filters": Abilities(filter=False),
}
"""What the servers support, by the name of the mode."""

SCENARIOS = [
    pytest.param(name, mode, id=f"{name}-{mode}", marks=[pytest.mark.long] if mode != "patch" else [])
    for mode in MODES
    for name in STARTS
]
"""Every server in every mode."""

UPDATES = {"scim2-server": ("PATCH", 204), "scim-sdk": ("PATCH", 200)}
"""Method and status of an update where PATCH is supported, by server."""

UNMAPPED = {
    "title": "Prof.",
    "phoneNumbers": [{"value": "+49 1", "type": "mobile"}],
    ENTERPRISE: {"costCenter": "CC-9"},
}
"""Attributes that the mapping does not write."""


OUTDATED = {
    "userName": "old@elsewhere.example",
    "active": False,
}
"""Attributes that the mapping writes, with values of long ago."""


@dataclass(frozen=True)
class Target:
    """A server that a connection writes to, and the company."""

    personio: str
    """The sandbox Personio, with its control API."""
    declaree: str
    """The sandbox Declaree. This connection does not use it."""
    server: ScimServer
    """The server."""
    connection: str
    """The id of the connection."""

    @property
    def scim(self) -> str:
        """The address of the server's API."""
        return self.server.url

    async def get_account(self, employee: dict[str, Any]) -> dict[str, Any]:
        """Returns the account of an employee; raises ``ValueError`` unless there is exactly one."""
        accounts = await list_accounts(self)
        (account,) = [entry for entry in accounts if entry.get("externalId") == str(employee["id"])]
        return account

    async def change(self, employee: dict[str, Any], change: str, **values: Any) -> None:
        """Changes an employee with the control API of the sandbox Personio."""
        await call_control(self, "POST", f"/employees/{employee['id']}/{change}", **values)


@dataclass(frozen=True)
class Chosen:
    """The employees of one scenario. All but the boss have a supervisor, and it is not the boss."""

    boss: int
    """The id of an employee without a supervisor."""
    renamed: dict[str, Any]
    """Gets a new name and a new e-mail address."""
    moved: dict[str, Any]
    """Gets the boss as supervisor."""
    freed: dict[str, Any]
    """Loses the supervisor."""
    leaver: dict[str, Any]
    """Leaves and comes back."""

    @property
    def changed(self) -> tuple[dict[str, Any], ...]:
        """The employees that change."""
        return self.renamed, self.moved, self.freed, self.leaver


@pytest.fixture(scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServers, mongo: MongoServers
) -> AsyncIterator[Installation]:
    """The services and the company of all tests."""
    folder = tmp_path_factory.mktemp("independent")
    async with make_installation(folder, active=25, seed=23, settings=make_settings(kafka, mongo)) as started:
        yield started


@asynccontextmanager
async def connect(installation: Installation, server: ScimServer) -> AsyncIterator[Target]:
    """Adds a connection to a server. At the end the connection is paused, because the server stops."""
    connection = await installation.connect(server.url, scim=server.url)
    try:
        yield Target(installation.personio, installation.declaree, server, connection)
    finally:
        await installation.run_cli("connections", "pause", connection)


def get_supervisor(employee: dict[str, Any]) -> int | None:
    supervisor = employee["supervisor"]
    return supervisor and int(supervisor["attributes"]["id"]["value"])


def get_manager(account: dict[str, Any]) -> str | None:
    manager: str | None = account.get(ENTERPRISE, {}).get("manager", {}).get("value")
    return manager


async def choose(sides: Sides) -> Chosen:
    """Chooses the employees for one scenario; the earlier scenarios have changed the company."""
    employees = [entry for entry in (await list_employees(sides)).values() if entry["status"] == "active"]
    boss = next(int(employee["id"]) for employee in employees if get_supervisor(employee) is None)
    moved, freed, renamed, leaver = [entry for entry in employees if get_supervisor(entry) not in {None, boss}][:4]
    return Chosen(boss, renamed, moved, freed, leaver)


async def wait_until_exact(target: Target, seconds: float = 60) -> None:
    """Waits until all accounts with an external id are exact."""
    last: list[str] = []

    async def is_exact() -> bool:
        last[:] = [line for line in await find_differences(target) if not line.endswith("none")]
        return not last

    try:
        await wait_until("both sides agree", is_exact, seconds)
    except AssertionError:
        raise AssertionError(f"{len(last)} differences: {last[:8]}") from None


async def check_rest(installation: Installation, target: Target) -> None:
    """Checks that a resync and a replay send no request; without remembered hashes they only read."""
    server, only = target.server, ("--connection", target.connection)
    await wait_until_committed(installation)
    requests = server.list_requests()

    await installation.run_cli("resync", target.connection)
    await installation.run_cli("replay", "--all", *only)
    await wait_until_committed(installation)

    assert server.list_requests() == requests

    writes = server.list_writes()
    async with open_store(installation) as store:
        await store.ledger.forget_applied(ConnectionId(target.connection))
    await installation.run_cli("replay", "--all", *only)
    await wait_until_committed(installation)

    assert len(server.list_requests()) > len(requests)
    assert server.list_writes() == writes


@pytest.mark.parametrize(("name", "mode"), SCENARIOS)
async def test_independent_server_gets_exact_accounts(
    tmp_path: Path, installation: Installation, name: str, mode: str
) -> None:
    """First import, then a new name, a new manager, none, a leaver and a return: both sides agree after each step.

    The server has accounts that are not the connector's, and on the last page one that is, with attributes of others.
    """
    async with STARTS[name](tmp_path, MODES[mode]) as server:
        foreign = [await server.create(userName=f"{i}@elsewhere.example", active=True) for i in range(PAGE_SIZE)]
        chosen = await choose(installation)
        names = {"givenName": chosen.renamed["first_name"].strip(), "familyName": chosen.renamed["last_name"].strip()}
        known = await server.create(externalId=str(chosen.renamed["id"]), name=names, **OUTDATED, **UNMAPPED)

        async with connect(installation, server) as target:
            await wait_until_exact(target)
            before = [await target.get_account(employee) for employee in chosen.changed]
            await target.change(chosen.renamed, "rename", last_name="Öztürk-Weiß", email=True)
            await target.change(chosen.moved, "promote", supervisor=chosen.boss)
            await target.change(chosen.freed, "promote", supervisor=None)
            await target.change(chosen.leaver, "terminate")
            await wait_until_exact(target)
            renamed, moved, freed, left = [await target.get_account(employee) for employee in chosen.changed]

            assert [renamed["id"], moved["id"], freed["id"], left["id"]] == [account["id"] for account in before]
            assert renamed["id"] == known
            assert renamed["name"]["familyName"] == "Öztürk-Weiß"
            assert renamed["userName"] != before[0]["userName"]
            assert renamed["emails"] == [{"value": renamed["userName"], "type": "work", "primary": True}]
            assert renamed["title"] == UNMAPPED["title"]
            assert renamed["phoneNumbers"] == UNMAPPED["phoneNumbers"]
            assert renamed[ENTERPRISE]["costCenter"] == "CC-9"
            assert get_manager(moved) != get_manager(before[1])
            assert get_manager(freed) is None
            assert left["active"] is False
            assert left["userName"] == chosen.leaver["email"]

            await target.change(chosen.leaver, "reactivate")
            await wait_until_exact(target)
            await wait_until_committed(installation)
            writes = server.list_writes()[PAGE_SIZE + 1 :]

            assert (await target.get_account(chosen.leaver))["id"] == left["id"]
            update = ("PUT", 200) if mode == "put" else UPDATES[name]
            refused = ("PATCH", 501)  # which a server without PATCH may see once
            assert {(method, status) for method, _, status in writes} - {refused} == {("POST", 201), update}
            assert [path for _, path, _ in writes if path.rpartition("/")[2] in foreign] == []

            if mode == "patch":
                await check_rest(installation, target)
