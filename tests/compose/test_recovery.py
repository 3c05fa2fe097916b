"""Recovery in containers, with the commands of docs/operations.md as they are printed: `make compose-test`."""

import re
from pathlib import Path

import pytest

from tests.compose.deployment import Deployment
from tests.compose.engine import ROOT
from tests.compose.steps import call_control, wait_until_synced
from tests.support.world import list_employees

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500, method="signal")]


def read_printed_commands(introduction: str, page: str = "operations.md") -> list[str]:
    """Returns the lines of the block of commands on a page of docs, below a paragraph that begins with the introduction."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    block = re.search(rf"^{re.escape(introduction)}(?:[^\n]+\n)*\n```sh\n(.+?)```", text, re.MULTILINE | re.DOTALL)
    assert block is not None, introduction
    return block[1].splitlines()


async def rename_an_employee(deployment: Deployment, last_name: str) -> None:
    """Gives an active employee another name."""
    employees = await list_employees(deployment)
    active = next(key for key, employee in employees.items() if employee["status"] == "active")
    await call_control(deployment.personio, "POST", f"/employees/{active}/rename", {"last_name": last_name})


async def test_mongodb_is_restored_into_an_empty_volume(synced: Deployment, tmp_path: Path) -> None:
    """The volume of MongoDB is lost while all services run; a change after the backup reaches Declaree."""
    synced.up()  # an earlier test may have stopped the services
    for command in read_printed_commands("In containers, make a backup"):
        synced.run_printed(command, tmp_path)
    (before,) = synced.read_status()
    await rename_an_employee(synced, "Ostermann")
    await wait_until_synced(synced)

    synced.lose_mongo()
    for command in read_printed_commands("To restore it, also into an empty volume"):
        synced.run_printed(command, tmp_path)
    (after,) = synced.read_status()

    assert after["connection"] == before["connection"]
    assert after["accounts"] == before["accounts"]

    synced.run_cli("poll", after["connection"])
    await wait_until_synced(synced)


async def test_passwords_are_replaced_with_the_printed_commands(synced: Deployment) -> None:
    """All services work with the new passwords, and Kafka and MongoDB accept the old ones no longer."""
    files = [synced.secrets / "kafka_writer", synced.secrets / "mongodb_writer"]
    before = [file.read_text(encoding="utf-8") for file in files]

    for command in read_printed_commands("To replace a password", "containers.md"):
        synced.run_printed(command, synced.folder)

    assert not set(before) & {file.read_text(encoding="utf-8") for file in files}

    await rename_an_employee(synced, "Neumeister")
    await wait_until_synced(synced)
