"""What an administrator does with a first mapping: docs/first-mapping.md, command by command, with the services running."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.installation import Installation
from services.contracts.targets import ENTERPRISE
from services.runtime.environment import EX_CONFIG
from tests.support.documentation import ROOT
from tests.support.guide import ANSWER, GUIDE, Block, Command, find_missing_line, parse_commands, read_blocks
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

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(420)]

ACTIVE, SEED = 20, 31
"""The company of the guide."""
REFUSED = "nothing was published"
"""What the guide shows if a command ends with an error."""
SECONDS = 60
"""Maximum time in seconds until a command prints what the guide shows: the accounts follow a moment later."""
ORGANIZATION, COST_CENTER = "organization", "costCenter"


@pytest.fixture
async def installation(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> AsyncIterator[Installation]:
    """A running installation after its first import."""
    async with make_installation(
        tmp_path / "data", active=ACTIVE, seed=SEED, settings=make_settings(kafka, mongo)
    ) as running:
        await wait_until_exact(running)
        yield running


class Reader:
    """Follows the guide in a folder."""

    def __init__(self, installation: Installation, folder: Path, connection: str) -> None:
        self._installation = installation
        self._folder = folder
        self._connection = connection
        self._last: Command | None = None

    async def follow(self, blocks: tuple[Block, ...]) -> None:
        """Runs the commands, edits the rules, and compares what is printed, in the order of the guide."""
        for position, block in enumerate(blocks):
            if block.language == "yaml":
                self._edit(block)
            elif block.language == "sh":
                shown = blocks[position + 1] if blocks[position + 1 : position + 2] else Block("", "")
                await self._run_all(parse_commands(block), shown)

    def _edit(self, block: Block) -> None:
        file = self._folder / "mapping.yaml"
        content = yaml.safe_load(file.read_text())
        rules = {rule["target"]: rule for rule in content["rules"]}
        edited = {rule["target"]: rule for rule in yaml.safe_load(block.text)}
        assert edited.keys() <= rules.keys(), "the suggestion has no such rule to replace"
        file.write_text(yaml.safe_dump({**content, "rules": [*(rules | edited).values()]}, allow_unicode=True))

    async def _run_all(self, commands: tuple[Command, ...], shown: Block) -> None:
        for command in commands[:-1]:
            code, output = await self._run(command, "")
            assert code == 0, output
        expected = EX_CONFIG if REFUSED in shown.text else 0
        answers = "".join(f"{answer}\n" for answer in ANSWER.findall(shown.text))
        deadline = time.monotonic() + SECONDS
        code, output = await self._run(commands[-1], answers)
        while find_missing_line(shown, output) and not answers and time.monotonic() < deadline:
            code, output = await self._run(commands[-1], answers)
        assert code == expected, output
        assert find_missing_line(shown, output) is None, output

    async def _run(self, command: Command, answers: str) -> tuple[int | None, str]:
        """Returns the exit code of a command, and what a terminal shows."""
        words = [self._connection if word == "ID" else word for word in command.words]
        environment = {**os.environ, **self._installation.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with (self._folder / (command.target or "screen")).open("wb") as result:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.cli", *words),
                cwd=self._folder,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=result if command.target else asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE if command.target else asyncio.subprocess.STDOUT,
            )
            output, errors = await process.communicate(answers.encode())
        return process.returncode, (errors if command.target else output).decode()


async def find_active_accounts(installation: Installation) -> dict[str, dict[str, Any]]:
    """Returns the accounts of active employees by their external id."""
    accounts = {account.get("externalId"): account for account in await list_accounts(installation)}
    employees = await list_employees(installation)
    return {key: accounts[key] for key, person in employees.items() if person["status"] == "active"}


def read_enterprise(account: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of an account with the manager, the organisation and the cost centre."""
    part: dict[str, Any] = account.get(ENTERPRISE, {})
    return part


def find_position(blocks: tuple[Block, ...], words: str) -> int:
    """Returns the position of the block with a command."""
    return next(number for number, block in enumerate(blocks) if block.language == "sh" and words in block.text)


async def test_guide_works_from_the_suggestion_to_the_roll_back(installation: Installation, tmp_path: Path) -> None:
    """Each command of the page works, with the rules of the page, and prints what the page shows."""
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(installation, folder, await get_connection_id(installation))
    blocks = read_blocks(GUIDE)
    back = find_position(blocks, "mapping rollback")

    async def is_published() -> bool:
        return all(ORGANIZATION in read_enterprise(one) for one in (await find_active_accounts(installation)).values())

    async def is_rolled_back() -> bool:
        accounts = (await find_active_accounts(installation)).values()
        return not any(one.get("phoneNumbers") or COST_CENTER in read_enterprise(one) for one in accounts)

    await reader.follow(blocks[:back])
    await wait_until("every account has the new fields", is_published)
    accounts = await find_active_accounts(installation)
    await reader.follow(blocks[back:])
    await wait_until("no account has the new fields", is_rolled_back)
    await wait_until_exact(installation)

    first, second = accounts["1024"], accounts["1028"]
    assert first["phoneNumbers"][0]["value"] == "+4915120001024"
    assert first[ENTERPRISE][ORGANIZATION] == "Nord"
    assert second[ENTERPRISE][ORGANIZATION] == "Wien"
    assert second[ENTERPRISE][COST_CENTER] == "7000; 9000"
