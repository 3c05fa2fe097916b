"""The first import: everybody of a new company, from Personio through Kafka and MongoDB into Declaree."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from benchmarks.processes import Usage, since, usages
from benchmarks.report import Import
from benchmarks.waiting import until
from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from services.admin import connections
from services.contracts.connections import Connection
from services.contracts.runs import RunState
from services.store.database import Store

LONGEST_SECONDS = 900
OPEN_REFERENCE = {"manager.employee_id": {"$exists": True}, "manager.account_id": {"$exists": False}}
"""A ledger entry whose manager is not written yet."""


class Watch:
    """Sees from outside how far an import is: Declaree's count, then the ledger once everybody has an account."""

    def __init__(self, installation: Installation, store: Store, connection: Connection, active: int) -> None:
        self._declaree = installation.declaree
        self._store = store
        self._connection = connection
        self._active = active
        self._ledger = AsyncMongoClient[dict[str, Any]](installation.environment["MONGODB_URL"])
        self._accounts = self._ledger["personio_declaree"]["accounts"]
        self._http = httpx.AsyncClient(trust_env=False)

    async def until_done(self, progress: Callable[[int], None]) -> float:
        """When every active employee has an account, its manager is written and the balance is 0: the time of that."""
        try:
            await until(lambda: self._done(progress), LONGEST_SECONDS)
        except TimeoutError as error:
            raise StackError(f"the first import did not end within {LONGEST_SECONDS} s") from error
        finally:
            await self._http.aclose()
            await self._ledger.close()
        return time.time()

    async def _done(self, progress: Callable[[int], None]) -> bool:
        summary = (await self._http.get(f"{self._declaree}/_control/summary")).json()
        progress(summary["total"])
        if summary["active"] < self._active:
            return False
        if await self._accounts.count_documents(OPEN_REFERENCE):
            return False
        return await self._store.accounts.behind(self._connection.id) == 0


async def run(installation: Installation, store: Store, active: int, progress: Callable[[int], None]) -> Import:
    """Mapper and writer of the installation run, its poller does not; afterwards all three do."""
    (connection,) = await store.connections.all()
    await connections.pause(store, connection.id)
    await installation.start_service("poller")
    pids = _pids(installation)
    before = usages(pids)
    watch = Watch(installation, store, connection, active)
    await connections.resume(store, connection.id)
    ended = await watch.until_done(progress)
    used = since(usages(pids), before)
    began = await _first_request(installation)
    polled = await _polled(store, connection)
    requests = await _get(f"{installation.declaree}/_control/counters")
    return Import(
        employees=await store.snapshots.count(connection.id),
        accounts=active,
        seconds=ended - began,
        polled_seconds=polled - began,
        requests=requests["total"],
        usage=used,
        poller_growth_mib=_growth(used["poller"], before["poller"]),
    )


async def _polled(store: Store, connection: Connection) -> float:
    """When the poll ended, which may be noted a moment after its last person has arrived."""

    async def noted() -> bool:
        return await store.runs.last_finished(connection.id) is not None

    await until(noted, LONGEST_SECONDS)
    run = await store.runs.last_finished(connection.id)
    if run is None or run.state is not RunState.SUCCEEDED or run.finished_at is None:
        raise StackError(f"the poll failed: {run and run.error}")
    return run.finished_at.timestamp()


def _growth(after: Usage, before: Usage) -> float:
    """The highest that memory stood above its level at readiness."""
    return after.peak_mib - before.resident_mib


def _pids(installation: Installation) -> dict[str, int]:
    servers = {"kafka": installation.kafka.process.pid, "mongod": installation.mongo.process.pid}
    sandboxes = {name: installation.processes[name].pid for name in ("personio", "declaree")}
    services = {name: installation.processes[name].pid for name in ("poller", "mapper", "writer")}
    return {**services, **servers, **{f"sandbox {name}": pid for name, pid in sandboxes.items()}}


async def _first_request(installation: Installation) -> float:
    requests = (await _get(f"{installation.personio}/_control/requests"))["requests"]
    return datetime.fromisoformat(requests[0]["at"]).timestamp()


async def _get(url: str) -> Any:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        return answer.json()
