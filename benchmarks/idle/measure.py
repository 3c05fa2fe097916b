"""Measures an installation at rest, and then polls of companies without changes."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from benchmarks.idle.companies import add_company, settle
from benchmarks.idle.report import Idle, Window
from benchmarks.installing import install, open_store
from benchmarks.processes import read_usages
from benchmarks.waiting import POLL_SECONDS, wait_until
from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from services.contracts.connections import ConnectionState

ACTIVE, PEOPLE = 89, 100
"""Active employees of each company, and all of them: the sandbox adds some with other statuses."""

REST_SECONDS = 20.0
"""Duration of the measurement at rest."""

LAST_SECONDS = 2.0
"""Duration of what follows the last poll: its lease is given back."""

MAX_SECONDS = 300
"""Time limit for one poll of all companies."""

COMMANDS = frozenset(
    {"find", "getMore", "insert", "update", "delete", "aggregate", "count", "distinct", "findAndModify"}
)
"""Commands that are counted: those that read or write documents. Drivers send others on their own."""


@dataclass(frozen=True, slots=True)
class _Readings:
    """The totals of all processes at one time."""

    at: float
    """Monotonic time in seconds."""
    cpu_seconds: Mapping[str, float]
    """CPU seconds since the start of the process, by name."""
    commands: int
    """Commands that MongoDB has received."""

    def until(self, later: "_Readings", polls: int) -> Window:
        """Returns what happened between these readings and later ones."""
        cpu = {name: later.cpu_seconds[name] - seconds for name, seconds in self.cpu_seconds.items()}
        return Window(later.at - self.at, cpu, later.commands - self.commands, polls)


class _Meter:
    """Reads the totals, makes companies due, and waits for the ends of their polls.

    A condition is checked at the same rate at rest and during the polls, so that the subtraction removes these commands.
    """

    def __init__(self, installation: Installation) -> None:
        self._pids = {
            "poller": installation.processes["poller"].pid,
            "MongoDB": installation.mongo.process.pid,
            "Kafka": installation.kafka.process.pid,
        }
        self._client = AsyncMongoClient[dict[str, Any]](installation.environment["MONGODB_URL"], tz_aware=True)
        self._database = self._client["personio_declaree"]

    async def close(self) -> None:
        """Closes the client."""
        await self._client.close()

    async def read(self) -> _Readings:
        """Returns the totals until now."""
        status = await self._database.command("serverStatus")
        totals = status["metrics"]["commands"]
        commands = sum(totals[name]["total"] for name in COMMANDS & totals.keys())
        cpu = {name: usage.cpu_seconds for name, usage in read_usages(self._pids).items()}
        return _Readings(time.monotonic(), cpu, commands)

    async def rest(self, seconds: float) -> None:
        """Waits, and checks a condition as often as ``poll_all`` does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._count_polled(datetime.now(UTC))
            await asyncio.sleep(POLL_SECONDS)

    async def poll_all(self, companies: int) -> None:
        """Makes all active companies due and waits until each is polled; raises ``StackError`` at the time limit."""
        now = datetime.now(UTC)
        await self._database["connections"].update_many(
            {"state": ConnectionState.ACTIVE.value}, {"$set": {"next_poll": now}}
        )
        await self.wait_for_polls(companies, now)

    async def wait_for_polls(self, companies: int, began: datetime) -> None:
        """Waits until each company is polled; raises ``StackError`` at the time limit.

        None of them may have a time for the next poll that is later than ``began``.
        """

        async def are_polled() -> bool:
            return await self._count_polled(began) >= companies

        try:
            await wait_until(are_polled, MAX_SECONDS)
        except TimeoutError as error:
            raise StackError(f"{companies} companies were not polled within {MAX_SECONDS} s") from error

    async def _count_polled(self, began: datetime) -> int:
        """Returns the number of active companies with a later time for the next poll, which the end of a poll stores."""
        where = {"state": ConnectionState.ACTIVE.value, "next_poll": {"$gt": began}}
        return await self._database["connections"].count_documents(where)


async def measure_idle(companies: int, repetitions: int, report: Callable[[str], None]) -> Idle:
    """Returns the measurements. Raises ``StackError`` if a poll fails or finds a change."""
    with tempfile.TemporaryDirectory(prefix="benchmark-idle-") as folder:
        report("idle companies: starting an installation")
        settings = {"POLL_VERIFY": "false"}
        async with install(Path(folder), ACTIVE, 1, services=("poller",), settings=settings) as installation:
            meter = _Meter(installation)
            try:
                return await _measure(installation, meter, companies, repetitions, report)
            finally:
                await meter.close()


async def _measure(
    installation: Installation, meter: _Meter, companies: int, repetitions: int, report: Callable[[str], None]
) -> Idle:
    with open_store(installation) as store:
        report(f"idle companies: first poll of {companies} companies")
        began = datetime.now(UTC)
        connections = [await add_company(installation, store, number) for number in range(companies)]
        await meter.wait_for_polls(companies, began)
        people = [await settle(store, connection) for connection in connections]
        if set(people) != {PEOPLE}:
            raise StackError(f"companies have {set(people)} employees, not {PEOPLE}")
        await meter.poll_all(companies)
        report("idle companies: at rest")
        first = await meter.read()
        await meter.rest(REST_SECONDS)
        rested = await meter.read()
        report(f"idle companies: {repetitions} polls of each")
        for _ in range(repetitions):
            await meter.poll_all(companies)
        await meter.rest(LAST_SECONDS)
        polled = await meter.read()
        for connection in connections:
            run = await store.runs.get_last_finished(connection)
            if run is None or run.counts.unchanged != PEOPLE or run.counts.emitted:
                raise StackError(f"a poll has found a change: {run}")
    return Idle(PEOPLE, companies, first.until(rested, 0), rested.until(polled, companies * repetitions))
