"""Tools of the recovery drills: an installation beside accounts of strangers, and what has to be true at the end."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.installation import Installation
from services.admin.tasks import file_and_wait
from services.contracts.drift import Drift, DriftKind
from services.contracts.ids import EmployeeId
from services.contracts.tasks import Poll
from services.runtime.clock import SystemClock
from tests.e2e.troubles import Company, get_status, open_database
from tests.support.recovery import add_strangers, age_ledger
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import (
    clear_journal,
    find_differences,
    get_connection_id,
    list_accounts,
    make_installation,
    make_settings,
    open_store,
    read_journal,
    wait_until,
    wait_until_committed,
)

SETTINGS = {"POLL_INTERVAL_SECONDS": "3600", "POLL_VERIFY": "false", "KAFKA_PARTITIONS": "2"}
"""Settings with which only the named commands poll and verify."""
Findings = dict[tuple[EmployeeId | None, DriftKind], Drift]
"""What a verification has found, by employee and kind."""
HOUR = timedelta(hours=1)
"""Age of the backups."""


@dataclass(frozen=True, slots=True)
class Drill:
    """An installation in which something is lost."""

    installation: Installation
    """The installation."""
    company: Company
    """The company with the accounts that have to be right."""
    strangers: Mapping[str, Mapping[str, Any]]
    """The accounts in its Declaree that are not its employees', by id."""
    prefix: str = ""
    """The prefix of its external ids."""

    async def run(self, *arguments: str) -> str:
        """Runs a command of the product and returns its output."""
        return await self.installation.run_cli(*arguments)

    async def poll(self) -> None:
        """Polls Personio as the schedule does, and returns once all changes are published."""
        async with open_store(self.installation) as store:
            task = await file_and_wait(
                store, SystemClock(), self.company.id, Poll(), seconds=60, progress=lambda _: None
            )
        assert task.error is None

    async def verify(self, *, repair: bool = False) -> Findings:
        """Runs ``verify`` and returns its findings. Its exit code tells whether one of them needs a person."""
        options = ("--repair",) if repair else ()
        result = await self.installation.run_command("verify", self.company.id, "--json", *options)
        assert result.errors == ""
        (verified,) = json.loads(result.output)
        drifts = [Drift.model_validate(drift) for drift in verified["findings"]]
        assert result.code == (not all(drift.is_repaired for drift in drifts))
        found = {(drift.employee_id, drift.kind): drift for drift in drifts}
        assert len(found) == len(drifts), drifts
        return found

    async def find_differences(self) -> list[str]:
        """Returns one line for each difference between the employees and their accounts."""
        return await find_differences(self.company, prefix=self.prefix, strangers=self.strangers.keys())

    async def wait_until_exact(self, seconds: float = 60) -> None:
        """Waits until all accounts are exact and no change is open or waiting. No account of a stranger has changed."""
        last: list[object] = []

        async def is_exact() -> bool:
            status = await get_status(self.installation, self.company)
            differences = await self.find_differences() if status.balance + status.waiting == 0 else None
            last[:] = [status.balance, status.waiting, differences]
            return last == [0, 0, []]

        try:
            await wait_until("all accounts are exact", is_exact, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: balance, waiting and differences are {last}") from None
        await wait_until_committed(self.installation)
        accounts = {account["id"]: account for account in await list_accounts(self.company)}
        assert {account: accounts.get(account) for account in self.strangers} == self.strangers

    async def repeat(self, *commands: str) -> Findings:
        """Repeats commands and ``verify --repair`` an hour later, and returns the findings. Nothing may be written."""
        async with open_database(self.installation) as database:
            await age_ledger(database, HOUR)
        await clear_journal(self.company)
        for command in commands:
            await self.run(command, self.company.id)
        found = await self.verify(repair=True)
        await self.wait_until_exact()
        assert [entry for entry in await read_journal(self.company) if entry["method"] != "GET"] == []
        return found


@asynccontextmanager
async def start_drill(
    folder: Path, kafka: KafkaServers, mongo: MongoServers, *, mapping: Path | None = None, prefix: str = ""
) -> AsyncIterator[Drill]:
    """Starts an installation with strangers in its Declaree, and waits for its first import.

    ``mapping`` is the file of its mapping, None for the default one; ``prefix`` is the prefix that the mapping has.
    """
    settings = {**make_settings(kafka, mongo), **SETTINGS}
    async with make_installation(folder, active=30, seed=29, settings=settings, starts_connection=False) as running:
        connection = await get_connection_id(running)
        company = Company(connection, running.personio, running.declaree)
        drill = Drill(running, company, await add_strangers(company), prefix)
        if mapping is not None:
            await drill.run("mapping", "import", connection, str(mapping), "--yes")
        await drill.run("connections", "start", connection, "--yes", "--links", "none")
        await drill.wait_until_exact()
        yield drill
