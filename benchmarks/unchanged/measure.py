"""Imports one company, and then measures an incremental poll and full scans of it, none of which finds a change."""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs

import httpx
from cryptography.fernet import Fernet
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from benchmarks import loops
from benchmarks.idle.companies import settle
from benchmarks.idle.measure import COMMANDS
from benchmarks.installing import DATABASE
from benchmarks.unchanged.report import FullScan, Incremental, Unchanged
from sandbox.installation import DECLAREE_KEY, PERSONIO_ID, PERSONIO_SECRET
from sandbox.stack.errors import StackError
from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.mappings import default_mapping
from services.store.database import Store

FULL_SCAN, INCREMENTAL = 0, 86_400
"""Seconds between two full scans: with 0, each poll is a full scan."""
MEASURED_SCANS = 5
"""Number of measured full scans, with a bare loop before and after each: their CPU times vary by a tenth and more."""
START_SECONDS = 600.0
"""Time limit for the start of the sandbox Personio, which generates the company."""


@dataclass(frozen=True, slots=True)
class _Company:
    """The servers, and the connection of the company."""

    mongo: Mongo
    """MongoDB."""
    personio: Process
    """The sandbox Personio."""
    url: str
    """Address of the sandbox Personio."""
    key: str
    """The encryption key."""
    connection: ConnectionId
    """The connection."""

    async def poll(self, full_scan_seconds: int) -> loops.LoopResult:
        """Polls once in a process of its own."""
        arguments = (self.mongo.url, self.key, self.connection, str(full_scan_seconds))
        return await loops.run("unchanged.polling", *arguments, servers={"MongoDB": self.mongo.process.pid})

    async def fetch(self, attributes: list[str]) -> loops.LoopResult:
        """Runs the bare loop."""
        return await loops.run("bare.fetch", self.url, PERSONIO_ID, PERSONIO_SECRET, *attributes, servers={})

    async def list_requests(self) -> list[dict[str, Any]]:
        """Returns the newest requests to Personio since the last call, the oldest first."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            requests = (await client.get(f"{self.url}/_control/requests")).json()["requests"]
            await client.delete(f"{self.url}/_control/requests")
        return list(requests)

    async def read_totals(self) -> tuple[int, int]:
        """Returns the numbers of documents that MongoDB has read, and of commands."""
        async with AsyncMongoClient[dict[str, Any]](self.mongo.url) as client:
            metrics = (await client[DATABASE].command("serverStatus"))["metrics"]
        commands = sum(metrics["commands"][name]["total"] for name in COMMANDS & metrics["commands"].keys())
        return metrics["queryExecutor"]["scannedObjects"], commands


async def measure_unchanged(active: int, report: Callable[[str], None]) -> Unchanged:
    """Returns the measurements for a number of active employees. Raises ``StackError`` if a poll fails or finds a change."""
    report(f"one company without changes: importing {active:,} people")
    async with _import_company(active) as (company, people, attributes):
        report("one company without changes: an incremental poll")
        incremental = await _measure_incremental(company)
        report("one company without changes: full scans")
        return Unchanged(people, incremental, await _measure_full(company, people, attributes))


@asynccontextmanager
async def _import_company(active: int) -> AsyncIterator[tuple[_Company, int, list[str]]]:
    """Yields the company after its import, its number of employees, and the attributes that the poller asks for."""
    with tempfile.TemporaryDirectory(prefix="benchmark-unchanged-") as name:
        folder, port = Path(name), reserve_port()
        url = f"http://127.0.0.1:{port}"
        options = ("--port", str(port), "--employees", str(active), "--no-rate-limit")
        process = Process(
            "personio",
            (sys.executable, "-m", "sandbox.personio", *options),
            folder=folder,
            ready=create_http_check(f"{url}/_control/health"),
            start_seconds=START_SECONDS,
        )
        key = Fernet.generate_key().decode()
        async with Mongo(folder / "mongo") as mongo, process as personio:
            store = Store.connect(SecretStr(mongo.url), DATABASE, [SecretStr(key)])
            try:
                company = _Company(mongo, personio, url, key, await _connect(store, url))
                listed = (await company.poll(FULL_SCAN)).counts["listed"]
                last = (await company.list_requests())[-1]
                if listed < active or listed != await settle(store, company.connection):
                    raise StackError(f"{listed} of more than {active} employees were imported")
            finally:
                store.close()
            yield company, listed, parse_qs(last["query"])["attributes[]"]


async def _connect(store: Store, url: str) -> ConnectionId:
    """Adds and starts the connection, and returns its id."""
    await store.create_indexes()
    now = datetime.now(UTC)
    personio = PersonioAccess(
        url=url, client_id=PERSONIO_ID, client_secret=SecretStr(PERSONIO_SECRET), insecure_http=True
    )
    declaree = DeclareeAccess(url=f"{url}/none", key=SecretStr(DECLAREE_KEY), insecure_http=True)
    connection = (await store.connections.add("Large company", personio, declaree, now=now)).id
    await store.mappings.publish(connection, default_mapping(), now=now, expected_version=None)
    await store.connections.start(connection, now=now)
    return connection


async def _measure_incremental(company: _Company) -> Incremental:
    documents, commands = await company.read_totals()
    poll = await company.poll(INCREMENTAL)
    documents_after, commands_after = await company.read_totals()
    if poll.counts != {"listed": 0, "changed": 0}:
        raise StackError(f"the incremental poll has listed employees: {poll.counts}")
    return Incremental(
        requests=len(await company.list_requests()),
        documents=documents_after - documents,
        commands=commands_after - commands,
        cpu_seconds=poll.usage["loop"].cpu_seconds,
        growth_mib=poll.growth_mib,
    )


async def _measure_full(company: _Company, people: int, attributes: list[str]) -> FullScan:
    bare, polls = [await company.fetch(attributes)], []
    for _ in range(MEASURED_SCANS):
        polls.append(await company.poll(FULL_SCAN))
        bare.append(await company.fetch(attributes))
    for poll in polls:
        if poll.counts != {"listed": people, "changed": 0}:
            raise StackError(f"a full scan has found {poll.counts}, not {people} unchanged employees")
    return FullScan(
        cpu_seconds=median(poll.usage["loop"].cpu_seconds for poll in polls),
        bare_cpu_seconds=median(loop.usage["loop"].cpu_seconds for loop in bare),
        mongo_cpu_seconds=median(poll.usage["MongoDB"].cpu_seconds for poll in polls),
        growth_mib=max(poll.growth_mib for poll in polls),
    )
