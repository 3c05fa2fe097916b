"""What an administrator does with a mapping, command by command, with the services running: docs/administrator.md, section 4."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.installation import Installation
from services.contracts.targets import ENTERPRISE
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    get_connection_id,
    list_accounts,
    list_employees,
    make_installation,
    make_settings,
    wait_until,
    wait_until_exact,
)

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(300)]

ACTIVE = 20
EXAMPLES = f"""\
examples:
  - name: the larger share decides
    attributes: {{email: ada@example.com, first_name: Ada, last_name: Blum, status: active,
      cost_centers.name: [4711 Sales, 4712 IT], cost_centers.percentage: [40, 60], office.name: Kiel}}
    expected: {{fields: {{"{ENTERPRISE}:costCenter": "4712", displayName: Ada Blum}}}}
  - name: an employee on leave keeps the account as it is
    attributes: {{email: ben@example.com, status: leave}}
    expected: {{intent: ignore}}
"""


@pytest.fixture
async def installation(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> AsyncIterator[Installation]:
    """A running installation after its first import."""
    async with make_installation(
        tmp_path / "data", active=ACTIVE, seed=31, settings=make_settings(kafka, mongo)
    ) as running:
        await wait_until_exact(running)
        yield running


def edit(document: str) -> str:
    """Returns the suggested mapping with three rules that its author changes."""
    content = yaml.safe_load(document)
    rules = {rule["target"]: rule for rule in content["rules"]}
    cost_center = rules[f"{ENTERPRISE}:costCenter"]
    cost_center["transforms"] = [{"kind": "extract", "pattern": r"^\d+", "otherwise": "keep"}]
    rules.pop(f"{ENTERPRISE}:organization")
    rules["displayName"] = {
        "target": "displayName",
        "source": {"kind": "expression", "expression": 'first_name + " " + last_name'},
    }
    rules[f"{ENTERPRISE}:division"] = {
        "target": f"{ENTERPRISE}:division",
        "source": {"kind": "attribute", "attribute": "office.name"},
        "transforms": [{"kind": "value_table", "table": {"Hamburg": "Nord"}, "otherwise": "keep"}],
    }
    return yaml.safe_dump({**content, "rules": list(rules.values())}, allow_unicode=True)


async def find_active_accounts(installation: Installation) -> dict[str, dict[str, Any]]:
    """Returns the accounts of active employees by their external id."""
    accounts = {account.get("externalId"): account for account in await list_accounts(installation)}
    employees = await list_employees(installation)
    return {key: accounts[key] for key, person in employees.items() if person["status"] == "active"}


async def test_mapping_from_the_suggestion_to_the_roll_back(installation: Installation, tmp_path: Path) -> None:
    """Suggest, edit, lint, test, draft, preview, pin, publish, explain, roll back."""
    connection = await get_connection_id(installation)
    file, examples = tmp_path / "mapping.yaml", tmp_path / "examples.yaml"
    examples.write_text(EXAMPLES)
    mapping = ("mapping",)

    file.write_text(edit(await installation.run_cli(*mapping, "suggest", connection)))
    await installation.run_cli(*mapping, "lint", str(file))
    await installation.run_cli(*mapping, "test", str(file), str(examples))
    await installation.run_cli(*mapping, "import", connection, str(file), "--draft")
    preview = json.loads(await installation.run_cli(*mapping, "preview", connection, "--json"))
    for employee in list(await find_active_accounts(installation))[:2]:
        await installation.run_cli(*mapping, "pin", connection, employee, str(examples), "--draft", "--made-up")
    published = await installation.run_cli(
        *mapping, "publish", connection, "--yes", "--examples", str(examples), "--note", "cost centres"
    )

    assert "mapping version 2 is published" in published

    async def has_names() -> bool:
        accounts = await find_active_accounts(installation)
        return all(account.get("displayName") for account in accounts.values())

    await wait_until("every account has the new field", has_names)
    accounts = await find_active_accounts(installation)
    assert len(preview["results"]["updated"]) == len(accounts)
    employee, account = next(iter(accounts.items()))
    explained = json.loads(await installation.run_cli(*mapping, "explain", connection, employee, "--json"))
    (name,) = [field for field in explained["fields"] if field["explanation"]["target"] == "displayName"]
    assert name["held"] == name["explanation"]["value"] == account["displayName"]

    await installation.run_cli(*mapping, "rollback", connection, "1", "--yes", "--dropped", "clear")

    async def has_no_names() -> bool:
        return not any(account.get("displayName") for account in (await find_active_accounts(installation)).values())

    await wait_until("no account has the new field", has_no_names)
    history = json.loads(await installation.run_cli(*mapping, "history", connection, "--json"))
    assert [version["version"] for version in history["versions"]] == [3, 2, 1]
    await wait_until_exact(installation)
