"""One poll of a connection with the poller's code, as a process like the bare loops. Kafka is left out: nothing is published.

python -m benchmarks.unchanged.polling MONGODB_URL ENCRYPTION_KEY CONNECTION SECONDS

``SECONDS`` is the time between two full scans: with 0, the poll is a full scan.
"""

import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NoReturn

from pydantic import SecretStr

from benchmarks.bare.measuring import run_measured
from benchmarks.installing import DATABASE
from services.clients.personio.v1 import PersonioClient
from services.contracts.cloudevents import Record
from services.contracts.ids import ConnectionId
from services.poller.lease import LeaseKeeper
from services.poller.ports import PollPlan
from services.poller.scan_limits import ScanLimits
from services.poller.settings import PollerSettings
from services.poller.work import ConnectionWork
from services.runtime.clock import SystemClock
from services.runtime.entrypoint import GC_THRESHOLD
from services.runtime.identity import identify_process
from services.runtime.metrics import Metrics
from services.store.database import Store

MAX_SECONDS = timedelta(hours=2).total_seconds()
"""Time limit of the scan."""


class _Publisher:
    """Acknowledges every record."""

    async def publish(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Returns that none of the records is too large."""
        del records
        return ()


@asynccontextmanager
async def _open_personio(plan: PollPlan) -> AsyncIterator[PersonioClient]:
    access = plan.open_connection().personio
    async with PersonioClient(access, clock=SystemClock(), allow_private=True) as client:
        yield client


def _open_no_accounts(connection: ConnectionId) -> NoReturn:
    del connection
    raise RuntimeError("accounts are not verified")


async def _poll(url: str, key: str, connection: ConnectionId, full_scan_seconds: float) -> Counter[str]:
    """Polls once. Returns the number of listed employees, and of those with a change."""
    clock = SystemClock()
    settings = PollerSettings(
        kafka_bootstrap_servers="127.0.0.1:9092",
        mongodb_url=SecretStr(url),
        encryption_keys=SecretStr(key),
        poll_full_scan_seconds=full_scan_seconds,
        poll_verify=False,
    )
    store = Store.connect(settings.mongodb_url, DATABASE, settings.keys)
    try:
        work = ConnectionWork(
            settings=settings,
            repositories=store,
            source=_open_personio,
            accounts=_open_no_accounts,
            publisher=_Publisher(),
            limits=ScanLimits(clock, seconds=MAX_SECONDS, pages=settings.poll_scan_pages, places=1),
            clock=clock,
            metrics=Metrics(),
        )
        leases = LeaseKeeper(store.leases, identify_process(), clock, settings.poll_lease_seconds)
        async with leases.hold(connection) as guard:
            if guard is None:
                raise RuntimeError("another process polls the company")
            await work.carry_out(connection, guard, is_due=True)
        run = await store.runs.get_last_finished(connection)
    finally:
        store.close()
    if run is None:
        raise RuntimeError("the poll has not ended")
    return Counter(listed=run.counts.seen, changed=run.counts.created + run.counts.changed)


if __name__ == "__main__":
    gc.freeze()  # as every service does
    gc.set_threshold(GC_THRESHOLD)
    run_measured(lambda: _poll(sys.argv[1], sys.argv[2], ConnectionId(sys.argv[3]), float(sys.argv[4])))
