"""The whole product on a real Kafka and a real MongoDB, with the sandboxes of both vendors."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from sandbox.installation import SERVICES, Installation
from tests.support.http import open_http
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    call_control,
    clear_journal,
    find_differences,
    get_connection_id,
    list_accounts,
    make_installation,
    make_settings,
    open_store,
    read_journal,
    wait_for_rest,
    wait_until,
    wait_until_committed,
    wait_until_exact,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]


HIRED = 60
"""Employees that are hired at once: half of the company."""


async def count_writes(installation: Installation) -> int:
    """Returns how many writes the sandbox Declaree has received."""
    return sum(entry["method"] != "GET" for entry in await read_journal(installation))


@pytest.mark.parametrize("service", SERVICES)
async def test_killed_service_loses_and_duplicates_no_account(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers, service: str
) -> None:
    """A service that is killed in the middle of a first synchronisation repeats its unfinished work."""
    others = tuple(other for other in SERVICES if other != service)
    settings = make_settings(kafka, mongo)

    async with make_installation(tmp_path, active=200, seed=11, services=others, settings=settings) as installation:
        victim = await installation.start_service(service)

        async def has_some_accounts() -> bool:
            return await count_writes(installation) > 40

        if service == "poller":
            await wait_until("some accounts exist", has_some_accounts)
        await victim.kill()
        await victim.start()
        await wait_for_rest(installation, 90)
        await wait_until_exact(installation, 60)


async def test_two_mappers_and_two_writers_share_the_partitions(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """Replicas of a service lead to the same accounts as one process."""
    settings = make_settings(kafka, mongo)

    async with make_installation(tmp_path, active=200, seed=13, services=(), settings=settings) as installation:
        for service in ("mapper", "writer"):
            await installation.start_service(service)
            await installation.start_service(service, replica=2)
        await installation.start_service("poller")
        await wait_for_rest(installation, 90)
        await wait_until_exact(installation)


async def test_writer_resumed_after_a_rebalance_writes_no_old_data(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """A writer that was suspended during its batch loses its partitions and drops that batch."""
    settings = make_settings(kafka, mongo)

    async with make_installation(tmp_path, active=200, seed=17, settings=settings) as installation:
        second = await installation.start_service("writer", replica=2)

        async def has_some_accounts() -> bool:
            return await count_writes(installation) > 20

        await wait_until("some accounts exist", has_some_accounts)
        second.pause()
        await wait_for_rest(installation, 90)
        second.resume()
        employees = (await call_control(installation, "GET", "/employees"))["employees"]
        renamed = next(employee["id"] for employee in employees if employee["status"] == "active")
        await call_control(installation, "POST", f"/employees/{renamed}/rename", last_name="Ostermann")
        await wait_until_exact(installation, 60)


# ------------------------------------------------------------ tests that share one installation


@pytest.fixture(scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServers, mongo: MongoServers
) -> AsyncIterator[Installation]:
    """An installation with 120 active employees."""
    folder = tmp_path_factory.mktemp("whole")
    async with make_installation(folder, active=120, seed=7, settings=make_settings(kafka, mongo)) as running:
        yield running


async def test_exact_accounts_are_not_written_again(installation: Installation) -> None:
    """A poll, a resync and both replays send no request; without remembered hashes they only read."""
    await wait_for_rest(installation)
    await wait_until_exact(installation)
    await clear_journal(installation)
    connection = await get_connection_id(installation)

    await installation.run_cli("poll", connection)
    await installation.run_cli("resync", connection)
    await installation.run_cli("replay")
    await installation.run_cli("replay", "--all")
    await wait_until_committed(installation)

    assert await read_journal(installation) == []

    async with open_store(installation) as store:
        await store.ledger.forget_applied(connection)
    await installation.run_cli("replay", "--all")
    await wait_until_committed(installation)
    methods = {entry["method"] for entry in await read_journal(installation)}

    assert methods == {"GET"}
    assert await find_differences(installation) == []


async def test_changed_and_left_employees_reach_declaree(installation: Installation) -> None:
    """A new name is written, a leaver's account is disabled, and it is enabled when the employee returns."""
    await wait_for_rest(installation)
    employees = (await call_control(installation, "GET", "/employees"))["employees"]
    active = [employee["id"] for employee in employees if employee["status"] == "active"]

    await call_control(installation, "POST", f"/employees/{active[3]}/rename", last_name="Neumann")
    await call_control(installation, "POST", f"/employees/{active[4]}/terminate")
    await wait_until_exact(installation)

    await call_control(installation, "POST", f"/employees/{active[4]}/reactivate")
    await wait_until_exact(installation)


async def test_services_at_rest_serve_health_and_metrics(installation: Installation) -> None:
    """Every service answers on its HTTP port."""
    await wait_for_rest(installation)
    async with open_http() as client:
        for service in SERVICES:
            port = installation.processes[service].environment["HTTP_PORT"]
            live = await client.get(f"http://127.0.0.1:{port}/health/live")
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text

            assert live.status_code == 200
            assert "sync_" in metrics


async def test_logs_contain_no_email_address_and_no_secret(installation: Installation) -> None:
    """Personal data and secrets stay out of the logs."""
    await wait_for_rest(installation)
    for service in SERVICES:
        text = installation.processes[service].log.read_text()

        assert "@" not in text
        assert "demo-secret" not in text
        assert "demo-key" not in text


@pytest.mark.promise("P6")
async def test_mass_change_is_held_until_it_is_released(installation: Installation) -> None:
    """No account is written before, except that of a single employee that an administrator names."""
    await wait_for_rest(installation)
    await wait_until_exact(installation)
    connection = await get_connection_id(installation)
    await clear_journal(installation)
    answer = await call_control(installation, "POST", "/employees", count=HIRED, status="active")
    hired = [str(employee) for employee in answer["ids"]]

    async def is_held() -> bool:
        return bool((await read_newest_run(installation, connection))["state"] == "held")

    await wait_until("a run is held", is_held)
    await wait_until_committed(installation)
    assert [entry for entry in await read_journal(installation) if entry["method"] != "GET"] == []

    await installation.run_cli("poll", connection, "--employee", hired[0])
    await wait_for_rest(installation)
    assert await find_accounts(installation, hired) == {hired[0]}

    await wait_until("the others are held", is_held)
    run = await read_newest_run(installation, connection)  # a decision also counts for the run that replaces this one
    await installation.run_cli("runs", "release", connection, run["id"], "--yes")
    await wait_for_rest(installation)
    await wait_until_exact(installation)
    assert await find_accounts(installation, hired) == set(hired)


async def read_newest_run(installation: Installation, connection: str) -> Any:
    """Returns the newest run as `runs list` prints it."""
    (run,) = json.loads(await installation.run_cli("runs", "list", connection, "--limit", "1", "--json"))
    return run


async def find_accounts(installation: Installation, employees: Iterable[str]) -> set[str]:
    """Returns those of the employees that have an account."""
    return {str(account.get("externalId")) for account in await list_accounts(installation)} & set(employees)
