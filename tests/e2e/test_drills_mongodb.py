"""The recovery of docs/operations.md after MongoDB was restored from a backup, or lost without one."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.installation import SERVICES
from services.admin.mapping.documents import format_document
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.drift import DriftKind
from services.contracts.ids import ConnectionId
from services.contracts.mappings import AttributeSource, Rule, default_mapping
from tests.e2e.drills import HOUR, Drill, start_drill
from tests.e2e.troubles import list_letters, open_database, restart_ended_services
from tests.support.recovery import age_backup, back_up, change_employees, restore
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import call_control, list_accounts, list_employees

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360), pytest.mark.long]

PREFIX = "acme-"
"""Prefix of the external ids in the drill in which the connection is added again."""


async def list_last_employees(drill: Drill, number: int) -> list[dict[str, Any]]:
    """Returns the last active employees, which ``change_employees`` does not choose."""
    active: list[dict[str, Any]] = (await call_control(drill.company, "GET", "/employees?status=active"))["employees"]
    return active[-number:]


async def find_account(drill: Drill, employee: str) -> dict[str, Any]:
    """Returns the account of an employee as Declaree shows it."""
    external_id = drill.prefix + employee
    return next(account for account in await list_accounts(drill.company) if account.get("externalId") == external_id)


@pytest.mark.promise("P9")
async def test_mongodb_restored(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> None:
    """`poll` and `verify --repair` make every account exact, even where Personio and the backup agree.

    One change was published and had no outcome when the backup was made. One employee got another name after the backup,
    and the former one again. One was hired after the backup and has left.
    """
    async with start_drill(tmp_path, kafka, mongo) as drill, open_database(drill.installation) as database:
        company = drill.company
        unsettled, renamed_back = await list_last_employees(drill, 2)
        services = [drill.installation.processes[service] for service in SERVICES]
        mapper = drill.installation.processes["mapper"]
        mapper.pause()
        await call_control(company, "POST", f"/employees/{unsettled['id']}/rename", last_name="Unsettled")
        await drill.poll()
        backup = age_backup(await back_up(database), HOUR)
        mapper.resume()
        await change_employees(company, 0)
        await call_control(company, "POST", f"/employees/{renamed_back['id']}/rename", last_name="Between")
        hired = (await call_control(company, "POST", "/employees"))["id"]
        await drill.poll()
        await drill.wait_until_exact()

        await asyncio.gather(*(service.stop() for service in services))
        await call_control(
            company, "POST", f"/employees/{renamed_back['id']}/rename", last_name=renamed_back["last_name"]
        )
        await call_control(company, "POST", f"/employees/{hired}/terminate")
        await change_employees(company, 1)
        await restore(database, backup)
        await asyncio.gather(*(service.start() for service in services))
        async with restart_ended_services(drill.installation):
            await drill.run("poll", company.id)
            await drill.verify(repair=True)
            await drill.wait_until_exact()

            assert not (await find_account(drill, str(hired)))["active"]
            assert await drill.repeat("poll") == {}


@pytest.mark.promise("P4")
async def test_mongodb_lost(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> None:
    """The connection is added again. Every account is recognised, and nothing of the old connection is written.

    Some changes were published and not yet mapped. An employee that Personio has deleted since then is known to no system
    but Declaree: `verify` names the account.
    """
    mapping = write_mapping(tmp_path / "mapping.json")
    async with (
        start_drill(tmp_path, kafka, mongo, mapping=mapping, prefix=PREFIX) as old,
        restart_ended_services(old.installation),
        open_database(old.installation) as database,
    ):
        company, mapper = old.company, old.installation.processes["mapper"]
        (deleted,) = await list_last_employees(old, 1)
        orphan = await find_account(old, str(deleted["id"]))
        mapper.pause()
        published = await change_employees(company, 0)
        await old.poll()
        await database.client.drop_database(database.name)
        mapper.resume()
        await change_employees(company, 1)
        await call_control(company, "DELETE", f"/employees/{deleted['id']}")

        await old.run("init")
        added = ConnectionId(
            await old.installation.connect("Acme", options=("--external-id-prefix", PREFIX), start=False)
        )
        drill = replace(old, company=replace(company, id=added), strangers={**old.strangers, orphan["id"]: orphan})
        await drill.run("mapping", "import", added, str(mapping), "--yes")
        await drill.run("connections", "start", added, "--yes", "--links", "none")
        await drill.verify(repair=True)
        await drill.wait_until_exact()

        assert await find_other_titles(drill) == []
        letters = [letter for employee in published.all for letter in await list_letters(drill.installation, employee)]
        reasons = {letter.person: letter.letter.reason for letter in letters}
        assert reasons == {
            f"{company.id}/{employee}": DeadLetterReason.UNKNOWN_CONNECTION for employee in published.all
        }
        (left,) = (await drill.repeat()).values()
        assert left.kind is DriftKind.UNKNOWN_EMPLOYEE
        assert left.account_id == orphan["id"]


def write_mapping(file: Path) -> Path:
    """Writes a mapping that is not the default one: with the prefix and a rule for the job title."""
    title = Rule(target="title", source=AttributeSource(attribute="position"))
    default = default_mapping()
    mapping = default.model_copy(update={"rules": (*default.rules, title), "external_id_prefix": PREFIX})
    file.write_text(format_document(mapping), encoding="utf-8")
    return file


async def find_other_titles(drill: Drill) -> list[str]:
    """Returns the active employees with another job title in Declaree than in Personio."""
    titles = {account.get("externalId"): account.get("title") for account in await list_accounts(drill.company)}
    return [
        key
        for key, employee in (await list_employees(drill.company)).items()
        if employee["status"] == "active" and titles[drill.prefix + key] != employee["position"]
    ]
