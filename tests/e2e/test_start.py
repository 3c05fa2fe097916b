"""``connections start`` on a company with accounts that exist already: what was shown and accepted happens."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.installation import Installation
from tests.support.http import open_http
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    list_accounts,
    list_employees,
    make_installation,
    make_settings,
    open_store,
    wait_until,
    wait_until_committed,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

EXISTING = 40
"""Number of employees with an account that exists before the first import."""
DOUBTFUL = 10
"""Number of these accounts that have a role, are disabled, or have another name."""


def build_existing_account(number: int, employee: dict[str, Any]) -> dict[str, Any]:
    """Returns an account as an administrator made it by hand. The first ones do not fit the employee."""
    account = {
        "userName": employee["email"].strip(),
        "emails": [{"value": employee["email"].strip(), "type": "work", "primary": True}],
        "name": {"givenName": employee["first_name"].strip(), "familyName": employee["last_name"].strip()},
        "active": True,
    }
    if number < 4:
        account["roles"] = [{"value": "admin"}]
    elif number < 7:
        account["active"] = False
    elif number < DOUBTFUL:
        account["name"] = {"givenName": "Other", "familyName": "Person"}
    return account


async def add_existing_accounts(installation: Installation) -> dict[str, dict[str, Any]]:
    """Adds the accounts and returns the doubtful ones as the server shows them, by id."""
    employees = await list_employees(installation)
    active = [employee for _, employee in sorted(employees.items()) if employee["status"] == "active"]
    async with open_http(base_url=installation.declaree) as client:
        for number, employee in enumerate(active[:EXISTING]):
            answer = await client.post("/_control/accounts", json=build_existing_account(number, employee))
            answer.raise_for_status()
    accounts = await list_accounts(installation)
    doubtful = {employee["email"].strip() for employee in active[:DOUBTFUL]}
    return {account["id"]: account for account in accounts if account["userName"] in doubtful}


@pytest.mark.promise("P5")
async def test_first_import_does_what_was_shown_and_accepted(
    tmp_path: Path, kafka: KafkaServers, mongo: MongoServers
) -> None:
    """The accounts that fit are linked, the doubtful ones stay as they are and ask for a decision each."""
    settings = make_settings(kafka, mongo)

    async with make_installation(
        tmp_path, active=80, seed=23, settings=settings, starts_connection=False
    ) as installation:
        doubtful = await add_existing_accounts(installation)
        connection = json.loads(await installation.run_cli("connections", "list", "--json"))[0]["id"]
        shown = json.loads(await installation.run_cli("connections", "start", connection, "--dry-run", "--json"))

        assert shown["accounts"] == EXISTING
        assert shown["counts"]["fitting"] == EXISTING - DOUBTFUL
        assert shown["counts"]["unclear"] == DOUBTFUL
        assert await list_accounts(installation) != []

        await installation.run_cli("connections", "start", connection, "--yes", "--links", "fitting")
        await wait_until_linked(installation, shown["counts"])
        accounts = {account["id"]: account for account in await list_accounts(installation)}
        open_links = json.loads(await installation.run_cli("links", "list", connection, "--json"))

        assert len(accounts) == EXISTING + shown["counts"]["created"]
        assert {account: accounts[account] for account in doubtful} == doubtful
        assert {link["decision"]["account_id"] for link in open_links} == doubtful.keys()
        assert sum(bool(account.get("externalId")) for account in accounts.values()) == len(accounts) - DOUBTFUL


async def wait_until_linked(installation: Installation, counts: dict[str, int]) -> None:
    """Waits until every employee of the preview has an outcome, and no change waits."""
    async with open_store(installation) as store:
        (connection,) = await store.connections.list_all()

        async def is_settled() -> bool:
            outcomes = (await store.counters.read_one(connection.id)).outcomes
            linked, created = outcomes.get("linked", 0), outcomes.get("created", 0)
            return (
                linked == counts["fitting"]
                and created == counts["created"]
                and not await store.counters.count_waiting_by_cause()
            )

        await wait_until("all employees are settled as shown", is_settled, 90)
    await wait_until_committed(installation)
