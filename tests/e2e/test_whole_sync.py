"""The whole product on real Kafka and real MongoDB, with both vendors' sandboxes: what the README promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.installation import SERVICES, Installation
from tests.e2e.world import (
    at_rest,
    connection_of,
    control,
    differences,
    drained,
    exact,
    forget_journal,
    installed,
    journal,
    shared,
    store_of,
    until,
)
from tests.stack import KafkaServers, MongoServers

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(240)]


def writes(entries: list[dict[str, object]]) -> list[object]:
    return [entry["path"] for entry in entries if entry["method"] != "GET"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_killed_in_the_middle_loses_nobody_and_makes_no_second_account(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers, service: str
) -> None:
    others = tuple(each for each in SERVICES if each != service)
    async with installed(tmp_path, active=200, seed=11, services=others, settings=shared(kafka, mongo)) as installation:
        victim = await installation.start_service(service)

        async def halfway() -> bool:
            return len(writes(await journal(installation))) > 40

        if service == "poller":
            await until("some accounts are there", halfway)
        await victim.kill()
        await victim.start()
        await at_rest(installation, 90)
        await exact(installation, 60)


async def test_two_mappers_and_two_writers_share_the_partitions(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    async with installed(tmp_path, active=200, seed=13, services=(), settings=shared(kafka, mongo)) as installation:
        for service in ("mapper", "writer"):
            await installation.start_service(service)
            await installation.start_service(service, replica=2)
        await installation.start_service("poller")
        await at_rest(installation, 90)
        await exact(installation)


async def test_a_writer_that_slept_while_its_partitions_moved_writes_nothing_old(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    async with installed(tmp_path, active=200, seed=17, settings=shared(kafka, mongo)) as installation:
        second = await installation.start_service("writer", replica=2)

        async def begun() -> bool:
            return len(writes(await journal(installation))) > 20

        await until("some accounts are there", begun)
        second.pause()
        await at_rest(installation, 90)
        second.resume()
        people = (await control(installation, "GET", "/employees"))["employees"]
        someone = next(person["id"] for person in people if person["status"] == "active")
        await control(installation, "POST", f"/employees/{someone}/rename", last_name="Ostermann")
        await exact(installation, 60)


# ------------------------------------------------------------ one installation for all that follow


@pytest.fixture(scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServers, mongo: MongoServers
) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("whole")
    async with installed(folder, active=120, seed=7, settings=shared(kafka, mongo)) as running:
        yield running


async def test_everybody_active_gets_an_exact_account_and_at_rest_nothing_is_asked_again(
    installation: Installation,
) -> None:
    """The whole sync a second time, and every recorded event replayed, once newest and once all: no call at all."""
    await at_rest(installation)
    await exact(installation)
    await forget_journal(installation)

    connection = await connection_of(installation)
    await installation.cli("poll", connection)
    await installation.cli("resync", connection)
    await installation.cli("replay")
    await installation.cli("replay", "--all")
    await drained(installation)
    assert await journal(installation) == []

    async with store_of(installation) as store:
        await store.accounts.forget_applied(connection)
    await installation.cli("replay", "--all")
    await drained(installation)
    methods = {entry["method"] for entry in await journal(installation)}
    assert methods == {"GET"}
    assert await differences(installation) == []


async def test_changes_arrive_and_leavers_are_disabled_and_come_back(installation: Installation) -> None:
    await at_rest(installation)
    people = (await control(installation, "GET", "/employees"))["employees"]
    active = [person["id"] for person in people if person["status"] == "active"]
    await control(installation, "POST", f"/employees/{active[3]}/rename", last_name="Neumann")
    await control(installation, "POST", f"/employees/{active[4]}/terminate")
    await exact(installation)

    await control(installation, "POST", f"/employees/{active[4]}/reactivate")
    await exact(installation)


async def test_health_and_metrics_are_served(installation: Installation) -> None:
    await at_rest(installation)
    async with httpx.AsyncClient() as client:
        for service in SERVICES:
            port = installation.processes[service].environment["HTTP_PORT"]
            assert (await client.get(f"http://127.0.0.1:{port}/health/live")).status_code == 200
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            assert "sync_" in metrics


async def test_no_log_holds_an_email_address_or_a_secret(installation: Installation) -> None:
    await at_rest(installation)
    for service in SERVICES:
        text = installation.processes[service].log.read_text()
        assert "@" not in text
        assert "demo-secret" not in text
        assert "demo-key" not in text
