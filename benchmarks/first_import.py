"""The first import: all employees of a new company, from Personio through Kafka and MongoDB to Declaree."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from benchmarks.processes import Usage, read_usages, subtract_usages
from benchmarks.report import Import
from benchmarks.waiting import wait_until
from sandbox.installation import SERVICES, Installation
from sandbox.stack.errors import StackError
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.store.database import Store

MIN_SECONDS, MIN_RATE = 900, 50
"""Time limit for the import: this number of seconds, or longer with more employees than this rate a second allows."""

OPEN_REFERENCE = {"manager.employee_id": {"$exists": True}, "manager.account_id": {"$exists": False}}
"""MongoDB filter for ledger entries of accounts without their manager."""


class ImportWatch:
    """Watches an import from outside: the accounts in Declaree, and the ledger once all accounts exist."""

    def __init__(self, installation: Installation, store: Store, connection: ConnectionId, active: int) -> None:
        self._declaree = installation.declaree
        self._store = store
        self._connection = connection
        self._active = active
        self._mongo = AsyncMongoClient[dict[str, Any]](installation.environment["MONGODB_URL"])
        self._ledger = self._mongo["personio_declaree"]["ledger"]
        self._http = httpx.AsyncClient(trust_env=False)

    async def wait_until_done(self, progress: Callable[[int], None]) -> float:
        """Waits until all active employees have an account with its manager, and the balance is 0; returns the time.

        ``progress`` receives the number of accounts. Raises ``StackError`` after the time limit.
        """
        limit = max(MIN_SECONDS, self._active / MIN_RATE)
        try:
            await wait_until(lambda: self._is_done(progress), limit)
        except TimeoutError as error:
            raise StackError(f"the first import did not end within {limit:.0f} s") from error
        finally:
            await self._http.aclose()
            await self._mongo.close()
        return time.time()

    async def _is_done(self, progress: Callable[[int], None]) -> bool:
        summary = (await self._http.get(f"{self._declaree}/_control/summary")).json()
        progress(summary["total"])
        if summary["active"] < self._active:
            return False
        if await self._ledger.count_documents(OPEN_REFERENCE):
            return False
        return await self._store.counters.count_behind(self._connection) == 0


async def run(
    installation: Installation, store: Store, active: int, progress: Callable[[int], None], *, links: str = "none"
) -> Import:
    """Imports all employees and returns the measurement; raises ``StackError`` if the import or the poll fails.

    Before the call, mapper and writer must run and the poller must not. After the call all three run. ``progress`` receives
    the number of accounts. ``links`` is the decision about accounts that exist already.
    """
    (summary,) = await store.connections.list_all()
    connection = summary.id
    await installation.start_service("poller")
    pids = _get_pids(installation)
    before = read_usages(pids)
    watch = ImportWatch(installation, store, connection, active)
    await installation.run_cli("connections", "start", connection, "--yes", "--links", links)
    ended = await watch.wait_until_done(progress)
    usage = subtract_usages(read_usages(pids), before)
    began = await _read_first_request_time(installation)
    polled = await wait_for_poll(store, connection)
    requests = await _get(f"{installation.declaree}/_control/counters")
    return Import(
        employees=await store.snapshots.count(connection),
        accounts=active,
        seconds=ended - began,
        polled_seconds=polled - began,
        requests=requests["total"],
        usage=usage,
        growth_mib={name: _compute_growth(usage[name], before[name]) for name in SERVICES},
    )


async def wait_for_poll(store: Store, connection: ConnectionId) -> float:
    """Waits until the end of the first poll is stored, which may be after the last account is done; returns its time.

    Raises ``StackError`` if the poll fails.
    """

    async def has_ended() -> bool:
        return await store.runs.get_last_finished(connection) is not None

    await wait_until(has_ended, MIN_SECONDS)
    run = await store.runs.get_last_finished(connection)
    if run is None or run.state is not RunState.SUCCEEDED or run.finished_at is None:
        raise StackError(f"the poll failed: {run and run.error}")
    return run.finished_at.timestamp()


def _compute_growth(after: Usage, before: Usage) -> float:
    """Returns the peak memory above the level at readiness, in MiB."""
    return after.peak_mib - before.resident_mib


def _get_pids(installation: Installation) -> dict[str, int]:
    servers = {"kafka": installation.kafka.process.pid, "mongod": installation.mongo.process.pid}
    sandboxes = {name: installation.processes[name].pid for name in ("personio", "declaree")}
    services = {name: installation.processes[name].pid for name in SERVICES}
    return {**services, **servers, **{f"sandbox {name}": pid for name, pid in sandboxes.items()}}


async def _read_first_request_time(installation: Installation) -> float:
    requests = (await _get(f"{installation.personio}/_control/requests"))["requests"]
    return datetime.fromisoformat(requests[0]["at"]).timestamp()


async def _get(url: str) -> Any:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        return answer.json()
