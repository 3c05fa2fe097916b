"""The recovery of docs/operations.md: something is lost while employees join, leave and change, and all accounts are right."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.installation import SERVICES, Installation
from tests.e2e.troubles import Company, get_health, get_status, open_database, restart_ended_services, wait_until_synced
from tests.support.recovery import change_employees
from tests.support.world import find_differences, get_connection_id, make_installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360), pytest.mark.long]

SETTINGS = {"POLL_INTERVAL_SECONDS": "1", "KAFKA_PARTITIONS": "2"}
"""Settings with frequent polls."""


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation of its own for each drill, with accounts for all employees."""
    async with make_installation(tmp_path, active=40, seed=29, settings=SETTINGS) as running:
        yield running


@pytest.fixture
async def company(installation: Installation) -> Company:
    """The company of the installation, after its first synchronisation."""
    company = Company(await get_connection_id(installation), installation.personio, installation.declaree)
    await wait_until_synced(installation, company)
    return company


async def wait_until_published(installation: Installation, company: Company, changes: int) -> None:
    """Waits until the poller has published that many changes, which are not decided yet."""
    async with open_database(installation) as database:

        async def is_published() -> bool:
            status = await get_status(installation, company)
            pending = await database["snapshots"].count_documents({"pending": True})
            return status.balance == changes and pending == 0

        await wait_until("all changes are published", is_published)


async def wait_until_health(installation: Installation, services: tuple[str, ...], ready: int) -> None:
    """Waits until these services are alive and answer with this code to ``/health/ready``."""

    async def has_health() -> bool:
        return all([await get_health(installation, service) == (200, ready) for service in services])

    await wait_until(f"/health/ready answers {ready}", has_health)


async def test_kafkas_data_lost(installation: Installation, company: Company) -> None:
    """Kafka loses the events of all changes while the services run. `init` and `resync` bring them to Declaree."""
    mapper = installation.processes["mapper"]
    mapper.pause()
    changed = await change_employees(company)
    await wait_until_published(installation, company, len(changed.all))

    async with restart_ended_services(installation):
        await installation.kafka.erase()
        mapper.resume()
        await installation.kafka.start()
        await wait_until_health(installation, SERVICES, 503)
        await installation.run_cli("init")
        await wait_until_health(installation, SERVICES, 200)

        assert len(await find_differences(company)) == len(changed.all)

        await installation.run_cli("resync", company.id)
        await wait_until_synced(installation, company)
