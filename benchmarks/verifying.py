"""A verification of all accounts, by a poller that has done nothing before."""

import time
from math import ceil

import httpx

from benchmarks.processes import read_usage
from benchmarks.report import Verification
from benchmarks.waiting import wait_until
from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from services.admin.verify import verify_accounts
from services.clients.declaree.listing import PAGE_SIZE
from services.contracts.ids import ConnectionId
from services.provisioning.drift import LOOKUP_LAG
from services.runtime.clock import SystemClock
from services.store.database import Store

MAX_SECONDS = 900
"""Time limit for the verification."""


async def run(installation: Installation, store: Store, connection: ConnectionId) -> Verification:
    """Verifies all accounts and returns the measurement; raises ``StackError`` if anything is wrong.

    Before the call, all changes must be settled. The poller is started again, so that its memory is that of the verification.
    """
    await installation.processes["poller"].stop()
    await installation.start_service("poller")
    settled_at = time.monotonic()
    await wait_until(lambda: _is_past(settled_at), MAX_SECONDS)
    poller = installation.processes["poller"].pid
    before, sent = read_usage(poller), await _count_requests(installation)
    began = time.monotonic()
    verified = await verify_accounts(
        store, SystemClock(), connection, repair=False, seconds=MAX_SECONDS, progress=lambda _: None
    )
    seconds = time.monotonic() - began
    usage = read_usage(poller)
    if verified.report is None or verified.findings:
        raise StackError(f"the verification failed: {verified.error or verified.findings[:3]}")
    accounts = verified.report.counts["listed"]
    return Verification(
        accounts=accounts,
        seconds=seconds,
        pages=ceil(accounts / PAGE_SIZE),
        requests=await _count_requests(installation) - sent,
        poller_growth_mib=usage.peak_mib - before.resident_mib,
        cpu_seconds=usage.subtract(before).cpu_seconds,
    )


async def _is_past(settled_at: float) -> bool:
    """Whether no change counts as settled just now, which a verification would leave out."""
    return time.monotonic() > settled_at + LOOKUP_LAG.total_seconds()


async def _count_requests(installation: Installation) -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(f"{installation.declaree}/_control/counters")
        answer.raise_for_status()
        return int(answer.json()["total"])
